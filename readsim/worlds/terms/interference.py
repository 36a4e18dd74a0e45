"""Interference that saturates: what all sources together can take from a capability is limited.

    lost_j -> limit_j (1 - exp(-lost_j / limit_j)),    lost_j = sum_i harm_ij (x_i - u_i(x_i))

For small harm nothing changes; two sources that harm the same capability take less together than apart,
because they overwrite the same thing (forgetting sits in a few late layers: Ramasesh et al. 2021, arXiv
2007.07400), and it levels off where what can be overwritten is gone. It depends on cumulative tokens alone,
so the world stays order-free; its harm is no longer convex. Limit: interference_limit -> infinity.
"""

import numpy as np

from readsim.arrays import Array


def saturated(lost: Array, limit: Array) -> Array:
    """limit (1 - exp(-lost / limit)) of (..., K) >= 0; `lost` itself where the limit is infinite."""
    some = np.isfinite(limit)
    most = np.where(some, limit, 1.0)
    out: Array = most - most * np.exp(-lost / most)
    return out if some.all() else np.where(some, out, lost)


def saturated_slope(lost: Array, limit: Array) -> Array:
    """exp(-lost / limit), 1 where the limit is infinite."""
    return np.exp(-lost / limit)
