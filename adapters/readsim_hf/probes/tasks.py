"""Items as lm-eval tasks of ours: no dataset, no template language, no metric registry."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import Task

if TYPE_CHECKING:
    from readsim_hf.probes.lm import Likelihood

Doc = dict[str, int]


class TextTask(Task):  # type: ignore[misc]  # lm-eval gives no types
    """A document is the number of a question.

    asked      the text of each question
    score      the number of a question, the reply -> raw score
    stop       a reply ends before the first of these
    gold       what would be right, for each question; it is shown and never compared
    ahead      is told of all replies, by the number of the question, before the first is scored
    """

    OUTPUT_TYPE = "generate_until"

    def __init__(
        self,
        name: str,
        asked: Sequence[str],
        score: Callable[[int, str], float],
        stop: Sequence[str],
        max_new_tokens: int,
        gold: Sequence[str],
        ahead: Callable[[dict[int, str]], None] | None = None,
    ) -> None:
        self._asked, self._score, self._gold = asked, score, gold
        self._stop, self._max_new_tokens, self._ahead = list(stop), max_new_tokens, ahead
        super().__init__()
        self.set_config("task", name)
        self.set_config("num_fewshot", 0)

    def download(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to fetch."""

    def has_training_docs(self) -> bool:
        return False

    def has_validation_docs(self) -> bool:
        return False

    def has_test_docs(self) -> bool:
        return True

    def test_docs(self) -> list[Doc]:
        return [{"item": n} for n in range(len(self._asked))]

    def doc_to_text(self, doc: Doc) -> str:
        return self._asked[doc["item"]]

    def doc_to_target(self, doc: Doc) -> str:
        return self._gold[doc["item"]]

    def fewshot_context(
        self, doc: Doc, *, chat_template: Callable[..., str] | None = None, **_: Any
    ) -> str:
        """What is sent: the text, inside the model's chat template where it has one."""
        text = self.doc_to_text(doc)
        return chat_template([{"role": "user", "content": text}]) if chat_template else text

    def construct_requests(
        self, doc: Doc, ctx: str, metadata: tuple[str, int, int], **_: Any
    ) -> Instance:
        settings = {
            "until": list(self._stop),
            "max_gen_toks": self._max_new_tokens,
            "do_sample": False,
        }
        return Instance("generate_until", doc, (ctx, settings), 0, metadata=metadata)

    def apply_filters(self) -> Any:
        """Where replies are first seen together."""
        if self._ahead is not None:
            self._ahead({i.doc["item"]: i.resps[0] for i in self.instances})
        return super().apply_filters()

    def process_results(self, doc: Doc, results: list[Any]) -> dict[str, float]:
        return {"score": float(self._score(doc["item"], results[0]))}

    def aggregation(self) -> dict[str, Callable[..., float]]:
        return {"score": mean}

    def higher_is_better(self) -> dict[str, bool]:
        return {"score": True}


class ContinuationTask(TextTask):
    """Texts that may follow each question, none of which is written: their log-likelihoods are scored.

    texts      of each question
    weigh      the number of a question, a log-likelihood of each of its texts -> raw score
    delimiter  before a text where the model has no chat template and the question ends in no space
    """

    OUTPUT_TYPE = "loglikelihood"

    def __init__(
        self,
        name: str,
        asked: Sequence[str],
        texts: Sequence[Sequence[str]],
        weigh: Callable[[int, Sequence["Likelihood"]], float],
        gold: Sequence[str],
        delimiter: str,
    ) -> None:
        self._texts, self._weigh, self._delimiter = texts, weigh, delimiter
        super().__init__(name, asked, lambda n, reply: 0.0, (), 1, gold)

    def construct_requests(
        self,
        doc: Doc,
        ctx: str,
        metadata: tuple[str, int, int],
        *,
        apply_chat_template: bool = False,
        **_: Any,
    ) -> list[Instance]:
        between = "" if apply_chat_template or ctx[-1:].isspace() else self._delimiter
        return [
            Instance("loglikelihood", doc, (ctx, between + text), n, metadata=metadata)
            for n, text in enumerate(self._texts[doc["item"]])
        ]

    def process_results(self, doc: Doc, results: list[Any]) -> dict[str, float]:
        return {"score": float(self._weigh(doc["item"], [total for total, _ in results]))}
