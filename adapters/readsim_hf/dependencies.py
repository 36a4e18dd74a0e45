"""What real runs need beyond the core, and what of it is missing."""

from importlib.util import find_spec

# What `pip install 'readsim[hf]'` brings, by import name.
_MODULES = (
    "accelerate",
    "datasets",
    "filelock",
    "gguf",
    "lm_eval",
    "peft",
    "pyarrow",
    "pydantic",
    "regex",
    "safetensors",
    "torch",
    "transformers",
)


def missing_dependencies() -> tuple[str, ...]:
    """The packages of the `hf` extra that cannot be found, by import name in alphabetical order.

    Empty when real runs are possible. Packages are looked up, never imported, so the call is cheap.
    """
    return tuple(name for name in _MODULES if find_spec(name) is None)
