"""readsim: budgeted capability distillation as a Gymnasium environment.

What this module and the documented sub-packages export is public; the rest may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as _gymnasium

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.backend import Backend
from readsim.errors import ReadsimError
from readsim.runs.profile_scale import ProfileScale
from readsim.version import __version__
from readsim.worlds import Task, World, load_world, optimum, save_world, world_from_effects

if TYPE_CHECKING:
    from readsim.allocators.registry import load_allocator
    from readsim.api import compare, make_env
    from readsim.runs.loop import rollout
    from readsim.runs.read_logs import read_logs
    from readsim.stats import paired

# What a bare import need not wait for: loaded when it is used.
_HOMES = {
    "compare": "readsim.api",
    "load_allocator": "readsim.allocators.registry",
    "make_env": "readsim.api",
    "paired": "readsim.stats",
    "read_logs": "readsim.runs.read_logs",
    "rollout": "readsim.runs.loop",
}

__all__ = [
    "Allocator",
    "Backend",
    "Context",
    "ProfileScale",
    "ReadsimError",
    "Setup",
    "Task",
    "Transition",
    "World",
    "__version__",
    "compare",
    "load_allocator",
    "load_world",
    "make_env",
    "optimum",
    "paired",
    "read_logs",
    "rollout",
    "save_world",
    "world_from_effects",
]

ENV_ID = "readsim/Distill-v0"

if ENV_ID not in _gymnasium.registry:
    _gymnasium.register(
        id=ENV_ID,
        entry_point="readsim.envs.env:DistillEnv",
        vector_entry_point="readsim.envs.vector_env:DistillVectorEnv",
    )


def __getattr__(name: str) -> Any:
    """The exported names that are loaded when they are used."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
