"""What a setup tells an allocator of the backend's probes and of the task."""

import numpy as np

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.setups import setup_for
from readsim.toy.backend import ToyBackend
from readsim.worlds.random import random_world


def test_a_setup_says_what_probes_ask_and_what_utility_is() -> None:
    tasks = {"both": {"requirement": {"skill_0": 1, "skill_2": 1}, "utility": "ces:-1"}}
    world = random_world(0, capabilities=3).replace(
        items=np.array([16.0, 0.0, 400.0]), hidden=("skill_1",), tasks=tasks
    )
    env = DistillEnv(world, "both")
    env.reset(seed=0)
    setup = setup_for(env, load_allocator("uniform"), 0)
    assert setup.items is not None
    assert setup.items.tolist() == [16.0, 400.0]
    assert setup.utility == "ces:-1"
    silent = DistillEnv(backend=ToyBackend(), task="average")
    silent.reset(seed=0)
    assert setup_for(silent, load_allocator("uniform"), 0).items is None
