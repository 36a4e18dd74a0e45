"""How good the teacher is by the user's own evaluations, where its prompts have no gold answers."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from readsim_hf.components import Components
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import said_from
from readsim_hf.teachers.heard import Heard


@dataclass(frozen=True)
class OnItems:
    """The teacher's mean `score`, from 0 to 1, on so many probe `items` of an evaluation."""

    capability: str
    metric: str
    items: int
    score: float

    def table(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def evaluations_of(parts: Components, capabilities: Collection[str]) -> list[TextBenchmark]:
    """The user's evaluations of these whose metric reads text, without a judge who is to be paid."""
    return [
        b
        for b in parts.suite.benchmarks
        if isinstance(b, TextBenchmark)
        and b.name in parts.evaluations
        and b.capability in capabilities
        and b.judge is None
    ]


def teacher_on_items(
    parts: Components, capabilities: Collection[str], many: int
) -> dict[str, OnItems]:
    """The teacher's scores by evaluation, on the first `many` items of the probe split, asked as a row of
    data is. A reply that would not be trained on is scored as it is."""
    found: dict[str, OnItems] = {}
    for one in evaluations_of(parts, capabilities):
        items = parts.suite.splits.items(one.name, "probe")[:many]
        texts = [one.ask(item.data) for item in items]
        heard: list[Heard] = []
        parts.teacher.listener = heard.extend
        try:
            parts.teacher.ask([_prompt(one, text) for text in texts])
        finally:
            parts.teacher.listener = None
        first = {h.prompt: h.reply for h in reversed(heard)}
        scores = [
            one.scale(one.score(item.data, _said(one, first.get(text, ""))))
            for item, text in zip(items, texts, strict=True)
        ]
        if scores:
            mean, metric = sum(scores) / len(scores), str(one.facts.get("metric", ""))
            found[one.name] = OnItems(one.capability, metric, len(scores), mean)
    return found


def _prompt(benchmark: TextBenchmark, text: str) -> Prompt:
    turn = {"role": "user", "content": text}
    return Prompt(benchmark.capability, f"item of {benchmark.name}", text, messages=(turn,))


def _said(benchmark: TextBenchmark, reply: str) -> str:
    """A reply as a probe would see it: without thoughts, ended where the evaluation ends one."""
    said = reply[said_from(reply) :]
    for stop in benchmark.stop:
        said = said.split(stop)[0]
    return said
