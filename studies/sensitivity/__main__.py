"""`python -m studies.sensitivity`."""

from studies.paper.command import main
from studies.sensitivity.study import STUDY

if __name__ == "__main__":
    main(STUDY)
