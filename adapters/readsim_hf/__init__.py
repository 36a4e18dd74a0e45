"""The real-run adapter: real teachers, students and benchmarks behind readsim's backend contract.

    import readsim
    from readsim_hf import make_backend

    env = readsim.make_env(backend=make_backend(budget="20k"), task="math")

`import readsim_hf` itself loads nothing heavy: each name is loaded when it is used. What is exported here
is public; the rest may change. `readsim distill` is the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from readsim_hf.dependencies import missing_dependencies

if TYPE_CHECKING:
    from readsim_hf.backend import HFBackend
    from readsim_hf.config import RunConfig
    from readsim_hf.made_backend import make_backend
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.trainers.backend import TrainerBackend
    from readsim_hf.trainers.callback import AskForShares
    from readsim_hf.trainers.mixture import MixedRows

__all__ = [
    "AskForShares",
    "HFBackend",
    "MixedRows",
    "RunConfig",
    "TrainerBackend",
    "load_pair",
    "make_backend",
    "missing_dependencies",
]

_HOMES = {
    "AskForShares": "readsim_hf.trainers.callback",
    "HFBackend": "readsim_hf.backend",
    "MixedRows": "readsim_hf.trainers.mixture",
    "RunConfig": "readsim_hf.config",
    "TrainerBackend": "readsim_hf.trainers.backend",
    "load_pair": "readsim_hf.models.pairs",
    "make_backend": "readsim_hf.made_backend",
}


def __getattr__(name: str) -> Any:
    """The exported names, loaded when they are used. Raises ImportError without the `hf` extra."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if missing := missing_dependencies():
        raise ImportError(f"{name} needs {', '.join(missing)}: pip install 'readsim[hf]'")
    return getattr(import_module(_HOMES[name]), name)
