"""What a server said to one prompt: read from its answer with nothing taken on trust, and kept as bytes."""

import json
import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from readsim.errors import ConfigError
from readsim_hf.prompts.thinking import with_thoughts
from readsim_hf.teachers.finish import End, end_of_reply
from readsim_hf.teachers.record import Soft

_SHOWN = 120  # characters of an answer that an error quotes
_MOST_TOKENS = 10**9  # that one request can use
_WORD = 64  # characters of a finish reason
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 2 * _SHOWN
_TOKEN = "token_id:"
_THOUGHTS = (
    "reasoning_content",
    "reasoning",
    "thinking",
)  # beside a message's content


class BadReplyError(ValueError):
    """An answer that is no whole reply. The next attempt may be better."""


@dataclass(frozen=True, eq=False)
class Reply:
    """A whole reply.

    finish    why it ended, in the server's words
    prompt_tokens, generated_tokens   the server's own account of what is paid for
    model     as the server names it
    ids, top  the reply's tokens and the largest log-probabilities at each, where they were asked for
    reasoning   thoughts that came beside the text
    """

    text: str
    finish: str
    prompt_tokens: int
    generated_tokens: int
    model: str
    ids: NDArray[np.int32] | None = None
    top: Soft | None = None
    reasoning: str = ""

    @property
    def end(self) -> End:
        """How it ended. After an unknown word it counts as cut: no end token is made up."""
        return end_of_reply(self.finish) or "cut"

    @property
    def whole(self) -> str:
        """Thoughts and text as one text."""
        return with_thoughts(self.reasoning, self.text)


def answer_bytes(tokens: int, entries: int = 0) -> int:
    """Bytes that an answer with so many tokens, and log-probabilities at each, may have."""
    return (4 << 20) + tokens * (1024 + 256 * entries)


def read_chat(body: str) -> Reply:
    """The reply in an answer of /chat/completions. No content is an empty reply. BadReplyError.

    Thoughts are in `reasoning_content` (vLLM, SGLang, llama.cpp, DeepSeek), `reasoning` (vLLM, Together,
    OpenRouter), `thinking` (Ollama), or in parts of the content (Mistral, Anthropic).
    """
    answer, choice, finish = _choice(body)
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    text, inner = _parts(content) if isinstance(content, list) else (content, "")
    unread = isinstance(content, list) and text is None
    if unread or not isinstance(message, dict) or not isinstance(text, str | None):
        raise BadReplyError(f"choices[0].message is {_quoted(message)}: it must hold text")
    beside = (message.get(name) for name in _THOUGHTS)
    reasoning = next((t for t in beside if isinstance(t, str) and t.strip()), inner)
    usage, model = _usage(answer), _model(answer)
    return Reply(_clean(text or ""), finish, *usage, model, reasoning=_clean(reasoning))


def _parts(content: list[Any], inside: bool = False) -> tuple[str | None, str]:
    """Text and thoughts of a content in parts; None where a part is neither."""
    said: list[str] = []
    thought: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        inner = part.get(kind) if kind in ("text", "thinking", "reasoning") else None
        if isinstance(inner, list) and not inside:  # Mistral's thoughts are in parts again
            inner = _parts(inner, inside=True)[0]
        if not isinstance(inner, str):
            return None, ""
        (said if kind == "text" else thought).append(inner)
    return "".join(said), "".join(thought)


def read_completion(body: str, k: int, vocab: int) -> Reply:
    """The reply, its tokens and the k likeliest ids at each, in an answer of vLLM's /completions.

    vLLM adds the token that was drawn where it is not among the k: it is left to the tail bucket, with its
    log-probability beside it, as in the records of a model in this process. BadReplyError; ConfigError
    where the server gives no ids.
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
    top = _tops(tops, tokens, k, vocab)
    text = choice.get("text")
    if not isinstance(text, str | None):
        raise BadReplyError(f"choices[0].text is {_quoted(text)}: it must be text")
    return Reply(_clean(text or ""), finish, *_usage(answer), _model(answer), ids, top)


def read_prompt(body: str, start: int, ids: Sequence[int], k: int, vocab: int) -> Soft:
    """The k likeliest ids at each position of a prompt with these ids from `start` on, given all before it,
    and the log-probability of the prompt's own token there, in an answer of vLLM's /completions to
    `prompt_logprobs`.

    BadReplyError; ConfigError where the server does not say.
    """
    _, choice, _ = _choice(body)
    tops = choice.get("prompt_logprobs")
    if not isinstance(tops, list):
        raise ConfigError(
            f"prompt_logprobs is {_quoted(tops)}: distributions of a given text need a server with vLLM's "
            "completions; without them use on_policy = 0 and prompts without replies"
        )
    if len(tops) != len(ids):
        raise BadReplyError(
            f"prompt_logprobs has {len(tops)} positions, the prompt {len(ids)} tokens"
        )
    own = [f"{_TOKEN}{token}" for token in ids[start:]]
    return _tops([_by_token(top) for top in tops[start:]], own, k, vocab)


def _tops(tops: Sequence[Any], own: Sequence[Any], k: int, vocab: int) -> Soft:
    """The k likeliest ids of each position, and the log-probability of its own token, nan where the server
    does not name it."""
    rows = [_top(top, k, vocab) for top in tops]
    said = [top.get(token, np.nan) for top, token in zip(tops, own, strict=True)]
    return Soft(
        "topk",
        np.array([[i for _, i in row] for row in rows], np.int32).reshape(len(rows), k),
        np.array([[-p for p, _ in row] for row in rows], np.float32).reshape(len(rows), k),
        np.minimum(np.array(said, np.float32), np.float32(0.0)),
    )


def _by_token(top: Any) -> Any:
    """`{"token_id:5": -0.1}` of `{"5": {"logprob": -0.1, ...}}`; what is something else stays as it is."""
    if not (isinstance(top, dict) and all(isinstance(one, dict) for one in top.values())):
        return top
    return {f"{_TOKEN}{name}": one.get("logprob") for name, one in top.items()}


def read_object(body: str) -> dict[str, Any]:
    """A server's answer as JSON. BadReplyError, which says what it is, for another answer."""
    start = body.lstrip("\ufeff \t\r\n")[:_SHOWN]
    if not start:
        raise BadReplyError("the answer is empty")
    if start.startswith("<"):
        raise BadReplyError(
            f"the answer is no JSON but a web page ({_quoted(start)}): the address must be the API's own, "
            "which mostly ends in /v1"
        )
    if start.startswith(("data:", "event:")):
        raise BadReplyError(
            f"the answer is no JSON but a stream ({_quoted(start)}): the server has to answer in one piece"
        )
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReplyError(f"the answer is no JSON: {_quoted(body)}") from error
    if not isinstance(answer, dict):
        raise BadReplyError(f"the answer is no object: {_quoted(answer)}")
    fault = answer.get("error")
    if fault or answer.get("object") == "error":
        said = fault.get("message") if isinstance(fault, dict) else fault
        said = said or answer.get("message") or fault
        raise BadReplyError(f"the answer has no choices but an error: {_quoted(said)}")
    return answer


