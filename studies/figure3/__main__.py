"""`python -m studies.figure3`."""

from studies.figure3.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
