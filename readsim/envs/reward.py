"""The proxy reward, Eq. (9), and what it charges as harmful spillover."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, shown, unknown
from readsim.files.checked import Checked, choice, number, whole

SPILL_WEIGHTS = ("requirement", "unit")
PAYS = ("proxy", "utility")


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


def read_reward(reward: RewardConfig | str | None) -> tuple[RewardConfig, str]:
    """The weights of Eq. (9), and what a step pays: one of `PAYS`.

    `proxy`, and weights, pay Eq. (9) at every step; `utility` pays the run's final utility at its last
    step and 0 before, so that the sum of a run's rewards is what allocators are compared by.

    Raises UnknownNameError for another word, ConfigError for what is neither.
    """
    if reward is None or isinstance(reward, RewardConfig):
        return reward or RewardConfig(), "proxy"
    if not isinstance(reward, str):
        raise ConfigError(
            f"reward = {shown(reward)}: expected a RewardConfig, or one of {', '.join(PAYS)}"
        )
    if reward not in PAYS:
        raise unknown("reward", reward, PAYS)
    return RewardConfig(), reward


def reward_paid(pays: str, reward: Array, info: Mapping[str, Any]) -> Array:
    """What N runs are paid: Eq. (9), or with `utility` that of the runs that ended, and 0 to the others."""
    if pays == "proxy":
        return reward
    out: Array = np.array(info["utility"]) if "utility" in info else np.zeros_like(reward)
    return out


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
