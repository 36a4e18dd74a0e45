"""`python -m studies.tables`."""

from studies.paper.command import main
from studies.tables.study import STUDY

if __name__ == "__main__":
    main(STUDY)
