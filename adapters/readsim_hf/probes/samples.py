"""What the student said to a few fixed items, read from the replies that a probe got anyway."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from readsim.runs.rows import Sample
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.items import Item

LONGEST = 1000  # characters of a prompt, a gold answer or a reply


def chosen(
    benchmarks: Sequence[Benchmark], items: Mapping[str, Sequence[Item]], most: int
) -> list[tuple[Benchmark, int]]:
    """The first `most` items of each capability, its benchmarks in turn: (benchmark, number) each."""
    taken: list[tuple[Benchmark, int]] = []
    for capability in dict.fromkeys(b.capability for b in benchmarks):
        own = [b for b in benchmarks if b.capability == capability]
        turns = zip_longest(*([(b, n) for n in range(len(items[b.name]))] for b in own))
        taken += [pair for turn in turns for pair in turn if pair is not None][:most]
    return taken


def sample_of(
    benchmark: Benchmark, item: Item, row: Mapping[str, Any], score: float
) -> Sample:
    """One item with the reply in a row of lm-eval's sample log; texts are cut."""
    return Sample(
        benchmark.capability,
        item.id,
        cut(item.asked),
        cut(_gold(row)),
        cut(benchmark.reply(row)),
        float(score),
    )


def cut(text: str, longest: int = LONGEST) -> str:
    """At most so many characters, and how many more there were."""
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest]} [cut: {more} more characters]"


def _gold(row: Mapping[str, Any]) -> str:
    """lm-eval's target: a text, texts, or the number of the right choice."""
    target = row["target"]
    if isinstance(target, int) and 0 <= target < len(row["arguments"]) > 1:
        return str(row["arguments"][target][1]).strip()
    if isinstance(target, list | tuple):
        return " | ".join(map(str, target))
    return str(target)
