"""The benchmarks that a run measures each capability with."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from readsim.errors import ConfigError
from readsim_hf.config import BenchmarkConfig, ProbeConfig
from readsim_hf.probes.benchmark import Benchmark, prompt_benchmark
from readsim_hf.probes.catalogue import HIDDEN
from readsim_hf.probes.own.config import TaskConfig
from readsim_hf.probes.own.load import Loaded, load_task
from readsim_hf.probes.registry import from_local
from readsim_hf.probes.splits import ItemSplits, Sizes, Splits, draw_items, only_test, split_items
from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.library import Library


class Measures(NamedTuple):
    """What a run measures with.

    words   of each evaluation of the user's, what it is
    """

    benchmarks: list[Benchmark]
    splits: Splits
    words: dict[str, str]


def benchmarks_of(config: ProbeConfig, library: Library) -> Measures:
    """The benchmarks of every capability: the user's evaluations and local files where given, generated items
    elsewhere.

    An evaluation may measure any capability: those that the library lacks come behind its own. What measures
    a capability of `HIDDEN`, for which no prompts are made, has test items only.
    """
    benchmarks: list[Benchmark] = []
    items: dict[str, ItemSplits] = {}
    words: dict[str, str] = {}
    sizes = Sizes(config.probe, config.dev, config.test)
    for task in config.tasks:
        for made, split, said in own_evaluations(config, task):
            if made.name in items:
                raise ConfigError(
                    f"probes.tasks: two evaluations have the name {made.name!r}: rename one of the files"
                )
            benchmarks.append(made)
            items[made.name], words[made.name] = split, said
    own = {b.capability for b in benchmarks}
    for chosen in _both_halves(config):
        benchmark, rows = from_local(**asdict(chosen), allow_code=config.allow_code)
        named = (*library.templates, *HIDDEN, *own)
        if library.templates and benchmark.capability not in named:
            raise ConfigError(
                f"probes.benchmarks {chosen.name!r} measures {benchmark.capability!r}, which is not "
                f"among {', '.join((*library.capabilities, *HIDDEN))}"
            )
        benchmarks.append(benchmark)
        hidden = benchmark.capability in HIDDEN
        items[benchmark.name] = only_test(rows) if hidden else split_items(rows, size=config.probe)
    measured = {b.capability for b in benchmarks}
    for place, capability in enumerate(library.capabilities):
        if capability in measured:
            continue
        made = prompt_benchmark(
            f"{capability}-generated",
            capability,
            library.style,
            check,
            config.max_new_tokens,
            form=config.form,
        )
        benchmarks.append(made)
        items[made.name] = draw_items(
            made.name, library.templates[capability], config.seed, place, sizes=sizes
        )
    return Measures(benchmarks, Splits(items), words)


def own_evaluations(config: ProbeConfig, task: TaskConfig) -> Loaded:
    """The benchmarks of one evaluation of the user's, as `load_task` makes them with these settings."""
    sizes = Sizes(config.probe, config.dev, config.test)
    hidden = task.capability in HIDDEN
    return load_task(task, config.judge, sizes, config.max_new_tokens, hidden=hidden)


def capabilities_of(benchmarks: Sequence[Benchmark], library: Library) -> tuple[str, ...]:
    """What is measured, in order: the library's capabilities, those that benchmarks and evaluations name
    besides, hidden ones. Raises ConfigError where there is none."""
    named = dict.fromkeys((*library.capabilities, *(b.capability for b in benchmarks)))
    hidden = hidden_of(benchmarks)
    shown = tuple(name for name in named if name not in hidden)
    if not shown:
        raise ConfigError(
            "nothing is measured: your data sets bring no evaluation with them; accepted: --eval "
            "NAME=SOURCE, [[probes.tasks]] or [[probes.benchmarks]], or data.templates = 'nano' or 'text'"
        )
    return (*shown, *hidden)


def scoring_of(benchmarks: Sequence[Benchmark]) -> dict[str, Any]:
    """What scores depend on besides items and settings, for the manifest."""
    return {b.name: dict(b.facts) for b in benchmarks if b.facts}


def hidden_of(benchmarks: Sequence[Benchmark]) -> tuple[str, ...]:
    """The capabilities of `HIDDEN` that they measure."""
    return tuple(c for c in HIDDEN if any(b.capability == c for b in benchmarks))


def _both_halves(config: ProbeConfig) -> Iterator[BenchmarkConfig]:
    """The benchmarks asked for; xstest without a task is its safe and its unsafe prompts.

    ConfigError for one half of it alone: refusing everything, or nothing, would be perfect.
    """
    halves = [b.task for b in config.benchmarks if b.name == "xstest"]
    if halves and set(halves) != {None} and set(halves) != {"safe", "unsafe"}:
        raise ConfigError(
            f"probes.benchmarks 'xstest': task = {halves[0]!r} alone; accepted: both tasks, safe and "
            "unsafe, or one entry without a task, which is both"
        )
    for chosen in config.benchmarks:
        if chosen.name == "xstest" and chosen.task is None:
            yield from (replace(chosen, task=task) for task in ("safe", "unsafe"))
        else:
            yield chosen
