"""`python -m studies.figure2`."""

from studies.figure2.study import STUDY
from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
