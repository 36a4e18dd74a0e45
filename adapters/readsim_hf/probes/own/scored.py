"""Benchmarks whose replies are not written: the choice that a model takes, how likely an answer is to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from readsim_hf.probes.benchmark import ScoreScale
from readsim_hf.probes.items import Item
from readsim_hf.probes.lm_eval_tasks import choice_taken
from readsim_hf.probes.own.items import gold_text
from readsim_hf.probes.own.metrics import mean_probability, taken
from readsim_hf.probes.tasks import ContinuationTask

if TYPE_CHECKING:
    from readsim_hf.probes.lm import Likelihood


@dataclass(frozen=True)
class ContinuationBenchmark:
    """Items with texts of which none is written by the model.

    choices   the score is 1 where the model takes the right choice: the largest log-likelihood a character.
              Otherwise it is the geometric mean of the probabilities of the answer's tokens: exp of the mean
              log-probability a token, in [0, 1]. It moves with every update, where a right or wrong reply
              moves only now and then
    """

    name: str
    capability: str
    ask: Callable[[Mapping[str, Any]], str]
    choices: bool
    delimiter: str
    scale: ScoreScale = field(default_factory=ScoreScale)
    facts: Mapping[str, Any] = field(default_factory=dict)
    judge: None = None

    @property
    def family(self) -> str:
        return self.name

    def task(self, items: Sequence[Item]) -> ContinuationTask:
        rows = [item.data for item in items]
        texts = [[str(c) for c in r["choices"]] if self.choices else [gold_text(r)] for r in rows]

        def weigh(n: int, likelihoods: Sequence["Likelihood"]) -> float:
            if self.choices:
                return float(taken(likelihoods, texts[n]) == rows[n]["answer"])
            return mean_probability(likelihoods[0], likelihoods[0].tokens)

        return ContinuationTask(
            self.name,
            [self.ask(row) for row in rows],
            texts,
            weigh,
            [gold_text(row) for row in rows],
            self.delimiter,
        )

    def raw(self, sample: Mapping[str, Any]) -> float | None:
        return float(sample["score"])

    def reply(self, sample: Mapping[str, Any]) -> str:
        if self.choices:
            return choice_taken(sample, by_length=True)
        total: Likelihood = sample["resps"][0][0][0]
        return f"(log-probability {total:.2f} over {total.tokens} tokens)"
