"""`python -m studies.table2`."""

from studies.paper.command import main
from studies.table2.study import STUDY

if __name__ == "__main__":
    main(STUDY)
