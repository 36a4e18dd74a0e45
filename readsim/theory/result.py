"""What a check of a statement returns: a statistic next to its bound, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np

from readsim.errors import CapabilityMissingError

POWER = 0.8  # of a test that sees less of what it looks for: what it does not refute is undecided
TRUE, FALSE = "control, true", "control, false"  # subjects of tables, by what they are to show


class Verdict(StrEnum):
    """`UNDECIDED`: the interval of the statistic has the bound inside, or a test could not have failed."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


class PaperStatement(StrEnum):
    """What is tested, by the name that tables show; lemmas are ours, the rest is the paper's.

    A part of a statement is named behind it: `f"{PaperStatement.CONCAVE_GAINS}: order-free"`.
    """

    LINEAR_UPDATES = "Assumption 4.1 (linear updates)"
    LOCAL_READOUT = "Assumption 4.2 (local readout)"
    LOCAL_TRANSFER = "Proposition 4.3 (local transfer)"
    CONCAVE_GAINS = "Assumption 4.4 (concave gains)"
    MARGINAL_GAINS = "Proposition 4.5 (marginal gains)"
    STEP_REGRET = "Proposition 4.7 (step regret)"
    CALIBRATED = "Assumption C.1 (calibrated uncertainty)"
    PROXY = "Section 3.3 (proxy calibration)"
    STATIC_DOMINANCE = "Lemma (static dominance)"
    ONE_HOT_BOUND = "Lemma (one-hot bound)"
    VERTICES = "Lemma (vertices)"
    GREEDY_BLOCKS = "Lemma (greedy blocks)"
    SPILLOVER = "Lemma (spillover)"
    REQUIREMENT_LOSS = "Lemma (requirement loss)"
    INERT_TERMS = "Lemma (inert terms)"
    ORDER_EFFECTS = "Lemma (order effects)"
    LABELS_AND_TOKENS = "Lemma (labels and tokens)"


class Effect(NamedTuple):
    """How large the largest violation found is, in a unit that matters, and `where` it is.

    A violation up to `negligible` is none, whatever the statistic says: the statement holds to within
    `size`. One above `limit` refutes, whatever order it vanishes at.
    """

    size: float
    unit: str
    where: str = ""
    negligible: float = -np.inf
    limit: float = np.inf


def points(score: float, where: str = "") -> Effect:
    """A size in score units, shown in points (hundredths)."""
    return Effect(100.0 * max(score, 0.0), "points", where)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One statement on one subject.

    statement   a `PaperStatement`, or a part of one
    subject     what it was measured on: a preset's name, "toy, adam", a folder of run logs
    measure     what the statistic is, in words, with its unit
    statistic   the number, and `interval`, its 95 % interval where it is an estimate
    bound       what the statement needs it to be: `sense` "<=" (at most) or ">=" (at least)
    effect      how large the largest violation is: a verdict "holds to within" that
    task        of a world with several, which one; of a table of runs, which score
    budget      tokens up to which a world was tested; NaN elsewhere
    power       of a test whose p is the statistic: its chance of seeing the departure `seen`, NaN where none
                is in reach; None where the statistic is no p
    advice      what to do where it fails; tables leave it out where it holds
    detail      whatever else was measured: arrays for figures, counts
    """

    statement: str
    subject: str
    measure: str
    statistic: float
    bound: float
    sense: Literal["<=", ">="]
    interval: tuple[float, float] | None = None
    effect: Effect | None = None
    advice: str = ""
    task: str = ""
    budget: float = np.nan
    power: float | None = None
    seen: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """By the interval where there is one: the whole of it must lie on one side of the bound.

        A statistic that is not a number decides nothing, and so does a test that refutes nothing with a power
        below .8. The effect goes first: what is negligible holds, what is above its limit fails.
        """
        if self.effect is not None and self.effect.size <= self.effect.negligible:
            return Verdict.HOLDS
        if self.effect is not None and self.effect.size > self.effect.limit:
            return Verdict.FAILS
        low, high = self.interval or (self.statistic, self.statistic)
        if self.sense == ">=":
            low, high = -high, -low
        bound = self.bound if self.sense == "<=" else -self.bound
        if high <= bound:
            seen = self.power is None or self.power >= POWER
            return Verdict.HOLDS if seen else Verdict.UNDECIDED
        return Verdict.FAILS if low > bound else Verdict.UNDECIDED

    @property
    def finding(self) -> str:
        """In words: the statistic and what is needed, or p and power; the largest violation and where."""
        if self.power is None:
            sign = "" if self.interval is None else "[{:.3g}, {:.3g}] ".format(*self.interval)
            need = "at most" if self.sense == "<=" else "at least"
            found = f"{self.statistic:.3g} {sign}({need} {self.bound:.3g} is needed)"
        elif np.isnan(self.power):
            found = "no departure is in reach: nothing was tested"
        else:
            found = f"p = {self.statistic:.2g}, power {self.power:.0%} against {self.seen}"
        if self.effect is None:
            return found
        where = f", {self.effect.where}" if self.effect.where else ""
        return f"{found}; {self.effect.size:.3g} {self.effect.unit}{where}"

    def row(self) -> dict[str, Any]:
        """One row of a table, without `detail`."""
        low, high = self.interval or (None, None)
        effect = self.effect or Effect(np.nan, "")
        return {
            "statement": self.statement,
            "subject": self.subject,
            "task": self.task,
            "budget": self.budget,
            "verdict": str(self.verdict),
            "measure": self.measure,
            "statistic": self.statistic,
            "low": low,
            "high": high,
            "sense": self.sense,
            "bound": self.bound,
            "power": self.power,
            "seen": self.seen,
            "size": effect.size,
            "unit": effect.unit,
            "where": effect.where,
            "advice": "" if self.verdict is Verdict.HOLDS else self.advice,
        }


def needs(statement: str, subject: object, what: str, kind: type | None = None) -> None:
    """Raise CapabilityMissingError unless `subject` is a `kind`, a runtime protocol whose lack names it."""
    if kind is None:
        raise CapabilityMissingError(f"{statement} needs {what}")
    if not isinstance(subject, kind):
        raise CapabilityMissingError(
            f"{statement} needs {what}, which {type(subject).__name__} does not offer"
        )
