"""What a server said to one prompt: read from its answer with nothing taken on trust, and kept as bytes."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from readsim.errors import ConfigError
from readsim_hf.teachers.record import Soft

_SHOWN = 120  # characters of an answer that an error quotes
_TOKEN = "token_id:"


class BadReplyError(ValueError):
    """An answer that is no whole reply. The next attempt may be better."""


@dataclass(frozen=True, eq=False)
class Reply:
    """A whole reply.

    finish    why it ended, in the server's words; "stop": by itself
    prompt_tokens, generated_tokens   the server's own account of what is paid for
    model     as the server names it
    ids, top  the reply's tokens and the largest log-probabilities at each, where they were asked for
    """

    text: str
    finish: str
    prompt_tokens: int
    generated_tokens: int
    model: str
    ids: NDArray[np.int32] | None = None
    top: Soft | None = None

    @property
    def ended(self) -> bool:
        """Whether the teacher ended it, so that an end token belongs to it."""
        return self.finish == "stop"


def read_chat(body: str) -> Reply:
    """The reply in an answer of /chat/completions. No content is an empty reply. BadReplyError."""
    answer, choice, finish = _choice(body)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else message
    if not isinstance(message, dict) or not isinstance(text, str | None):
        raise BadReplyError(f"choices[0].message is {_quoted(message)}: it must hold text")
    return Reply(_clean(text or ""), finish, *_usage(answer), str(answer.get("model", "")))


def read_completion(body: str, k: int, vocab: int) -> Reply:
    """The reply, its tokens and the k likeliest ids at each, in an answer of vLLM's /completions.

    vLLM adds the token that was drawn where it is not among the k: it is left to the tail bucket, as in
    the records of a model in this process. BadReplyError; ConfigError where the server gives no ids.
    """
    answer, choice, finish = _choice(body)
    shown = choice.get("logprobs")
    tokens = shown.get("tokens") if isinstance(shown, dict) else None
    tops = shown.get("top_logprobs") if isinstance(shown, dict) else None
    if not (isinstance(tokens, list) and isinstance(tops, list) and len(tokens) == len(tops)):
        raise ConfigError(
            f"logprobs is {_quoted(shown)}: distributions need a server with vLLM's completions "
            "(prompts and log-probabilities by token id); without them use resp-sft or cot-sft"
        )
    ids = np.array([_token(token, vocab) for token in tokens], dtype=np.int32)
    rows = [_top(top, k, vocab) for top in tops]
    top = Soft(
        "topk",
        np.array([[i for _, i in row] for row in rows], np.int32).reshape(len(ids), k),
        np.array([[-p for p, _ in row] for row in rows], np.float32).reshape(len(ids), k),
    )
    text, model = choice.get("text"), str(answer.get("model", ""))
    return Reply(_clean(str(text or "")), finish, *_usage(answer), model, ids, top)


def reply_to_bytes(reply: Reply) -> bytes:
    """Safetensors bytes, exactly."""
    facts = {
        "text": reply.text,
        "finish": reply.finish,
        "usage": [reply.prompt_tokens, reply.generated_tokens],
        "model": reply.model,
    }
    tensors: dict[str, NDArray[Any]] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)
    }
    if reply.ids is not None and reply.top is not None:
        tensors |= {"ids": reply.ids, "top_ids": reply.top.ids, "top_logp": reply.top.logp}
    return save(tensors)


def reply_from_bytes(data: bytes) -> Reply:
    """What `reply_to_bytes` was given."""
    tensors = load(data)
    facts = json.loads(tensors["facts"].tobytes())
    ids = top = None
    if "ids" in tensors:
        ids, top = tensors["ids"], Soft("topk", tensors["top_ids"], tensors["top_logp"])
    prompt, generated = facts["usage"]
    return Reply(facts["text"], facts["finish"], prompt, generated, facts["model"], ids, top)


def _choice(body: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The answer, its first choice, and why that ended."""
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise BadReplyError(f"the answer is no JSON: {_quoted(body)}") from error
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise BadReplyError(f"the answer has no choices: {_quoted(answer)}")
    finish = choices[0].get("finish_reason")
    if not (isinstance(finish, str) and finish):
        raise BadReplyError(f"finish_reason is {finish!r}: half a reply")
    return answer, choices[0], finish


def _usage(answer: dict[str, Any]) -> tuple[int, int]:
    usage = answer.get("usage")
    numbers = []
    for name in ("prompt_tokens", "completion_tokens"):
        number = usage.get(name) if isinstance(usage, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise BadReplyError(
                f"usage.{name} is {number!r}: the server must say how many tokens it used"
            )
        numbers.append(number)
    return numbers[0], numbers[1]


def _token(name: Any, vocab: int) -> int:
    """5 for "token_id:5"."""
    if not isinstance(name, str) or not name.startswith(_TOKEN):
        raise ConfigError(
            f"a token is {_quoted(name)}: distributions need a server that takes "
            "return_tokens_as_token_ids (vLLM does); without them use resp-sft or cot-sft"
        )
    digits = name.removeprefix(_TOKEN)
    if not digits.isdecimal() or int(digits) >= vocab:
        raise BadReplyError(f"a token is {_quoted(name)}: ids must be below {vocab}")
    return int(digits)


def _top(top: Any, k: int, vocab: int) -> list[tuple[float, int]]:
    """The k likeliest, as (minus log-probability, id) in order."""
    found = list(top.items()) if isinstance(top, dict) else []
    numbers = [p for _, p in found if isinstance(p, int | float) and math.isfinite(p) and p < 1e-3]
    if len(found) < k or len(numbers) < len(found):
        raise BadReplyError(
            f"a position's log-probabilities are {_quoted(top)}: {k} finite ones at least"
        )
    row = sorted((-min(float(p), 0.0), _token(name, vocab)) for name, p in found)[:k]
    if sum(math.exp(-p) for p, _ in row) > 1.01:
        raise BadReplyError(f"a position's probabilities add up to more than 1: {_quoted(top)}")
    return row


def _clean(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
