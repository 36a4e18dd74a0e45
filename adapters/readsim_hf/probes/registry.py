"""Benchmarks by name, and on a local file."""

from typing import Any

from readsim.errors import ConfigError, unknown
from readsim.files import AnyPath
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.catalogue import ENTRIES, BenchmarkEntry
from readsim_hf.probes.items import Item

REGISTRY = {entry.name: entry for entry in ENTRIES}


def benchmark(name: str) -> BenchmarkEntry:
    """What is known of a benchmark. Raises UnknownNameError with the nearest name."""
    if name not in REGISTRY:
        raise unknown("benchmark", name, REGISTRY)
    return REGISTRY[name]


def from_local(
    name: str,
    path: AnyPath,
    *,
    task: str | None = None,
    chance_corrected: bool = False,
    max_new_tokens: int | None = None,
    shots: int = 0,
    shots_from: AnyPath | None = None,
    allow_code: bool = False,
) -> tuple[Benchmark, tuple[Item, ...]]:
    """A benchmark on a file of the user's, and its items; nothing is fetched.

    path             JSONL or CSV, packed or not, with the columns of `benchmark(name).needed`
    task             a task of lm-eval in the benchmark's folder, such as `xcopa_sw`, or `safe` or
                     `unsafe` of xstest; tasks of one benchmark are one family and count as one
    chance_corrected scores are `(s - c) / (1 - c)`
    max_new_tokens   where the task's own limit is too long
    shots            worked examples before each question: the task's own, or the first rows of
                     `shots_from`, which are then no items
    allow_code       lets the code that the model writes be run (see `probes.sandbox`)

    Raises UnknownNameError (name, task), ConfigError (file, row, setting) and CapabilityMissingError
    (a package that the scoring needs, code without `allow_code`).
    """
    entry = benchmark(name)
    if entry.task:
        from readsim_hf.probes.lm_eval_tasks import load_stock

        return load_stock(
            entry,
            path,
            task=task,
            chance_corrected=chance_corrected,
            max_new_tokens=max_new_tokens,
            shots=shots,
            shots_from=shots_from,
        )
    if shots or shots_from is not None:
        raise ConfigError(f"shots: {name!r} is not a task of lm-eval, it takes none")
    options: dict[str, Any] = {"task": task, "max_new_tokens": max_new_tokens}
    options = {key: value for key, value in options.items() if value is not None}
    if entry.runs_code:
        options["allow_code"] = allow_code
    from readsim_hf.probes.own_scoring import LOADERS

    if task is not None and entry.name != "xstest":
        raise ConfigError(f"task: {task!r} given, but {name!r} is not divided into tasks")
    return LOADERS[entry.name](entry, path, **options)
