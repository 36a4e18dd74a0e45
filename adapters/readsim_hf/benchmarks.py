"""The benchmarks that a run measures each capability with."""

from dataclasses import asdict

from readsim.errors import ConfigError
from readsim_hf.config import ProbeConfig
from readsim_hf.probes.benchmark import Benchmark, prompt_benchmark
from readsim_hf.probes.registry import from_local
from readsim_hf.probes.splits import ItemSplits, Sizes, Splits, draw_items, split_items
from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.library import Library


def benchmarks_of(config: ProbeConfig, library: Library) -> tuple[list[Benchmark], Splits]:
    """The benchmarks of every capability: local files where given, generated items elsewhere."""
    benchmarks: list[Benchmark] = []
    items: dict[str, ItemSplits] = {}
    sizes = Sizes(config.probe, config.dev, config.test)
    for chosen in config.benchmarks:
        benchmark, rows = from_local(**asdict(chosen), allow_code=config.allow_code)
        if benchmark.capability not in library.templates:
            raise ConfigError(
                f"probes.benchmarks {chosen.name!r} measures {benchmark.capability!r}, which is not "
                f"among {', '.join(library.capabilities)}"
            )
        benchmarks.append(benchmark)
        items[benchmark.name] = split_items(rows, size=config.probe)
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
