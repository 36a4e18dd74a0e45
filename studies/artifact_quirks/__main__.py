"""`python -m studies.artifact_quirks`."""

from studies.artifact_quirks.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
