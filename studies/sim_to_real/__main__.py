"""`python -m studies.sim_to_real`: the runs that are kept here; `.measure` makes them again."""

from studies.paper.command import main
from studies.sim_to_real.study import STUDY

if __name__ == "__main__":
    main(STUDY)
