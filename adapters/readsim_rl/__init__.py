"""Policies learnt by gradients: `readsim train`, and Stable-Baselines3's as allocators.

What `readsim train` made is played by readsim itself, with numpy alone (`readsim.allocators.trained`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from readsim_rl.sb3_env import Sb3VecEnv
    from readsim_rl.sb3_files import save_sb3
    from readsim_rl.train import TrainSettings, train_policy

# What needs an extra is loaded when it is used.
_HOMES = {
    "Sb3VecEnv": "readsim_rl.sb3_env",
    "TrainSettings": "readsim_rl.train",
    "save_sb3": "readsim_rl.sb3_files",
    "train_policy": "readsim_rl.train",
}

__all__ = ["Sb3VecEnv", "TrainSettings", "save_sb3", "train_policy"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'readsim_rl' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
