"""`python -m studies.tables`."""

from studies.tables.study import STUDY

from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
