"""Many calls of one function, in order, by joblib and whatever backend of it is active."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import starmap
from typing import Any, TypeVar

from readsim.errors import CapabilityMissingError, ConfigError, shown, unknown

BACKENDS = {"loky": "", "ray": "ray", "dask": "distributed"}  # and the module that each needs
PORTION = 4  # calls a worker between two reports, where results cannot come one by one

MOST_JOBS = 1024  # processes, or workers of a cluster

Result = TypeVar("Result")


def checked_jobs(jobs: int) -> int:
    """Raises ConfigError for what is no whole number from 1 to 1024."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= MOST_JOBS:
        raise ConfigError(
            f"jobs = {shown(jobs)}: expected a number of at least 1, at most {MOST_JOBS}"
        )
    return jobs


def in_order(
    function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[Result]:
    """function(*a) for each a, in this order, each as soon as it and those before it are done.

    More than one job uses the active joblib backend (`with joblib.parallel_config(backend=...)`).
    One that shows no result before all are there (Ray's, multiprocessing) gets the calls in portions,
    so that progress shows with it as well.

    Raises ConfigError as `checked_jobs`.
    """
    if checked_jobs(jobs) == 1:
        yield from starmap(function, arguments)
        return
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    calls = [delayed(function)(*a) for a in arguments]
    if get_active_backend()[0].supports_return_generator:
        workers = min(jobs, len(calls)) or 1
        yield from Parallel(n_jobs=workers, return_as="generator")(calls)
        return
    size = PORTION * jobs
    with Parallel(n_jobs=jobs) as workers:  # the same ones for all portions
        for start in range(0, len(calls), size):
            yield from workers(calls[start : start + size])


@contextmanager
def use_backend(name: str, jobs: int) -> Iterator[None]:
    """Within the block `in_order` uses this backend: `loky` (processes), `ray` or `dask`.

    A cluster that is there is used (an initialised Ray or RAY_ADDRESS; DASK_SCHEDULER_ADDRESS), else
    one of `jobs` processes on this machine is started, and stopped at the end.

    Raises UnknownNameError, or CapabilityMissingError naming the extra to install.
    """
    if name not in BACKENDS:
        raise unknown("backend", name, BACKENDS)
    if BACKENDS[name] and find_spec(BACKENDS[name]) is None:
        raise CapabilityMissingError(
            f"backend {name!r} needs {BACKENDS[name]}: pip install 'readsim[{name}]'"
        )
    if name == "loky" or jobs == 1:
        yield
        return
    from joblib import parallel_config

    with _ray(jobs) if name == "ray" else _dask(jobs), parallel_config(backend=name):
        yield


@contextmanager
def _ray(jobs: int) -> Iterator[None]:
    ray = import_module("ray")
    import_module("ray.util.joblib").register_ray()
    ours = not ray.is_initialized()
    if ours and "RAY_ADDRESS" in os.environ:
        ray.init()
    elif ours:
        ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _dask(jobs: int) -> Iterator[None]:
    with import_module("distributed").Client(
        n_workers=jobs, threads_per_worker=1, dashboard_address=None
    ):
        yield
