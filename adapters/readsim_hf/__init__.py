"""The real-run adapter: real teachers, students and benchmarks behind readsim's backend contract.

    from readsim_hf.backend import HFBackend        # behind gymnasium.make("readsim/Distill-v0", ...)
    from readsim_hf.components import build_parts        # from a RunConfig and a Pair

`import readsim_hf` itself loads nothing heavy; `readsim distill` is the command line.
"""

from importlib.util import find_spec

__all__ = ["missing_dependencies"]

# What `pip install 'readsim[hf]'` brings, by import name.
_MODULES = (
    "accelerate",
    "datasets",
    "filelock",
    "gguf",
    "lm_eval",
    "peft",
    "pydantic",
    "safetensors",
    "torch",
    "transformers",
)


def missing_dependencies() -> tuple[str, ...]:
    """The packages of the `hf` extra that cannot be found, by import name in alphabetical order.

    Empty when real runs are possible. Packages are looked up, never imported, so the call is cheap.
    """
    return tuple(name for name in _MODULES if find_spec(name) is None)
