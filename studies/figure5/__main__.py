"""`python -m studies.figure5`."""

from studies.figure5.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
