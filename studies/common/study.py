"""One study: claims, cases to run, and an analysis that reads rows only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from readsim.plots.style import sober
from readsim.runs.cell import Cell
from readsim.runs.read_logs import Log
from studies.common.claim import Claim, ClaimVerdict, judge


class Case(NamedTuple):
    """Runs that belong together: of one world, number of steps, set of seeds and telling of r.

    `kept` is a folder of run logs in addition to the study's, such as real ones: they are not run again.
    """

    name: str
    cells: Sequence[Cell]
    kept: Path | None = None


Rows = Mapping[str, Sequence[Log]]  # the logs of each case, by its name


class Drawing(NamedTuple):
    """A figure, and what it shows, in words, for those who do not see it."""

    title: str
    figure: Figure
    alt: str


@dataclass(frozen=True)
class Findings:
    """What an analysis makes of rows.

    effects  (claim id, case) -> one effect per seed; a claim without an entry for a case is not judged
    tables   file stem -> (title, table)
    figures  file stem -> drawing
    notes    sentences, in order
    """

    effects: Mapping[tuple[str, str], ArrayLike]
    tables: Mapping[str, tuple[str, pd.DataFrame]] = field(default_factory=dict)
    figures: Mapping[str, Drawing] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Study:
    """A figure or table of the paper.

    cases(seeds, folder)  what to run; worlds that are made for it are saved in `folder`
    analyse(rows)         a pure function of the logs, whether simulated, `toy` or real
    """

    name: str
    title: str
    source: str
    question: str
    claims: tuple[Claim, ...]
    cases: Callable[[Sequence[int], Path], Sequence[Case]]
    analyse: Callable[[Rows], Findings]
    seeds: int = 8

    def findings(self, rows: Rows) -> Findings:
        """`analyse`, its figures in readsim's style."""
        with sober():
            return self.analyse(rows)

    def verdicts(self, findings: Findings) -> list[ClaimVerdict]:
        """In the order of the claims."""
        return [
            judge(claim, case, effects)
            for claim in self.claims
            for (about, case), effects in findings.effects.items()
            if about == claim.id
        ]
