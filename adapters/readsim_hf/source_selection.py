"""Which sources a run has, and which of their rows it can train on."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.prompt_selection import WRAPPING
from readsim_hf.prompts.checkers import correct
from readsim_hf.prompts.library import Library, Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.sources.opened import Source, open_sources
from readsim_hf.sources.stream import Passed
from readsim_hf.supervision import named_supervision
from readsim_hf.teachers.encoding import encode_prompt
from readsim_hf.teachers.given import given_record
from readsim_hf.teachers.judging import final_answer
from readsim_hf.teachers.signals import TeacherSignal

TURN = 64  # tokens that a chat template adds to a turn, at most
TRIED = 128  # rows of each source that are put into tokens before a run starts
NO_GOLD = 0.5  # of the longest reply: where no gold reply is known


class Size(NamedTuple):
    """Distinct supervised tokens of a source, and whether they were counted or estimated."""

    tokens: float
    exact: bool


def sources_of(
    config: RunConfig, library: Library, signal: TeacherSignal, scores: bool | None
) -> tuple[Source, ...]:
    """The sources of `data.sources`, of whose given replies groups compare the last turn alone.

    scores   whether the teacher gives distributions of a given text; None where none are needed

    Raises ConfigError for what the signal or the teacher cannot do with them, and where there is nothing to
    train on.
    """
    found = open_sources(config.data.sources, library.capabilities)
    if not (found or library.templates or config.data.store):
        raise ConfigError(
            "data.templates = 'none' without data.sources: nothing to train on; accepted: 'nano', 'text', or "
            "at least one [[data.sources]]"
        )
    if found and signal.tasks > 1 and not isinstance(signal, Elicitation):
        raise ConfigError(
            f"signal {signal.name!r} with data.sources: this signal needs readsim's own prompts; accepted: "
            "resp, cot or logit"
        )
    check_asked(signal, found)
    if _grouped(config):
        found = tuple(source.of_last_turns() for source in found)
    for source in found:
        if not source.asks and scores is False:
            raise ConfigError(
                f"data.sources {source.name!r} has given replies, whose distributions a server or several "
                "teachers do not give: use method = 'resp-sft', replies = 'ask', or a teacher that is loaded "
                "here"
            )
    return found


def _grouped(config: RunConfig) -> bool:
    """Whether the objective trains on groups of replies, in which the student writes beside any given one."""
    return sampling_of(named_supervision(config)[1]) is not None


def check_asked(signal: TeacherSignal, sources: Sequence[Source]) -> None:
    """ConfigError for given replies where the signal asks several times: it would not be heard."""
    for source in sources if isinstance(signal, Elicitation) else ():
        if not source.asks:
            raise ConfigError(
                f"data.sources {source.name!r} has given replies, and signal {signal.name!r} asks for "
                "replies itself: say replies = 'ask' (a column of right ones can be named in answer), or use "
                "method = 'resp-sft'"
            )


def check_answers(sources: Sequence[Source]) -> None:
    """ConfigError for the first source with a row whose reply has no gold answer to be graded by."""
    for source in sources:
        if (known := source.answers) < source.many:
            raise ConfigError(
                f"sampling.reward = 'gold': {known} of {source.many} rows of data.sources {source.name!r} "
                "have a gold answer; name its column in answer and leave the other rows out of the file, or "
                "use reward = 'judge'"
            )


def is_alone(config: RunConfig) -> bool:
    """Whether the student has no teacher, here or in a store."""
    pair = config.pair
    return (
        (pair.name, pair.teacher) == (None, None) and bool(pair.student) and not config.data.store
    )


def check_alone(
    library: Library, sources: Sequence[Source], signal: TeacherSignal, soft: bool
) -> None:
    """ConfigError where somebody would have to be asked: `soft` says that distributions are wanted."""
    if isinstance(signal, Elicitation) and not signal.asks:
        return
    asks = [*library.templates, *(source.name for source in sources if source.asks)]
    if not asks and not soft:
        return
    what = f"the replies of {', '.join(asks)}" if asks else "distributions, which the method needs"
    raise ConfigError(
        f"pair.teacher = None: there is no teacher to give {what}; name a teacher, or give all replies in "
        "data.sources and use method = 'resp-sft'"
    )


def check_conversations(sources: Sequence[Source], readers: Sequence[Tokenizer]) -> None:
    """ConfigError where rows are conversations, or have tools, and a tokenizer cannot say so."""
    templates = [str(reader.chat_template or "") for reader in readers]
    for source in sources:
        facts = source.rows.facts
        if facts.turns and not all(templates):
            raise ConfigError(
                f"data.sources {source.name!r} has conversations, and a tokenizer of the pair has no chat "
                "template; give pair.chat_template, a file"
            )
        if facts.tools and not all("tool" in template for template in templates):
            raise ConfigError(
                f"data.sources {source.name!r} has tools or calls of them in {facts.tools} rows, and a chat "
                "template of the pair does not take them; give pair.chat_template, a file, or leave them out"
            )


def passed_by(
    config: RunConfig,
    source: Source,
    context: int,
    readers: Sequence[Tokenizer],
    ends: tuple[int, ...],
    style: Style,
) -> Callable[[Prompt], Passed | None]:
    """Why a row of the source is not trained on, if it is not.

    readers   the tokenizers of the teachers, then the student's
    """
    new = config.decoding.max_new_tokens
    most = min(context, source.config.max_tokens or context)
    writes = config.on_policy > 0 or _grouped(config)

    def asked(prompt: Prompt) -> int:
        """Tokens of the prompt, whoever reads it."""
        return max(len(encode_prompt(reader, style, prompt, "answer")) for reader in readers)

    def too_long(prompt: Prompt) -> bool:
        said = (prompt.reply or "") + json.dumps([prompt.tools, prompt.calls])
        letters = sum(len(str(m).encode()) for m in prompt.messages) + len(said.encode())
        if letters + WRAPPING + TURN * len(prompt.messages) + new <= most:
            return False  # no token is shorter than a byte
        if prompt.reply is not None:
            record = given_record(prompt, readers[-1], ends)
            if len(record.prompt_ids) + len(record.completion_ids) > most:
                return True
            if not writes:
                return False
        tokens = asked(prompt)
        return tokens > most or tokens + new > context

    def why(prompt: Prompt) -> Passed | None:
        if config.data.keep == "correct" and prompt.reply is not None:
            right = correct(prompt, final_answer(style, prompt, prompt.reply))
            if right is False:
                return "wrong"
        return "too_long" if too_long(prompt) else None

    return why


def source_size(
    source: Source,
    passed: Callable[[Prompt], Passed | None],
    tokenizer: Tokenizer,
    ends: tuple[int, ...],
    new: int,
) -> Size:
    """Of a source, from at most TRIED of its rows; held-out items among them are not looked for.

    tokenizer, ends   the student's
    new               tokens of the teacher's longest reply: half of them are expected of each

    So what the chat template does not take is refused now: raises ConfigError, also where none of the rows
    can be trained on.
    """
    sample = source.sample(TRIED)
    why = [passed(prompt) for prompt in sample]
    good = {p.key: p for p, reason in zip(sample, why, strict=True) if reason is None}
    if not good and len(sample) == source.many:
        raise ConfigError(
            f"data.sources {source.name!r}: none of its {source.many} rows can be trained on: "
            f"{why.count('too_long')} are longer than the context or max_tokens, {why.count('wrong')} have a "
            "reply without the gold answer"
        )
    tokens = sum(
        given_record(p, tokenizer, ends).supervised if p.reply is not None else NO_GOLD * new
        for p in good.values()
    )
    if len(sample) == source.many:
        return Size(float(tokens), exact=not source.asks)
    return Size(float(tokens / len(sample) * source.many * source.distinct), exact=False)
