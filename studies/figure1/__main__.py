"""`python -m studies.figure1`."""

from studies.figure1.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
