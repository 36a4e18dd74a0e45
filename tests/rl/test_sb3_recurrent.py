"""A recurrent policy of sb3-contrib as an allocator."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.worlds.random import random_world
from tests.support.helpers import allocations

STEPS = 4
WORLD = random_world(0, capabilities=3)


@pytest.mark.extra("torch", "stable_baselines3", "sb3_contrib")
@pytest.mark.parametrize("is_flat", [False, True])
def test_a_recurrent_policy_keeps_its_state_over_a_run(is_flat: bool, tmp_path: Path) -> None:
    from sb3_contrib import RecurrentPPO

    from readsim_rl import Sb3VecEnv, save_sb3

    env = Sb3VecEnv(2, world=WORLD, steps=STEPS, flat=is_flat)
    arguments = {"net_arch": [8], "lstm_hidden_size": 8}
    model = RecurrentPPO(
        "MlpLstmPolicy" if is_flat else "MultiInputLstmPolicy",
        env,
        n_steps=8,
        batch_size=8,
        n_epochs=1,
        seed=1,
        policy_kwargs=arguments,
    )
    model.learn(16)
    allocator = load_allocator(f"sb3+path={save_sb3(model, tmp_path / 'model.zip')}")
    rows, _ = rollout(DistillEnv(WORLD, steps=STEPS), allocator, 5)

    beside = DistillEnv(WORLD, steps=STEPS)
    shown, _ = beside.reset(seed=5)
    hidden = None
    for step, played in enumerate(allocations(rows)):
        seen: Any = np.concatenate([shown[key] for key in sorted(shown)]) if is_flat else shown
        action, hidden = model.predict(
            seen, state=hidden, episode_start=np.array([step == 0]), deterministic=True
        )
        assert np.allclose(played, action / action.sum(), rtol=0, atol=1e-4)
        forgetful, _ = model.predict(seen, deterministic=True)
        shown, *_ = beside.step(played)
    assert not np.allclose(played, forgetful / forgetful.sum(), rtol=0, atol=1e-4)
