"""What several tests need: a small world, episodes and their rows, a backend that is no simulator."""

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from readsim.arrays import Array
from readsim.backend import Backend, Final, Measurement
from readsim.runs.loop import Row

ENV = "readsim/Distill-v0"
WORLD = "random:seed=5,capabilities=4"
SMALL: dict[str, Any] = {"pool": 64}  # a pool for ReAD that is fitted quickly

Step = tuple[Any, Any, bool, dict[str, Any]]


def with_extras(names: Iterable[str]) -> list[Any]:
    """Names of allocators as parameters; one that needs an extra is skipped where it is missing."""
    needs_lightgbm = pytest.mark.extra("lightgbm")
    return [pytest.param(n, marks=needs_lightgbm) if n == "regmix" else n for n in names]


def play(env: gym.Env[Any, Any], seed: int, actions: np.random.Generator) -> list[Step]:
    """All (observation, reward, ended, info) of one episode with random actions."""
    observation, _ = env.reset(seed=seed)
    out: list[Step] = [(observation, 0.0, False, {})]
    while not out[-1][2]:
        observation, reward, ended, _, info = env.step(actions.random(env.action_space.shape))
        out.append((observation, reward, ended, info))
    return out


def decisions(rows: list[Row]) -> list[Row]:
    """The `step` rows among the rows of a rollout."""
    return [row for row in rows if row["kind"] == "step"]


def allocations(rows: list[Row]) -> Array:
    """What was chosen at each step, (T, S)."""
    return np.array([row["allocation"] for row in decisions(rows)])


class FakeBackend:
    """A backend whose probe fails on the second interval."""

    sources: tuple[str, ...] = ("a", "b")
    capabilities: tuple[str, ...] = ("a", "b")
    hidden: tuple[str, ...] = ()

    def reset(self, seed: int | None) -> Measurement:
        self.calls = 0
        return Measurement(np.zeros(2), {})

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        self.calls += 1
        profile = np.array([0.1, np.nan]) if self.calls == 2 else np.full(2, 0.1)
        return Measurement(profile, {"student": tokens, "probe": 12})

    def dev_eval(self) -> Measurement:
        return Measurement(np.zeros(2), {})

    def final_eval(self) -> Final:
        return Final(np.zeros(2), np.zeros(2), np.zeros(2), {})

    def snapshot(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def restore(self, saved: dict[str, Any]) -> None:
        self.calls = saved["calls"]


def go_on(backend: Backend, plan: list[Array]) -> list[Any]:
    """All that a run shows from here to its end, and at the start of the next one."""
    out: list[Any] = [backend.dev_eval()]
    for step, tokens in enumerate(plan):
        amount = int(tokens.sum())
        out.append(backend.run_interval(step, tokens / tokens.sum(), amount))
        out.append(backend.dev_eval())
    return [*out, backend.final_eval(), backend.reset(None), backend.dev_eval()]


def as_arrays(value: Any) -> Any:
    """Lists as the arrays that pandas reads from Parquet."""
    if isinstance(value, dict):
        return {key: as_arrays(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    array = np.empty(len(value), dtype=object)
    array[:] = [as_arrays(item) for item in value]
    return array
