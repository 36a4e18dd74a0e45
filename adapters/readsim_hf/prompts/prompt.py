"""A prompt: what is asked, the gold answer where one exists, and what makes it hard."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

CAPABILITIES = (
    "general",
    "steerability",
    "reasoning",
    "math",
    "code",
    "tool_use",
    "long_context",
    "multilingual",
)


def question_key(text: str) -> str:
    """SHA-256 of a text with case and spacing folded: equal keys are the same question."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()


@dataclass(frozen=True)
class Prompt:
    """One instance of a template. Plain data: every field can be written to JSON.

    answer      the gold final answer, where one can be computed
    rationale   a worked solution that leads to it, where one can be computed
    checker     name of the rule in `prompts.checkers` that judges a reply
    expect      what the checker needs beyond the answer
    factors     control factors of Eq. (7), read from the slots, never from the text

    A row of somebody's data set has `messages`; ours have none:

    capability  the name of its source
    text        what its user turns say, which is what leaks are looked for in
    messages    the conversation that is sent, as it is: role, content and, of tools, `tool_calls`
    reply       the given reply, and `calls` its calls of tools; None where the teacher is asked
    taught      indices of the assistant turns among `messages` that are trained on as well
    tools       what the chat template is told of tools
    row         its place in the source, from 0
    """

    capability: str
    template: str
    text: str
    answer: str | None = None
    rationale: str | None = None
    checker: str = "exact"
    expect: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    language: str = "en"
    messages: tuple[Mapping[str, Any], ...] = ()
    reply: str | None = None
    calls: tuple[Any, ...] = ()
    taught: tuple[int, ...] = ()
    tools: tuple[Any, ...] = ()
    row: int = -1
    to_student: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """See `question_key`; of a row of a data set, of all that is in it."""
        if not self.messages:
            return question_key(self.text)
        said = [self.messages, self.reply, self.calls, self.taught, self.tools]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def whole(self) -> str:
        """What is asked, to somebody who is told about it: the text, and of a conversation with more than one
        turn each turn and whose it is."""
        if len(self.messages) < 2:
            return self.text
        turns = (
            (str(turn["role"]).capitalize(), turn.get("content") or "") for turn in self.messages
        )
        return "\n\n".join(f"{who}: {said}" for who, said in turns)


@dataclass(frozen=True)
class TeacherMessage(Prompt):
    """Something that the teacher alone is asked: the student reads neither it nor the reply, so that neither
    has to fit its context or its tokens.

    about   the key of the prompt that it is about, for which what it takes is counted
    """

    about: str = ""
    to_student: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """That of the prompt that it is about."""
        return self.about


class Template(Protocol):
    """An instruction scaffold with typed slots."""

    @property
    def id(self) -> str:
        """Unique in its library, such as `math/sum`."""
        ...

    @property
    def capability(self) -> str: ...

    def make(self, rng: np.random.Generator) -> Prompt:
        """Fill the slots; the same generator state gives the same prompt."""
        ...
