"""Property tests for other people's allocators, backends and worlds. Needs Hypothesis.

    from readsim.testing import check_allocator
    check_allocator(MyAllocator)

in the manner of Gymnasium's `check_env` and scikit-learn's `check_estimator`: many named properties,
each failure with the smallest example that Hypothesis found.
"""

from importlib.util import find_spec

if find_spec("hypothesis") is None:
    raise ImportError("readsim.testing needs Hypothesis: pip install hypothesis")

from readsim.testing.allocator_checks import check_allocator
from readsim.testing.backend_checks import check_backend
from readsim.testing.checks import CheckError, CheckOutcome
from readsim.testing.strategies import (
    BUDGET,
    allocations,
    gain_curves,
    measured,
    profiles,
    requirements,
    run_logs,
    slow_worlds,
    tasks,
    terms,
    worlds,
)
from readsim.testing.world_checks import check_world

__all__ = [
    "BUDGET",
    "CheckError",
    "CheckOutcome",
    "allocations",
    "check_allocator",
    "check_backend",
    "check_world",
    "gain_curves",
    "measured",
    "profiles",
    "requirements",
    "run_logs",
    "slow_worlds",
    "tasks",
    "terms",
    "worlds",
]
