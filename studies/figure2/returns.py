"""Does a token bring less after the second budget than before it? Two ways to ask."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import RunLogError
from studies.common.transfer import Transfer

STRONGEST = 3  # targets

Places = NDArray[np.intp]


class Windows(NamedTuple):
    """Gains (2, S, N) in points, by window, target and replicate, and the windows' tokens (2,)."""

    gain: Array
    tokens: Array

    @property
    def slope(self) -> Array:
        """Points per token (2, S, N)."""
        return self.gain / self.tokens[:, None, None]


def windows_of(transfer: Transfer) -> Windows:
    """Gains of targets between three budgets, each budget from seeds of its own.

    A third of the seeds is used at each budget: a simulated seed has the same luck at all of them. What
    is left over by three is not used. Raises RunLogError unless there are three budgets and six seeds.
    """
    count = len(transfer.seeds) // 3
    if len(transfer.budgets) != 3 or count < 2:
        raise RunLogError(
            f"budgets {transfer.budgets}, seeds {transfer.seeds}: diminishing returns need one-hot runs at "
            "three budgets, with at least six seeds"
        )
    own = np.diagonal(transfer.change, axis1=1, axis2=2).swapaxes(1, 2)  # (B, S, N)
    apart = np.array([table[:, b * count : (b + 1) * count] for b, table in enumerate(own)])
    return Windows(np.diff(apart, axis=0), np.diff(np.array(transfer.budgets, dtype=np.float64)))


def strongest(gain: Array, count: int = STRONGEST) -> Places:
    """Places (count, N) of the targets with the largest gain (S, N); ties by place."""
    return np.argsort(-gain, axis=0, kind="stable")[:count]


def mean_of(values: Array, chosen: Places) -> Array:
    """Mean of values (S, N) over chosen places (count, N): (N,)."""
    out: Array = np.take_along_axis(values, chosen, axis=0).mean(axis=0)
    return out


def other_half(gain: Array) -> Array:
    """For each replicate the mean gain (S, N) over the half that it is not in: even or odd places."""
    even = np.arange(gain.shape[1]) % 2 == 0
    first, second = gain[:, even].mean(axis=1), gain[:, ~even].mean(axis=1)
    out: Array = np.where(even, second[:, None], first[:, None])
    return out


def as_the_paper(windows: Windows) -> Array:
    """g1 - g2 (N,) in points of the targets that are strongest in the replicate itself."""
    first, second = windows.gain[0], windows.gain[1]
    difference: Array = first - second
    return mean_of(difference, strongest(first))


def falls(windows: Windows) -> dict[str, Array]:
    """s1 - s2 (N,) over the mean s1: of all targets, of those strongest in the other half, and here."""
    first, second = windows.slope
    scale, fall = first.mean(), first - second
    return {
        "all": fall.mean(axis=0) / scale,
        "split": mean_of(fall, strongest(other_half(windows.gain[0]))) / scale,
        "same": mean_of(fall, strongest(windows.gain[0])) / scale,
    }
