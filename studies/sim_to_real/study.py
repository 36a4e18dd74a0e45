"""From 64 one-hot runs to a world, and back."""

from collections.abc import Sequence
from pathlib import Path

from readsim.worlds import load_world
from studies.paper.study import Case, Findings, Rows, Study
from studies.sim_to_real import analysis
from studies.sim_to_real.claims import CLAIMS, NANO
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.shipped import NANO as EARLIER

KEPT = Path(__file__).parent / "nano"


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """The real runs that are kept here; `studies.sim_to_real.measure` makes them again."""
    return [Case(NANO, (), KEPT)]


def analyse(rows: Rows) -> Findings:
    """With the earlier runs and the shipped world."""
    return analysis.analyse(Measured.load(EARLIER), load_world("nano-measured"), rows)


STUDY = Study(
    name="sim_to_real",
    title="Simulated to real: the pair nano",
    source="D45; ours",
    question="Does a world fitted to a few real runs predict others, and is the best allocation in it good?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=3,
)
