"""Whether an evaluation's own reference answers are right by its own metric."""

from collections.abc import Sequence

from readsim.errors import ReadsimError
from readsim_hf.probes.benchmark import Benchmark, TextBenchmark
from readsim_hf.probes.splits import Splits

SHOWN = 60  # characters of an answer


def gold_failures(benchmarks: Sequence[Benchmark], splits: Splits) -> list[str]:
    """A line for each benchmark of which some probe or dev item's reference answer, sent back as a reply, is
    not worth 1. A pattern, a judge or a function has no answer that can be sent back."""
    out = []
    for b in benchmarks:
        if not (isinstance(b, TextBenchmark) and b.holds):
            continue
        items = [*splits.items(b.name, "probe"), *splits.items(b.name, "dev")]
        wrong = []
        for item in items:
            try:
                right = b.score(item.data, b.gold(item.data)) == 1.0
            except ReadsimError:
                right = False
            if not right:
                wrong.append(item)
        if wrong:
            gold = b.gold(wrong[0].data)[:SHOWN]
            out.append(
                f"gold: {b.name}: {len(wrong)} of {len(items)} reference answers are not right by the metric "
                f"itself, such as {gold!r} of item {wrong[0].id}"
            )
    return out
