"""The proxy reward, Eq. (9), and what it charges as harmful spillover."""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.files.checked import Checked, choice, number, whole

SPILL_WEIGHTS = ("requirement", "unit")


@dataclass(frozen=True)
class RewardConfig(Checked):
    """Weights of Eq. (9).

    essential       size of the essential set E: the top of the requirement  (code: 3)
    spill           lambda_s                                                 (code: 0.5)
    spill_weights   "requirement" weights each drop in E by r (code), "unit" does not (with spill = 1,
                    our reading of the paper); either is blind to what the task does not require
    cost            lambda_c on tokens / budget                              (inferred: 0.01)
    """

    essential: int = whole(3, "code", low=1, high=1_000_000)
    spill: float = number(0.5, "code", low=0.0)
    spill_weights: str = choice("requirement", "code", SPILL_WEIGHTS)
    cost: float = number(0.01, "inferred", low=0.0)


def essential_set(requirement: Array, size: int) -> Array:
    """1.0 for the `size` capabilities with the largest requirement (ties: lower index), else 0: (K,)."""
    mask = np.zeros(len(requirement))
    mask[np.argsort(-requirement, kind="stable")[:size]] = 1.0
    return mask


def spill_prices(requirement: Array, config: RewardConfig) -> Array:
    """Price (K,) of one unit of drop in each capability, on top of its requirement."""
    essential = essential_set(requirement, config.essential)
    return (
        config.spill * essential * (requirement if config.spill_weights == "requirement" else 1.0)
    )


def proxy_reward(change: Array, requirement: Array, prices: Array, cost: Array | float) -> Array:
    """R = r . Dp - sum_i prices_i [-Dp_i]_+ - cost, over any leading axes: (..., K) -> (...).

    `prices` comes from `spill_prices`; `cost` is lambda_c * tokens / budget. A drop in an essential
    capability is charged r_i + prices_i: the gain term loses it and the penalty charges it again. Of a
    measured change the penalty charges the drops that are noise too, as the paper has it.
    `requirement` and `prices` are (K,), or (N, K) with a row for each of the N changes.
    """
    if requirement.ndim > 1:
        value: Array = (change * requirement + np.minimum(change, 0.0) * prices).sum(axis=-1) - cost
        return value
    # `dot` has half the overhead of `@` on one profile
    out: Array = change.dot(requirement) + np.minimum(change, 0.0).dot(prices) - cost
    return out
