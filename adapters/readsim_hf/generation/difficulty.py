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
    """Eq. (7), d = (1/F) sum_f norm_f(f), for one capability; norm_f comes from the pool Q (D12).

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
