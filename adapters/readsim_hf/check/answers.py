"""What the teacher says to the first prompts of a run: how much of it is right, and what is rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from readsim_hf.backend import data_seed
from readsim_hf.components import Components
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.heard import Heard

PROMPTS = 16  # of each capability
HALF = (
    0.5  # of the budget: prompts of all difficulties; the first of each are the run's first of it
)
SHOWN = 3  # rejected replies of each capability and reason, and those of each that are kept
WEAK = 0.5  # a teacher that is right less often is said to be weak


@dataclass(frozen=True)
class Answers:
    """Of one capability.

    asked      prompts
    judged, right   first replies to prompts with a gold answer, and how many give it
    replies    all replies, second attempts too
    rejected   how many of these are not trained on, by reason
    examples   of rejected replies, at most SHOWN a reason
    kept       the first SHOWN of those that are trained on
    """

    asked: int
    judged: int
    right: int
    replies: int
    rejected: Mapping[str, int]
    examples: Sequence[Heard]
    kept: Sequence[Heard] = ()

    @property
    def accuracy(self) -> float | None:
        """None without gold answers."""
        return self.right / self.judged if self.judged else None

    def table(self) -> dict[str, Any]:
        """Plain data."""
        examples = [
            {"reason": h.reason, "prompt": h.prompt, "reply": h.reply, "gold": h.gold}
            for h in self.examples
        ]
        kept = [{"prompt": h.prompt, "reply": h.reply, "gold": h.gold} for h in self.kept]
        return {**asdict(self), "accuracy": self.accuracy, "examples": examples, "kept": kept}


def first_prompts(parts: Components, seed: int, many: int) -> dict[str, list[Prompt]]:
    """Prompts of each source, of all difficulties, that the run of that seed asks for too; of sources with
    given replies there are none."""
    feed = parts.feed(data_seed(seed, 0), lambda: parts.pair.student)
    given = {source.name for source in parts.datasets if not source.asks}
    return {s.name: list(s.take(many, HALF)) for s in feed.streams if s.name not in given}


def ask_teacher(parts: Components, prompts: Mapping[str, Sequence[Prompt]]) -> dict[str, Answers]:
    """What the teacher says to these, through the run's cache, which then has it for the run."""
    heard: list[Heard] = []
    parts.teacher.listener = heard.extend
    try:
        parts.teacher.ask([p for some in prompts.values() for p in some])
    finally:
        parts.teacher.listener = None
    return {name: _answers(name, some, heard) for name, some in prompts.items()}


def _answers(capability: str, prompts: Sequence[Prompt], heard: Sequence[Heard]) -> Answers:
    own = [h for h in heard if h.capability == capability]
    first: dict[str, Heard] = {}
    for one in own:
        first.setdefault(one.prompt, one)
    # one that is rejected for its form, or is no answer, is not right
    judged = [
        h.right is True
        for h in first.values()
        if h.gold is not None and (h.right is not None or h.reason)
    ]
    rejected: dict[str, int] = {}
    examples = []
    for one in own:
        if (reason := one.reason) is not None:
            rejected[reason] = rejected.get(reason, 0) + 1
            if rejected[reason] <= SHOWN:
                examples.append(one)
    kept = [one for one in own if one.kept][:SHOWN]
    return Answers(len(prompts), len(judged), sum(judged), len(own), rejected, examples, kept)
