"""`python -m studies.table2`."""

from studies.table2.study import STUDY

from studies.paper.command import main

if __name__ == "__main__":
    main(STUDY)
