"""The paper's two diagnostics of diminishing returns and negative spillover (Figure 2), without their bias.

Diminishing returns: gain of the target from B1 to B2 against B2 to B3. Choosing "the strongest-improving
targets" by the first window makes linear gains look saturating (regression to the mean), and windows of
unequal length (20-80, 80-150) compare 60M with 70M. Negative spillover: E[drop]_+ of noise alone is
0.4 standard deviations, whatever the truth.
"""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats.metrics import NOISE_DROP


def diminishing_share(
    scores: Array, budgets: Array, *, strongest: int | None = None, per_token: bool = True
) -> float:
    """Share of targets whose second window gains less than the first: scores (n, 3), budgets (3,).

    `strongest` keeps the targets with the largest first gain, as the paper does; None keeps all.
    `per_token=False` compares raw gains of unequal windows. Linear gains with noise give one half for
    (None, True), and so do exact lines: a tie counts one half. Raises ConfigError where shapes do not
    fit or budgets do not increase.
    """
    b = np.asarray(budgets, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != 3 or b.shape != (3,) or (np.diff(b) <= 0).any():
        raise ConfigError(f"scores {scores.shape}, budgets {b}: (n, 3) at three rising budgets")
    gains = np.diff(scores, axis=1)
    if strongest is not None:
        gains = gains[np.argsort(-gains[:, 0], kind="stable")[:strongest]]
    rates = gains / np.diff(b) if per_token else gains
    return float(np.mean(_fell(rates)))


def split_share(
    select: Array, test: Array, budgets: Array, *, strongest: int, per_token: bool = True
) -> float:
    """`diminishing_share` of the targets that are strongest on other seeds: twice (n, 3).

    Linear gains with noise that is independent between the two give one half (chk C21).
    """
    if select.shape != test.shape:
        raise ConfigError(f"select {select.shape}, test {test.shape}: the same targets in both")
    first = select[:, 1] - select[:, 0]
    chosen = np.argsort(-first, kind="stable")[:strongest]
    return diminishing_share(test[chosen], budgets, per_token=per_token)


def _fell(rates: Array) -> Array:
    """1 where the second of two rates (n, 2) is lower, 1/2 where they are equal up to rounding."""
    apart = rates[:, 1] - rates[:, 0]
    size = np.abs(rates).max(axis=1)
    return np.where(np.abs(apart) <= 1e-12 * size, 0.5, (apart < 0.0).astype(np.float64))


def mean_drop(change: Array, change_sd: Array | float, *, floor: bool = True) -> float:
    """Mean of [-change]_+, with `floor` less what noise alone would give: sd / sqrt(2 pi).

    The floor is that of a true change of 0: where capabilities drop by several sd it takes 0.4 sd too
    much. 0 for no changes at all.
    """
    if not change.size:  # one capability: nothing but the target
        return 0.0
    drop = float(np.mean(np.maximum(-change, 0.0)))
    return drop - float(np.mean(NOISE_DROP * np.asarray(change_sd))) if floor else drop
