"""`python -m studies.table7`."""

from studies.paper.command import main
from studies.table7.study import STUDY

if __name__ == "__main__":
    main(STUDY)
