"""Easy, medium, hard: tertiles of difficulty on the calibration pool (R33)."""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError

BUCKETS = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Tertiles:
    """Two cuts in the order of (difficulty, tie); a prompt at or above a cut is in the next bucket.

    The tie of a prompt is a number in [0, 1) that is as good as random (its hash). Prompts that are
    equally hard are split by it in the pool's proportion: without that, coarse factors put 75 % of
    the prompts into one bucket.
    """

    cuts: tuple[tuple[float, float], tuple[float, float]]

    @classmethod
    def fit(cls, difficulty: Array, ties: Array) -> "Tertiles":
        """From d (n,) and ties (n,) of the pool, n >= 1; distinct ties give buckets within 1 of n/3."""
        if difficulty.ndim != 1 or difficulty.shape != ties.shape or not len(difficulty):
            raise ConfigError(
                f"tertiles: difficulties {difficulty.shape} and ties {ties.shape}, "
                "expected one of each a prompt, at least one prompt"
            )
        order = np.lexsort((ties, difficulty))
        ordered = list(zip(difficulty[order].tolist(), ties[order].tolist(), strict=True))
        n = len(ordered)
        return cls((_cut(ordered, round(n / 3)), _cut(ordered, round(2 * n / 3))))

    def bucket(self, difficulty: float, tie: float) -> int:
        """0, 1 or 2 in the order of BUCKETS."""
        place = (difficulty, tie)
        return sum(place >= cut for cut in self.cuts)

    def distance(self, difficulty: float, bucket: int) -> float:
        """How far a difficulty is from the range of a bucket; 0 inside and on its edges."""
        edges = (-np.inf, self.cuts[0][0], self.cuts[1][0], np.inf)
        return max(edges[bucket] - difficulty, difficulty - edges[bucket + 1], 0.0)


def _cut(ordered: list[tuple[float, float]], below: int) -> tuple[float, float]:
    """The cut that leaves the first `below` of the pool under it."""
    if below == len(ordered):
        return (np.inf, 0.0)
    if below == 0:
        return (-np.inf, 0.0)
    (last, last_tie), (first, first_tie) = ordered[below - 1 : below + 1]
    if last < first:
        return (first, 0.0)
    # Half way between the two ties is closest to the pool's proportion.
    middle = (last_tie + first_tie) / 2
    return (first, middle if middle > last_tie else first_tie)
