"""What the student said to a few fixed items, read from the replies that a probe got anyway."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from readsim.runs.rows import SampledReply
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.items import Item

LONGEST = 1000  # characters of a prompt, a gold answer or a reply


def sampled_items(
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
) -> SampledReply:
    """One item with the reply in a row of lm-eval's sample log; texts are cut."""
    return SampledReply(
        benchmark.capability,
        item.id,
        cut(item.asked),
        cut(gold_of(row)),
        cut(benchmark.reply(row)),
        float(score),
    )


def cut(text: str, longest: int = LONGEST) -> str:
    """At most so many characters, and how many more there were."""
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest]} [cut: {more} more characters]"


def gold_of(row: Mapping[str, Any]) -> str:
    """lm-eval's target: a text, texts, or the number of the right choice."""
    target = row["target"]
    if isinstance(target, int) and 0 <= target < len(row["arguments"]) > 1:
        return str(row["arguments"][target][1]).strip()
    if isinstance(target, list | tuple):
        return " | ".join(map(str, target))
    return str(target)


def as_markdown(samples: Sequence[SampledReply]) -> dict[str, str]:
    """Samples as Markdown, a text a capability. What was said stands indented, as code: no mark-up in it
    counts, and control characters are written out."""
    texts: dict[str, str] = {}
    for sample in samples:
        score = {1.0: "right", 0.0: "wrong"}.get(sample.score, f"score {sample.score:.2f}")
        parts = (
            f"**{score}** ({sample.item})",
            *(f"{name}\n\n{_code(getattr(sample, name))}" for name in ("asked", "gold", "reply")),
        )
        before = f"{texts[sample.capability]}\n\n" if sample.capability in texts else ""
        texts[sample.capability] = before + "\n\n".join(parts)
    return texts


def _code(text: str) -> str:
    """An indented block; an empty text shows as such."""
    lines = text.split("\n") if text.strip() else [repr(text)]
    return "\n".join(f"    {''.join(map(_visible, line))}" for line in lines)


def _visible(letter: str) -> str:
    """The letter, or its escape where it would not be seen, would break the line or is no character."""
    plain = letter.isprintable() or letter == "\t"
    return letter if plain else letter.encode("unicode_escape").decode("ascii")
