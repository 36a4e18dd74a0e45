"""`python -m studies.misalignment`."""

from studies.misalignment.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
