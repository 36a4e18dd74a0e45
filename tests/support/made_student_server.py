"""A served student: what vLLM does with a folder of weights and with token ids, by a tiny model here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.made_server import Fake, Plan, serving


class Copy:
    """A copy of the student that knows nothing but what it loads.

    model     what it writes with; `loaded` are the folders it was given, in their order
    stale     it says that it loaded weights, and keeps those that it has
    """

    def __init__(self, model: Any, vocab: int, stale: bool = False) -> None:
        self.model, self.vocab, self.stale = model, vocab, stale
        self.loaded: list[Path] = []
        self.resets = 0
        self._one = threading.Lock()  # a model's settings are set while it writes

    def __call__(self, body: dict[str, Any]) -> Any:
        if not body:
            self.resets += 1
            return {}
        with self._one:
            return self.load(body) if "method" in body else self.say(body)

    def load(self, body: dict[str, Any]) -> Any:
        from transformers import AutoModelForCausalLM

        assert body["method"] == "reload_weights"
        folder = Path(body["kwargs"]["weights_path"])
        assert folder.is_absolute()
        self.loaded.append(folder)
        if not self.stale:
            self.model = AutoModelForCausalLM.from_pretrained(folder)
        return {"results": [None]}

    def say(self, body: dict[str, Any]) -> Any:
        """As the student itself would: the seed tells which attempt it is."""
        from readsim_hf.teachers.decoding import Decoding, generate
        from readsim_hf.teachers.scoring import Passage, SoftSettings, score
        from readsim_hf.training.served import seed_of

        assert body["return_tokens_as_token_ids"]
        assert body["ignore_eos"]
        assert (body["top_p"], body["top_k"], body["repetition_penalty"]) == (1.0, -1, 1.0)
        ids, heat, ends = body["prompt"], body["temperature"], body["stop_token_ids"]
        attempts = [n for n in range(32) if seed_of(ids, heat, n) == body.get("seed")] or [0]
        made = Decoding(body["max_tokens"], heat)
        (reply,) = generate(
            self.model, [ids], made, ends=ends, vocab=self.vocab, attempt=attempts[0]
        )
        passage = Passage(ids, reply, (0, len(reply)))
        (soft,) = score(self.model, [passage], SoftSettings("full"), vocab=self.vocab)
        tops = []
        for row, drawn in zip(soft.logp, reply, strict=True):
            likely = {int(row.argmax()), int(drawn)}
            tops.append({f"token_id:{i}": float(row[i]) for i in likely})
        ended = reply[-1] in ends
        choice = {
            "index": 0,
            "text": "x",
            "finish_reason": "stop" if ended else "length",
            "logprobs": {"tokens": [f"token_id:{i}" for i in reply], "top_logprobs": tops},
        }
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(reply)}
        return {"model": "m", "choices": [choice], "usage": usage}


@contextmanager
def serving_student(
    pair: Any, plan: Plan = lambda n, body: "", stale: bool = False
) -> Iterator[tuple[Fake, Copy]]:
    """A server with a model of the pair's student's shape and other weights."""
    from tests.support.hf import tiny

    size = pair.student.config.vocab_size
    model = tiny(size, seed=9)
    for parameter in model.parameters():
        parameter.data *= 4  # surer of itself than the student
    copy = Copy(model, size, stale)
    with serving(plan, copy) as fake:
        yield fake, copy
