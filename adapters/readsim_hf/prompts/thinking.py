"""A reply of a model that thinks aloud: where its thoughts end and what it says to us begins."""

# What stands around thoughts, in the templates of models that have them: (opens, closes, sure). A mark that
# is not sure may be markup that a prompt asked for: it counts at the very start of a reply only.
_PAIRS = (
    ("<think>", "</think>", True),  # DeepSeek, Qwen 3, SmolLM 3, GLM, Nemotron, Phi 4 reasoning
    ("[THINK]", "[/THINK]", True),  # Mistral
    ("<seed:think>", "</seed:think>", True),  # Seed-OSS
    ("<|START_THINKING|>", "<|END_THINKING|>", True),  # Cohere
    ("<|begin_of_thought|>", "<|end_of_thought|>", True),  # OpenThinker, Sky-T1
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", True),  # gpt-oss
    ("<thinking>", "</thinking>", False),
    ("<thought>", "</thought>", False),
    ("<reasoning>", "</reasoning>", False),
)
OPEN, CLOSE = _PAIRS[0][:2]  # how thoughts that come beside a reply are written down
# Those of the marks that a tokenizer may hold for special tokens, which decoding would leave out.
SPECIAL = (
    *(mark for pair in _PAIRS if pair[2] for mark in pair[:2]),
    "<|channel|>",
    "<|message|>",
)


def said_from(reply: str) -> int:
    """Where what is said begins in a reply: behind the thoughts and the space after them.

    0 where there are no thoughts, the reply's length where they do not end. A closing mark without an
    opening one ends thoughts that the prompt opened.
    """
    return _parts(reply)[1]


def thoughts(reply: str) -> str:
    """The thoughts of a reply, without their marks; "" where there are none."""
    return _parts(reply)[0]


def opened_by(prompt: str) -> str | None:
    """The mark that closes thoughts which a prompt's end opens (DeepSeek's template does), or None."""
    end = prompt.rstrip()
    return next((close for open_, close, _ in _PAIRS if end.endswith(open_)), None)


def whole_reply(reply: str, close: str | None) -> str:
    """A reply with the mark that its prompt opened where it never closes it, so that thoughts are seen.

    close   the mark that it would close with, see `opened_by`
    """
    if close is None or close in reply:
        return reply
    return next(open_ for open_, mark, _ in _PAIRS if mark == close) + reply


def with_thoughts(thought: str, said: str) -> str:
    """One text of thoughts and reply that came apart (`reasoning_content`)."""
    return f"{OPEN}\n{thought.strip()}\n{CLOSE}\n\n{said}" if thought.strip() else said


def continuing(reply: str, close: str | None, *, keep: bool) -> str:
    """A reply as it continues a prompt: with its thoughts (`keep`) or without them.

    close   the mark that ends what the prompt opened (`opened_by`): it stands first in what is said then
    """
    thought, start = _parts(reply)
    thought = thought if keep else ""
    if close is None:
        return with_thoughts(thought, reply[start:])
    return f"{thought}\n{close}\n\n{reply[start:]}".lstrip()


def _parts(reply: str) -> tuple[str, int]:
    """The thoughts, and where what is said begins."""
    for open_, close, sure in _PAIRS:
        first, last = reply.find(open_), reply.rfind(close)
        begun = first >= 0 and (sure or not reply[:first].strip())
        opened = reply.rfind(open_) if begun else first
        if last > opened and (begun or first < 0):
            start = last + len(close)
            start += len(reply[start:]) - len(reply[start:].lstrip())
            inner = reply[first + len(open_) : last] if begun else reply[:last]
            return inner.replace(open_, "").replace(close, "").strip(), start
        if begun:  # also where a pair of marks is closed and opened again
            return reply[first + len(open_) :].strip(), len(reply)
    return "", 0
