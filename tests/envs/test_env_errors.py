"""What bad input gets from the environment: a named error, and nothing trained."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from readsim.api import make_env
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.reward import RewardConfig
from readsim.errors import AllocationError, CapabilityMissingError, ConfigError, UnknownNameError
from readsim.testing.backend_checks import same
from tests.support.helpers import FakeBackend


@pytest.mark.parametrize(
    ("arguments", "error", "fragments"),
    [
        ({"world": "randon"}, UnknownNameError, ["'randon'", "did you mean 'random'"]),
        ({"task": "skill_9"}, UnknownNameError, ["unknown task 'skill_9'", "skill_0"]),
        ({"budget": 0}, ConfigError, ["budget = 0"]),
        ({"budget": 2.5}, ConfigError, ["budget = 2.5", "whole number"]),
        ({"budget": "2Q"}, ConfigError, ["budget = '2Q'", "20M"]),
        ({"budget": True}, ConfigError, ["budget = True"]),
        ({"task": "skill_0=1,skill_0=2"}, ConfigError, ["named twice"]),
        ({"task": 3}, ConfigError, ["task = 3", "expected a name"]),
        ({"steps": 0}, ConfigError, ["steps = 0"]),
        ({"steps": 3000, "budget": 2000}, ConfigError, ["steps = 3000", "2000 tokens"]),
        ({"history": -1}, ConfigError, ["history = -1"]),
        ({"render_mode": "human"}, ConfigError, ["render_mode = 'human'"]),
        ({"backend": object()}, ConfigError, ["either `world` or `backend`"]),
        ({"task": {"nonsense": 1.0}}, ConfigError, ["nonsense", "skill_0"]),
        ({"task": {"skill_0": -1.0}}, ConfigError, ["skill_0 = -1.0"]),
    ],
)
def test_bad_arguments(
    arguments: dict[str, Any], error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        DistillEnv(**{"world": "random", **arguments})
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("make", [make_env, partial(gym.make, "readsim/Distill-v0")])
@pytest.mark.parametrize(
    ("world", "budget", "meant"),
    [
        ("read8-llama", 150, "150M"),
        ("read8-llama", "2", "2M"),
        ("nano-measured", 60, "60K"),
        ("real-run", 150, "150M"),
    ],
)
def test_a_forgotten_suffix_is_asked_for(
    make: Callable[..., Any], world: str, budget: int | str, meant: str
) -> None:
    with pytest.warns(
        UserWarning, match=f"^budget = {budget} tokens: did you mean {meant}"
    ) as seen:
        make(world=world, budget=budget, steps=2)
    assert len(seen) == 1
    with pytest.warns(UserWarning, match=f"did you mean {meant}"):
        make_env(num_envs=2, worlds=[world], budgets=[budget], steps=2)


def test_small_budgets_that_may_be_meant_pass() -> None:
    for world, budget in (("read8-llama", 1000), ("nano-measured", 300)):
        make_env(world, budget=budget)  # a warning would be an error


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"essential": 0}, "essential = 0"),
        ({"spill": -1}, "spill = -1"),
        ({"cost": float("nan")}, "cost = nan"),
        ({"spill_weights": "requirment"}, "did you mean 'requirement'"),
    ],
)
def test_bad_reward_settings(arguments: dict[str, Any], fragment: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=fragment):
        RewardConfig(**arguments)


@pytest.mark.parametrize(
    ("action", "fragment"),
    [
        (np.full(8, np.nan), "not finite"),
        (np.r_[np.inf, np.zeros(7)], "not finite"),
        (np.ones(7), r"shape \(7,\): expected \(8,\)"),
    ],
)
def test_allocations_that_cannot_be_read(action: Array, fragment: str) -> None:
    env = DistillEnv("random")
    env.reset(seed=0)
    before = env.snapshot()
    with pytest.raises(AllocationError, match=fragment):
        env.step(action)
    assert same(before["backend"], env.snapshot()["backend"])  # nothing was trained or drawn
    assert env.ledger.spent == 0


@pytest.mark.parametrize(
    ("action", "fragment"),
    [(np.r_[-0.5, 1.5, np.zeros(6)], "skill_0=-0.5.*negative"), (np.ones(8), "sums to 8")],
)
def test_strict_refuses_what_the_default_normalises(action: Array, fragment: str) -> None:
    strict, lenient = DistillEnv("random", strict=True), DistillEnv("random")
    strict.reset(seed=0)
    lenient.reset(seed=0)
    with pytest.raises(AllocationError, match=fragment):
        strict.step(action)
    weights = lenient.step(action)[-1]["allocation"]
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()


def test_steps_out_of_turn() -> None:
    env = DistillEnv("random", steps=1)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.ones(8))
    env.reset(seed=0)
    env.step(np.ones(8))
    with pytest.raises(ResetNeeded, match="over"):
        env.step(np.ones(8))


def test_unknown_reset_options() -> None:
    with pytest.raises(UnknownNameError, match="reset option 'what'"):
        DistillEnv("random").reset(options={"what": 1})


def test_a_probe_that_is_not_a_number_is_named_and_not_scored() -> None:
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    assert env.step(np.ones(2))[-1]["spent"] == 25
    assert env.ledger.totals["probe"] == 12
    with pytest.raises(CapabilityMissingError, match="probe of b is not finite"):
        env.step(np.ones(2))
    assert env.ledger.spent == 25


def test_a_backend_needs_a_task() -> None:
    with pytest.raises(ConfigError, match="needs a `task`"):
        DistillEnv(backend=FakeBackend())
    with pytest.raises(UnknownNameError, match="unknown task"):
        DistillEnv(backend=FakeBackend(), task="c")
    named = DistillEnv(backend=FakeBackend(), task="a").episode.task
    assert named.name == "a"
    assert named.requirement.tolist() == [0.6, 0.4]
    assert DistillEnv(backend=FakeBackend(), task="average").episode.task.requirement[0] == 0.5
    with pytest.raises(ConfigError, match="one run at a time"):
        gym.make_vec("readsim/Distill-v0", num_envs=2, backend=FakeBackend(), task="a")
