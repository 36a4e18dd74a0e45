"""What a run will be measured with: items as they are sent, ids, gold answers, sizes of splits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim_hf.benchmark_factory import Measures, benchmarks_of, capabilities_of
from readsim_hf.config import ProbeConfig, RunConfig
from readsim_hf.models.chat_template import chat_text
from readsim_hf.plan.models import paper_models
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.items import Item
from readsim_hf.probes.lm import described, quiet
from readsim_hf.probes.samples import gold_of
from readsim_hf.probes.splits import SPLITS, Split
from readsim_hf.prompt_selection import library_of
from readsim_hf.prompts.library import PROSE, Library


class ShownItem(NamedTuple):
    """An item: what is sent, texts that are scored behind it, and what would be right."""

    split: Split
    id: str
    sent: str
    scored: tuple[str, ...]
    gold: str


@dataclass(frozen=True)
class ShownBenchmark:
    """A benchmark: sizes of its splits, how they were made, what it is in words, and some of its items."""

    name: str
    capability: str
    sizes: Mapping[Split, int]
    rule: str
    words: str
    chance: float
    items: tuple[ShownItem, ...]

    def table(self) -> dict[str, Any]:
        """Plain data."""
        items = [item._asdict() for item in self.items]
        return {**vars(self), "sizes": dict(self.sizes), "items": items}


def probed_by(config: RunConfig) -> tuple[Measures, Tokenizer | None, tuple[str, ...]]:
    """What a run measures with, its student's tokenizer where it is here, and the capabilities."""
    models = paper_models(config.pair)
    library = library_of(config.data, models.library_name, models.own)
    measures = benchmarks_of(config.probes, library)
    return measures, models.own, capabilities_of(measures.benchmarks, library)


def probed_alone(config: ProbeConfig) -> Measures:
    """The user's evaluations, without a run around them."""
    return benchmarks_of(config, Library("none", PROSE, {}))


def shown_benchmarks(
    measures: Measures, tokenizer: Tokenizer | None, many: int
) -> Iterator[ShownBenchmark]:
    """Each benchmark with the first `many` items of its probe and dev splits, in the tokenizer's chat
    template where it has one. Test items stay shut: they are counted."""
    splits = measures.splits
    sizes = {split: splits.sizes(split) for split in SPLITS}
    for b in measures.benchmarks:
        some: list[ShownItem] = []
        for split in SPLITS[:2]:
            some += _items(b, split, splits.items(b.name, split)[:many], tokenizer)
        yield ShownBenchmark(
            b.name,
            b.capability,
            {split: sizes[split][b.name] for split in SPLITS},
            splits.rule(b.name),
            measures.words.get(b.name, ""),
            b.scale.chance,
            tuple(some),
        )


def _items(
    benchmark: Benchmark, split: Split, items: Sequence[Item], tokenizer: Tokenizer | None
) -> list[ShownItem]:
    if not items:
        return []
    chat = tokenizer is not None and bool(getattr(tokenizer, "chat_template", None))

    def wrapped(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        assert tokenizer is not None
        return chat_text(tokenizer, described(messages), reply=add_generation_prompt)

    with quiet():
        task = benchmark.task(items)
        task.build_all_requests(
            apply_chat_template=chat, chat_template=wrapped if chat else None, tokenizer_name=""
        )
    out = []
    for number, item in enumerate(items):
        own = [i for i in task.instances if i.doc_id == number]
        arguments = [i.args for i in own]
        scored = () if own[0].request_type == "generate_until" else tuple(a[1] for a in arguments)
        gold = gold_of({"target": task.doc_to_target(own[0].doc), "arguments": arguments})
        out.append(ShownItem(split, item.id, arguments[0][0], scored, gold))
    return out
