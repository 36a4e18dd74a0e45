"""What a benchmark is to the suite; benchmarks whose replies are judged by a function of ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from readsim.errors import ConfigError
from readsim_hf.probes.items import Item
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt

if TYPE_CHECKING:
    from lm_eval.api.task import Task

    from readsim_hf.probes.own.judge import Grader

Check = Callable[[Prompt, str], bool]


@dataclass(frozen=True)
class ScoreScale:
    """How a raw score becomes one in [0, 1]: `(raw - low) / (high - low)`.

    With `chance` c it is then corrected, `(s - c) / (1 - c)`: 0 is guessing, below 0 is worse.
    """

    low: float = 0.0
    high: float = 1.0
    chance: float = 0.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"scale: low {self.low!r} must be below high {self.high!r}")
        if not 0.0 <= self.chance < 1.0:
            raise ConfigError(f"scale: chance {self.chance!r} is not in [0, 1)")

    @property
    def lowest(self) -> float:
        """The score of the least raw one: -c / (1 - c)."""
        return self(self.low)

    def __call__(self, raw: float) -> float:
        score = (raw - self.low) / (self.high - self.low)
        return (score - self.chance) / (1.0 - self.chance)


class Benchmark(Protocol):
    """A measure of one capability.

    `family`: benchmarks of one family (the languages of XCOPA) are averaged first and count as one.
    """

    @property
    def name(self) -> str: ...
    @property
    def capability(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def scale(self) -> ScoreScale: ...

    def task(self, items: Sequence[Item]) -> "Task":
        """The lm-eval task that asks these items, in this order."""
        ...

    def raw(self, sample: Mapping[str, Any]) -> float | None:
        """Raw score in a row of lm-eval's sample log; None if the row is of another filter."""
        ...

    def reply(self, sample: Mapping[str, Any]) -> str:
        """What the model said in such a row: its text, or the choice that it takes."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What scores depend on besides items and settings, for the manifest; {} for nothing."""
        ...

    @property
    def judge(self) -> "Grader | None":
        """The model that grades replies; None where none does."""
        ...


@dataclass(frozen=True)
class TextBenchmark:
    """Asks for text and judges the reply itself.

    ask        the item's data -> the text to send
    score      the item's data, the reply -> raw score
    stop       a reply ends before the first of these
    gold       the item's data -> what would be right, as text for people
    holds      the gold text, sent back as a reply, is worth 1
    """

    name: str
    capability: str
    ask: Callable[[Mapping[str, Any]], str]
    score: Callable[[Mapping[str, Any], str], float]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    scale: ScoreScale = ScoreScale()
    group: str = ""
    gold: Callable[[Mapping[str, Any]], str] = lambda data: ""
    holds: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    judge: "Grader | None" = None

    @property
    def family(self) -> str:
        return self.group or self.name

    def task(self, items: Sequence[Item]) -> "Task":
        from readsim_hf.probes.tasks import TextTask

        judge = self.judge
        return TextTask(
            self.name,
            [self.ask(item.data) for item in items],
            lambda n, reply: self.score(items[n].data, reply),
            self.stop,
            self.max_new_tokens,
            [self.gold(item.data) for item in items],
            None
            if judge is None
            else lambda said: judge.ask([(items[n].data, said[n]) for n in sorted(said)]),
        )

    def raw(self, sample: Mapping[str, Any]) -> float | None:
        return float(sample["score"])

    def reply(self, sample: Mapping[str, Any]) -> str:
        return str(sample["resps"][0][0])


def prompt_benchmark(
    name: str,
    capability: str,
    style: Style,
    check: Check,
    max_new_tokens: int,
    stop: tuple[str, ...] = (),
    form: Form = "answer",
) -> TextBenchmark:
    """Generated prompts: `check(prompt, answer)` judges the final answer.

    `form` is what is asked for: the final answer only, or a rationale before it.
    """

    def ask(data: Mapping[str, Any]) -> str:
        return style.ask(Prompt(**data), form)

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(check(Prompt(**data), style.final_answer(reply)))

    def gold(data: Mapping[str, Any]) -> str:
        prompt = Prompt(**data)
        return prompt.answer if prompt.answer is not None else f"({prompt.checker})"

    return TextBenchmark(name, capability, ask, score, max_new_tokens, stop, gold=gold)
