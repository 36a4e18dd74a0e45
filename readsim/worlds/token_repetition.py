"""From tokens on S sources to tokens on M gain curves: finite pools, and curves that sources share.

A source with `pool_tokens` distinct tokens repeats them once they are used up, and a repeated token
is worth less (Muennighoff et al. 2023, arXiv 2305.16264, Eq. 5, R* = 15.39): with U distinct tokens

    e(b) = b                                            b <= U
    e(b) = U + U R* (1 - exp(-(b / U - 1) / R*))        b > U

`feeds` (S, M) says what a token of source i counts for on gain curve m: sources that teach the same
skill are substitutes, whose tokens add up before returns diminish.
"""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array

REPEATS = 15.387756  # R*: epochs after which repeating has brought 1 - 1/e of what it ever can


def unique_worth(tokens: Array, pool: Array) -> Array:
    """e(b) (..., S) of cumulative tokens (..., S) for pools (S,), in the same unit; infinite: e = b."""
    with np.errstate(divide="ignore", invalid="ignore"):
        extra = np.maximum(tokens / pool - 1.0, 0.0)
        repeated = np.where(extra > 0.0, pool * REPEATS * -np.expm1(-extra / REPEATS), 0.0)
    return np.minimum(tokens, pool) + repeated


def unique_slope(tokens: Array, pool: Array) -> Array:
    """e'(b): 1 within the pool, then exp(-(b / U - 1) / R*)."""
    return np.exp(-np.maximum(tokens / pool - 1.0, 0.0) / REPEATS)


@dataclass(frozen=True, eq=False)
class Intake:
    """`pool` (S,) in the unit of the cumulative tokens r, or None; `feeds` (S, M) per unit, or None."""

    pool: Array | None
    feeds: Array | None

    def once(self, r: Array) -> Array:
        """What tokens are worth as they repeat: (..., S) -> (..., S)."""
        return r if self.pool is None else unique_worth(r, self.pool)

    def worth(self, r: Array) -> Array:
        """What gain curves see: (..., S) -> (..., M)."""
        return self.fed(self.once(r))

    def fed(self, once: Array) -> Array:
        """The same of what tokens are worth: (..., S) -> (..., M)."""
        return once if self.feeds is None else once @ self.feeds

    def spent(self, r: Array) -> Array:
        """What harm sees, where a repeat counts in full: (..., S) -> (..., M)."""
        return r if self.feeds is None else r @ self.feeds

    def slopes(self, r: Array, by_worth: Array, by_spent: Array) -> Array:
        """dz / dr (..., S, K) from dz / dworth and dz / dspent, (..., M, K) each."""
        if self.feeds is not None:
            by_worth, by_spent = self.feeds @ by_worth, self.feeds @ by_spent
        if self.pool is not None:
            by_worth = unique_slope(r, self.pool)[..., None] * by_worth
        out: Array = by_worth + by_spent
        return out
