"""What a run's files and names say before any model is loaded, with all that is wrong in one error."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from readsim.allocators.registry import load_allocator
from readsim.errors import ConfigError, ReadsimError
from readsim_hf.benchmark_factory import own_evaluations
from readsim_hf.config import ProbeConfig, RunConfig
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.needs import check_needs
from readsim_hf.probes.splits import Splits
from readsim_hf.sources.opened import Source, open_sources

T = TypeVar("T")


def first_look(config: RunConfig) -> Any:
    """The allocator of a run whose own files can be read and leave something to train on.

    Looked at are the allocator, each evaluation in files of the user's, each source, whether a source has a
    row that is not held out, and what the method needs. Raises the error as it is where one thing is wrong;
    where several are, a ConfigError with all of them.
    """
    wrong: list[ReadsimError] = []

    def tried(look: Callable[[], T]) -> T | None:
        try:
            return look()
        except ReadsimError as error:
            wrong.append(error)
            return None

    allocator = tried(partial(load_allocator, config.allocator, dict(config.allocator_settings)))
    held: dict[str, list[str]] = {}
    for task in config.probes.tasks:
        if task.of_items:
            made = tried(partial(own_evaluations, config.probes, task))
            for benchmark, split, _ in made or ():
                with suppress(ConfigError):  # too few items: said when all splits are made
                    texts = Splits({benchmark.name: split}).questions(generated=False)
                    held.setdefault(task.source, []).extend(texts)
    opened = [tried(partial(open_sources, [one], ())) for one in config.data.sources]
    filters = {file: LeakFilter(texts) for file, texts in held.items()}
    there = [source for some in opened for source in some or ()]
    tried(partial(check_needs, config, there))
    for source in there:
        tried(partial(_check_left, source, filters, config.probes))
    if len(wrong) > 1:
        listed = "; ".join(f"({n}) {error}" for n, error in enumerate(wrong, 1))
        raise ConfigError(f"{len(wrong)} things are wrong: {listed}")
    if wrong:
        raise wrong[0]
    return allocator


def _check_left(source: Source, filters: Mapping[str, LeakFilter], sizes: ProbeConfig) -> None:
    """ConfigError where each row of the source asks what an evaluation of the user's asks, word by word."""
    guilty: set[str] = set()
    numbers = range(source.many) if source.members is None else source.members.tolist()
    for number in numbers:
        turns = [m["content"] for m in source.rows[number]["messages"] if m["role"] == "user"]
        files = {
            file for file, leaks in filters.items() if any(leaks.leaked(t) == "hash" for t in turns)
        }
        if not files:
            return
        guilty |= files
    raise ConfigError(
        f"data.sources {source.name!r}: none of its {source.many} rows can be trained on: all of them are "
        f"held-out items of {', '.join(sorted(guilty))}; put other rows into the evaluation file, or keep "
        f"fewer for it with probes.probe = {sizes.probe}, probes.dev = {sizes.dev} and probes.test = "
        f"{sizes.test}: rows of it beyond these may be trained on (`readsim probes` shows the splits)"
    )
