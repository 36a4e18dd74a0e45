"""readsim: budgeted capability distillation as a Gymnasium environment."""

import gymnasium as _gymnasium

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.errors import ReadsimError
from readsim.worlds import World, load_world, optimum, save_world

__version__ = "0.1.0"

__all__ = [
    "Allocator",
    "Context",
    "ReadsimError",
    "Setup",
    "Transition",
    "World",
    "load_world",
    "optimum",
    "save_world",
]

ENV_ID = "readsim/Distill-v0"

if ENV_ID not in _gymnasium.registry:
    _gymnasium.register(
        id=ENV_ID,
        entry_point="readsim.envs.env:DistillEnv",
        vector_entry_point="readsim.envs.vector_env:DistillVectorEnv",
    )
