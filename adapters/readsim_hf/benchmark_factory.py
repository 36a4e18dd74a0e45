"""The benchmarks that a run measures each capability with."""

from collections.abc import Iterator
from dataclasses import asdict, replace

from readsim.errors import ConfigError
from readsim_hf.config import BenchmarkConfig, ProbeConfig
from readsim_hf.probes.benchmark import Benchmark, prompt_benchmark
from readsim_hf.probes.catalogue import HIDDEN
from readsim_hf.probes.registry import from_local
from readsim_hf.probes.splits import ItemSplits, Sizes, Splits, draw_items, only_test, split_items
from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.library import Library


def benchmarks_of(config: ProbeConfig, library: Library) -> tuple[list[Benchmark], Splits]:
    """The benchmarks of every capability: local files where given, generated items elsewhere.

    A file may also measure a capability of `HIDDEN`, for which no prompts are made: all its items are
    test items.
    """
    benchmarks: list[Benchmark] = []
    items: dict[str, ItemSplits] = {}
    sizes = Sizes(config.probe, config.dev, config.test)
    for chosen in _both_halves(config):
        benchmark, rows = from_local(**asdict(chosen), allow_code=config.allow_code)
        if library.templates and benchmark.capability not in (*library.templates, *HIDDEN):
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
    return benchmarks, Splits(items)


def measured_by(benchmarks: list[Benchmark], library: Library) -> tuple[str, ...]:
    """The capabilities: the library's, those that benchmarks measure besides, and hidden ones last."""
    named = (
        *library.capabilities,
        *(b.capability for b in benchmarks if b.capability not in HIDDEN),
    )
    if not named:
        raise ConfigError(
            "nothing is measured: data.templates = 'none' without a benchmark or task of probes; accepted: "
            "at least one [[probes.benchmarks]] or [[probes.tasks]], or data.templates = 'nano' or 'text'"
        )
    return (*dict.fromkeys(named), *hidden_of(benchmarks))


def hidden_of(benchmarks: list[Benchmark]) -> tuple[str, ...]:
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
