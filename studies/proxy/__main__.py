"""`python -m studies.proxy`."""

from studies.paper.command import main
from studies.proxy.study import STUDY

if __name__ == "__main__":
    main(STUDY)
