"""How much runs differ: the spread of token efficiency, and how alike two measurements are."""

import numpy as np
from scipy.optimize import nnls

from readsim.arrays import Array
from readsim.worlds import World
from studies.transfer_matrix.measured import Measured

STRETCH = 0.05  # of ln(tokens), for slopes


def efficiency_sd(measured: Measured, world: World) -> float:
    """sd of ln(efficiency), common to all sources, from the variance of changes over seeds.

    A change varies by sd * dM/dln(tokens), and by a multiple of the items' variance; both shares by
    non-negative least squares over all cells. 0 with one seed.
    """
    if measured.change.shape[2] < 2:
        return 0.0
    one = np.eye(len(measured.sources))

    def profiles(stretch: float) -> Array:
        tokens = np.array(measured.budgets) * np.exp(stretch)
        return np.array([world.static_profile(one, b) for b in tokens])

    slope = (profiles(STRETCH) - profiles(-STRETCH)) / (2.0 * STRETCH)
    items = measured.item_variance
    columns = np.stack([slope**2 / items, np.ones_like(items)], axis=-1).reshape(-1, 2)
    wanted = (measured.change.var(axis=2, ddof=1) / items).ravel()
    shares, _ = nnls(columns, wanted)
    return float(np.sqrt(shares[0]))


def pairing(measured: Measured) -> float:
    """Correlation of two measurements on the same items, see `readsim.worlds.probe`.

    With deviations a, b of the two, the change has variance a^2 + b^2 - 2 pairing a b.
    """
    start = measured.vector("start")
    last = np.clip(start + measured.change, 0.0, 1.0)
    items = np.where(measured.vector("test_items") > 0, measured.vector("test_items"), np.inf)
    a, b = np.sqrt(start * (1 - start) / items), np.sqrt(last * (1 - last) / items)
    both = 2.0 * a * b
    if not both.any():
        return 0.0
    over = float(((a**2 + b**2 - measured.change_sd**2) * both).sum() / (both**2).sum())
    return min(max(over, 0.0), 1.0)
