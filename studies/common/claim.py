"""A claim of the paper as an effect with a sign, and the verdict on it: computed, never written."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from readsim.errors import ConfigError
from readsim.stats import t_interval

Observed = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Claim:
    """A statement, written down before its runs.

    `statistic` says in words how the effect of one seed is computed, so that the claim is that its mean
    is above `least`, in `unit`. `holds` and `fails` name the cases (see `Case`) in which it should be
    true and those in which it should not. `source` is the figure or table and the item of the paper.
    """

    id: str
    source: str
    text: str
    statistic: str
    unit: str
    holds: tuple[str, ...]
    fails: tuple[str, ...] = ()
    least: float = 0.0

    def __post_init__(self) -> None:
        if both := set(self.holds) & set(self.fails):
            raise ConfigError(f"claim {self.id}: {sorted(both)} are expected to do both")

    def expected(self, case: str) -> str:
        """`holds`, `fails`, or nothing where nothing was said beforehand."""
        return "holds" if case in self.holds else "fails" if case in self.fails else ""


class ClaimVerdict(NamedTuple):
    """What the seeds of one case say of a claim; `low` and `high` are the 95 % t interval."""

    claim: str
    case: str
    expected: str
    observed: Observed
    effect: float
    low: float
    high: float
    n: int
    unit: str

    @property
    def as_expected(self) -> bool | None:
        """None where nothing was expected or the seeds cannot tell."""
        if not self.expected or self.observed == "undecided":
            return None
        return self.expected == self.observed


def judge(claim: Claim, case: str, effects: ArrayLike) -> ClaimVerdict:
    """The verdict from one effect per seed (n,).

    It holds if the interval is above `claim.least`, fails if it is not above it anywhere, and is
    undecided otherwise, as with a single seed. Raises ConfigError without a finite effect per seed.
    """
    values = np.asarray(effects, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ConfigError(
            f"claim {claim.id}, {case}: expected one number per seed, got {effects!r}"
        )
    low, high = t_interval(values)
    observed: Observed = "undecided"
    if low > claim.least:
        observed = "holds"
    elif high <= claim.least:
        observed = "fails"
    mean = float(values.mean())
    return ClaimVerdict(
        claim.id, case, claim.expected(case), observed, mean, low, high, len(values), claim.unit
    )
