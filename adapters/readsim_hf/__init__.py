"""The real-run adapter: real teachers, students and benchmarks behind readsim's backend contract.

Only the dependency check is here so far. The backend itself (transformers for training, lm-eval for
probes) is not written yet; until it is, readsim trains simulated worlds only.
"""

from importlib.util import find_spec

__all__ = ["missing_dependencies"]

# What `pip install 'readsim[hf]'` brings, by import name.
_MODULES = ("accelerate", "datasets", "lm_eval", "peft", "safetensors", "torch", "transformers")


def missing_dependencies() -> tuple[str, ...]:
    """The packages of the `hf` extra that cannot be found, by import name in alphabetical order.

    Empty when real runs are possible. Packages are looked up, never imported, so the call is cheap.
    """
    return tuple(name for name in _MODULES if find_spec(name) is None)
