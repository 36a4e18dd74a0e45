"""Between text and token ids: the one definition that training, probes and the saved student share."""

from collections.abc import Collection, Sequence

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import chat_text
from readsim_hf.teachers.signals import Decode


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a prompt: one user message inside the chat template, or the bare text without one."""
    return ids_of(tokenizer, wrapped(tokenizer, text))


def wrapped(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """A prompt as the model reads it, in letters."""
    if tokenizer.chat_template is None:
        return text
    return chat_text(tokenizer, [{"role": "user", "content": text}])


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


def start_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before any text."""
    text = "a"
    body = bare_ids(tokenizer, text)
    whole = list(tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"])
    starts = [n for n in range(len(whole)) if whole[n : n + len(body)] == body]
    return whole[: starts[0]] if body and starts else []


def decoder(tokenizer: PreTrainedTokenizerBase, ends: Collection[int]) -> Decode:
    """Token ids to text, without end tokens (special to the tokenizer or not) and special tokens, and
    without the tokenizer's cleaning of spaces."""

    def decode(ids: Sequence[int]) -> str:
        kept = [int(i) for i in ids if i not in ends]
        return str(
            tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    return decode


def end_ids(
    model: PreTrainedModel | GenerationConfig | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[int, ...]:
    """All ids that end a reply: the generation config's and the tokenizer's, in ascending order.

    ConfigError where there is none.
    """
    config = model.generation_config if isinstance(model, PreTrainedModel) else model
    found: set[int] = set()
    for value in (getattr(config, "eos_token_id", None), tokenizer.eos_token_id):
        if value is not None:
            found.update([value] if isinstance(value, int) else value)
    if not found:
        raise ConfigError(
            "eos_token_id is None in the generation config and in the tokenizer: one of them must "
            "name the token that ends a reply"
        )
    return tuple(sorted(found))