def reply_to_bytes(reply: Reply) -> bytes:
    """Safetensors bytes, exactly."""
    facts: dict[str, Any] = {
        "text": reply.text,
        "finish": reply.finish,
        "usage": [reply.prompt_tokens, reply.generated_tokens],
        "model": reply.model,
    }
    if reply.reasoning:
        facts["reasoning"] = reply.reasoning
    tensors: dict[str, NDArray[Any]] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)
    }
    if reply.ids is not None and reply.top is not None:
        tensors |= {"ids": reply.ids, "top_ids": reply.top.ids, "top_logp": reply.top.logp}
        tensors |= {} if reply.top.said is None else {"top_said": reply.top.said}
    return save(tensors)


def reply_from_bytes(data: bytes) -> Reply:
    """What `reply_to_bytes` was given."""
    tensors = load(data)
    facts = json.loads(tensors["facts"].tobytes())
    ids = top = None
    if "ids" in tensors:
        ids, kept = tensors["ids"], (tensors["top_ids"], tensors["top_logp"])
        top = Soft("topk", *kept, tensors.get("top_said"))  # an older readsim did not keep it
    prompt, generated = facts["usage"]
    said = facts["text"], facts["finish"], prompt, generated, facts["model"]
    return Reply(*said, ids, top, facts.get("reasoning", ""))


def _choice(body: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The answer, its first choice, and why that ended."""
    answer = read_object(body)
    choices = answer.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise BadReplyError(f"the answer has no choices: {_quoted(answer)}")
    finish = choices[0].get("finish_reason")
    if not (isinstance(finish, str) and 0 < len(finish) <= _WORD):
        raise BadReplyError(f"finish_reason is {_quoted(finish)}: the reply is incomplete")
    return answer, choices[0], finish


def _usage(answer: dict[str, Any]) -> tuple[int, int]:
    usage = answer.get("usage")
    numbers = []
    for name in ("prompt_tokens", "completion_tokens"):
        number = usage.get(name) if isinstance(usage, dict) else None
        if not (type(number) is int and 0 <= number <= _MOST_TOKENS):
            raise BadReplyError(
                f"usage.{name} is {_quoted(number)}: the server must say how many tokens it used"
            )
        numbers.append(number)
    return numbers[0], numbers[1]


def _model(answer: dict[str, Any]) -> str:
    name = answer.get("model")
    return _clean(name[:_SHOWN]) if isinstance(name, str) else ""


def _token(name: Any, vocab: int) -> int:
    """5 for "token_id:5"."""
    if not isinstance(name, str) or not name.startswith(_TOKEN):
        raise ConfigError(
            f"a token is {_quoted(name)}: distributions need a server that takes "
            "return_tokens_as_token_ids (vLLM does); without them use resp-sft or cot-sft"
        )
    digits = name.removeprefix(_TOKEN)
    if not digits.isdecimal() or len(digits) > 10 or int(digits) >= vocab:
        raise BadReplyError(f"a token is {_quoted(name)}: ids must be below {vocab}")
    return int(digits)


def _top(top: Any, k: int, vocab: int) -> list[tuple[float, int]]:
    """The k likeliest, as (minus log-probability, id) in order."""
    found = list(top.items()) if isinstance(top, dict) else []
    numbers = [p for _, p in found if isinstance(p, int | float) and -1e30 < p < 1e-3]
    if len(found) < k or len(numbers) < len(found):
        raise BadReplyError(
            f"a position's log-probabilities are {_quoted(top)}: {k} finite ones at least"
        )
    row = sorted((-min(float(p), 0.0), _token(name, vocab)) for name, p in found)[:k]
    if len({i for _, i in row}) < k:
        raise BadReplyError(f"a position names a token twice: {_quoted(top)}")
    if sum(math.exp(-p) for p, _ in row) > 1.01:
        raise BadReplyError(f"a position's probabilities add up to more than 1: {_quoted(top)}")
    return row


def _clean(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _quoted(value: Any) -> str:
    """A short one, however long and deep the value is."""
    text = _SHORT.repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
