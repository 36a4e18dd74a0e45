"""Eq. (7): how hard a prompt is, from its control factors and a calibration pool."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

Method = Literal["rank", "paper_minmax"]


def _table(factors: Array) -> Array:
    """`factors` as (n, F) float64. Raises ConfigError for another shape or a number not finite."""
    table = np.asarray(factors, dtype=np.float64)
    if table.ndim != 2:
        raise ConfigError(f"factors: shape {table.shape}, expected (prompts, factors)")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ConfigError(
            f"factors: {table[row, column]} at prompt {row}, factor {column}: expected finite numbers"
        )
    return table


@dataclass(frozen=True, eq=False)
class Difficulty:
    """Eq. (7), d = (1/F) sum_f norm_f(f), for one capability; norm_f comes from the pool Q.

    rank           norm(f) = (#{Q < f} + #{Q <= f}) / (2 #Q): the empirical CDF with mid-ranks,
                   invariant to any increasing change of scale
    paper_minmax   norm(f) = (f - min Q) / (max Q - min Q), invariant to affine changes of scale

    A factor is clipped to its range in the pool first, so d lies in [0, 1] for every prompt. A
    factor that is constant in the pool contributes 0 but is counted in F.
    """

    method: Method
    pool: Array  # (n, F), each column in ascending order

    @classmethod
    def fit(cls, factors: Array, method: Method = "rank") -> "Difficulty":
        """From the factors (n, F) of the n >= 1 prompts of the pool; F may be 0, then d is 0.

        Raises ConfigError (UnknownNameError for the method).
        """
        if method not in get_args(Method):
            raise unknown("difficulty method", method, get_args(Method))
        pool = _table(factors)
        if not len(pool):
            raise ConfigError("calibration pool: 0 prompts, expected at least 1")
        return cls(method, np.sort(pool, axis=0))

    def score(self, factors: Array) -> Array:
        """Factors (n, F) -> d (n,) in [0, 1]. Equal rows score equally, whatever n is."""
        table = _table(factors)
        if table.shape[1] != self.pool.shape[1]:
            raise ConfigError(
                f"factors: {table.shape[1]} a prompt, expected {self.pool.shape[1]} as in the pool"
            )
        total = np.zeros(len(table))
        for column, pool in zip(table.T, self.pool.T, strict=True):
            total += self._contribution(column, pool)
        total /= max(table.shape[1], 1)
        return total

    def _contribution(self, values: Array, pool: Array) -> Array:
        low, high = pool[0], pool[-1]
        if low == high:
            return np.zeros(len(values))
        clipped = np.minimum(np.maximum(values, low), high)
        if self.method == "rank":
            twice = pool.searchsorted(clipped, "left") + pool.searchsorted(clipped, "right")
            return np.asarray(twice / (2 * len(pool)), dtype=np.float64)
        return np.asarray((clipped - low) / (high - low), dtype=np.float64)


BUCKETS = ("easy", "medium", "hard")  # tertiles of difficulty on the calibration pool


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
