"""`python -m studies.figure4`."""

from studies.figure4.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
