"""Between text and token ids: the one definition that training, probes and the saved student share."""

from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import chat_text
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import SPECIAL, opened_by
from readsim_hf.teachers.signals import Decode

# What a chat template, which is somebody's program, fails with.
_TEMPLATE_FAILS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RuntimeError)


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a prompt: one user message inside the chat template, or the bare text without one."""
    return ids_of(tokenizer, wrapped(tokenizer, text))


def wrapped(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """A prompt as the model reads it, in letters."""
    if tokenizer.chat_template is None:
        return text
    return chat_text(tokenizer, [{"role": "user", "content": text}])


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, style: Style, prompt: Prompt, form: Form
) -> list[int]:
    """Token ids of what is read before the reply: `encode` of what the style asks, or the conversation of
    somebody's own prompt as it is. ConfigError for a conversation that the tokenizer has no template for."""
    if not prompt.messages:
        return encode(tokenizer, style.ask(prompt, form))
    return ids_of(tokenizer, conversation(tokenizer, prompt))


def conversation(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """`prompt.messages` as the model reads them, in letters, up to where the reply begins."""
    if tokenizer.chat_template is not None:
        try:
            return chat_text(tokenizer, prompt.messages, tools=prompt.tools)
        except ConfigError as error:
            raise ConfigError(
                f"row {prompt.row} of source {prompt.capability!r}: {error}"
            ) from error
    if len(prompt.messages) > 1 or prompt.tools:
        roles = ", ".join(str(message["role"]) for message in prompt.messages)
        raise ConfigError(
            f"row {prompt.row} of source {prompt.capability!r} is a conversation ({roles}), and the "
            "tokenizer has no chat template; give pair.chat_template, a file"
        )
    return str(prompt.messages[0]["content"])


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a `wrapped` text, and of what continues it.

    With a chat template start tokens are the template's own. Without one what the tokenizer puts first
    (a start token, or several) stands before the text, once; never what it puts last.
    """
    body = bare_ids(tokenizer, text)
    if tokenizer.chat_template is not None:
        return body
    start = start_ids(tokenizer)
    return body if body[: len(start)] == start else start + body


def bare_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text alone, nothing added.

    Lengths are checked against the model by the caller: no message from the tokenizer.
    """
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


_STARTS: WeakKeyDictionary[PreTrainedTokenizerBase, list[int]] = WeakKeyDictionary()


def start_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before any text; asked once of each tokenizer, whose settings stay."""
    if tokenizer not in _STARTS:
        _STARTS[tokenizer] = _start_ids(tokenizer)
    return list(_STARTS[tokenizer])


def _start_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    text = "a"
    body = bare_ids(tokenizer, text)
    whole = list(tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"])
    starts = [n for n in range(len(whole)) if whole[n : n + len(body)] == body]
    return whole[: starts[0]] if body and starts else []


def decoder(tokenizer: PreTrainedTokenizerBase, ends: Collection[int]) -> Decode:
    """Token ids to text, without end tokens (special to the tokenizer or not) and special tokens, and
    without the tokenizer's cleaning of spaces. Marks around thoughts stay, special or not: without them
    thoughts would be taken for the reply."""
    added = tokenizer.added_tokens_decoder.items()
    marks = {i: str(token) for i, token in added if token.special and str(token) in SPECIAL}

    def plain(ids: list[int]) -> str:
        return str(
            tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def decode(ids: Sequence[int]) -> str:
        kept = [int(i) for i in ids if i not in ends]
        parts, begin = [], 0
        for n, i in enumerate(kept) if marks else ():
            if i in marks:
                parts += [plain(kept[begin:n]), marks[i]]
                begin = n + 1
        return "".join([*parts, plain(kept[begin:])])

    return decode


def closing_mark(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The mark that closes the thoughts which each prompt opens; None where prompts open none."""
    return None if tokenizer.chat_template is None else opened_by(wrapped(tokenizer, "a"))


def turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token that the chat template puts behind a reply (Gemma's `<end_of_turn>`, whose end token
    is `<eos>`); None where it puts none there."""
    if tokenizer.chat_template is None:
        return None
    said = "What is 17 + 25?"
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": said}]
    try:
        whole = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except _TEMPLATE_FAILS:  # it takes no replies
        return None
    behind = bare_ids(tokenizer, whole.rpartition(said)[2].lstrip())[:1]
    if (
        said not in whole or behind == encode(tokenizer, "a")[-1:]
    ):  # it tells no replies from prompts
        return None
    token = tokenizer.added_tokens_decoder.get(behind[0]) if behind else None
    return behind[0] if token is not None and token.special else None


def end_of(tokenizer: PreTrainedTokenizerBase, ends: Sequence[int]) -> int:
    """What is put behind a reply in these tokens, of `ends` where there are any: what the chat template puts
    there, the tokenizer's end token, or the first of `ends`.

    ConfigError where there is none.
    """
    turn = turn_end(tokenizer)
    if turn is not None and turn in ends:
        return turn
    own = tokenizer.eos_token_id
    if isinstance(own, int) and (own in ends or not ends):
        return own
    if not ends:
        raise ConfigError("eos_token_id is None in the tokenizer and no end token is named")
    return int(ends[0])


def end_ids(
    model: PreTrainedModel | GenerationConfig | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[int, ...]:
    """All ids that end a reply, in ascending order: the generation config's, the tokenizer's, and what the
    chat template puts behind a reply.

    ConfigError where there is none.
    """
    config = model.generation_config if isinstance(model, PreTrainedModel) else model
    found: set[int] = set()
    named = getattr(config, "eos_token_id", None)
    for value in (named, tokenizer.eos_token_id, turn_end(tokenizer)):
        if value is not None:
            found.update([value] if isinstance(value, int) else value)
    if not found:
        raise ConfigError(
            "eos_token_id is None in the generation config and in the tokenizer: one of them must "
            "name the token that ends a reply"
        )
    return tuple(sorted(found))
