"""What the rows of a log say together: their order, and tokens that add up."""

from collections.abc import Iterable
from dataclasses import dataclass

from readsim.envs.ledger import BUDGETED
from readsim.errors import RunLogError
from readsim.runs.rows import FinalRow, LogRow, StartRow, StepRow


@dataclass
class _Seen:
    """Of one seed so far: its last step (None before one), tokens spent, whether it started and is over."""

    step: int | None = None
    spent: int | None = None
    started: bool = False
    over: bool = False


def check_order(rows: Iterable[LogRow], where: str) -> None:
    """A run starts once, decides step by step, spends what it trains on, and ends once, as often as it says.

    Rows that are not there yet, or left out, are no fault: `Log.runs` asks for whole runs. Raises
    RunLogError naming `where`, seed and what is expected.
    """
    by_seed: dict[int, _Seen] = {}
    for row in rows:
        seen = by_seed.setdefault(row.seed, _Seen())
        here = f"{where}, seed {row.seed}, {row.kind} row"
        if isinstance(row, StartRow):
            if seen.started or seen.step is not None or seen.over:
                raise RunLogError(f"{here}: expected once, before all other rows of the seed")
            seen.started, seen.step, seen.spent = True, 0, 0
        elif isinstance(row, StepRow):
            _check_step(row, seen, here)
        else:
            _check_final(row, seen, here)


def _check_step(row: StepRow, seen: _Seen, here: str) -> None:
    if seen.over:
        raise RunLogError(f"{here}: step {row.step} comes after the seed's final row")
    if seen.step is not None and row.step != seen.step + 1:
        raise RunLogError(f"{here}: step is {row.step}, expected {seen.step + 1}")
    least = (seen.spent or 0) + row.tokens  # trials that are paid for are spent too
    if row.spent < least:
        raise RunLogError(
            f"{here}: spent is {row.spent} at step {row.step}, expected at least {least}"
        )
    seen.step, seen.spent = row.step, row.spent


def _check_final(row: FinalRow, seen: _Seen, here: str) -> None:
    if seen.over:
        raise RunLogError(f"{here}: the seed has more than one final row")
    if seen.step is not None and row.step != seen.step:
        raise RunLogError(f"{here}: step is {row.step}, expected {seen.step}, the last one")
    if seen.spent is not None and row.totals[BUDGETED] != seen.spent:
        said = row.totals[BUDGETED]
        raise RunLogError(
            f"{here}: totals.{BUDGETED} is {said}, expected {seen.spent}, what its steps spent"
        )
    seen.over = True
