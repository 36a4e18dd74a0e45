"""Between text and token ids: chat templates, start and end tokens."""

from collections.abc import Collection, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.teachers.signals import Decode


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a prompt.

    With a chat template: one user message and the generation prompt; start tokens are the
    template's own. Without: the raw text after the start token that the tokenizer puts first, if it
    does, and never an end token.
    """
    if tokenizer.chat_template is not None:
        message = [{"role": "user", "content": text}]
        text = str(
            tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        )
        return _ids(tokenizer, text, special=False)
    body = _ids(tokenizer, text, special=False)
    first = _ids(tokenizer, text, special=True)[:1]
    start = [tokenizer.bos_token_id]
    return first + body if first == start and body[:1] != start else body


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> list[int]:
    # Length is checked against the model by the caller: no message from the tokenizer.
    return list(tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])


def decoder(tokenizer: PreTrainedTokenizerBase, ends: Collection[int]) -> Decode:
    """Token ids to text, without end tokens (special to the tokenizer or not) and special tokens."""

    def decode(ids: Sequence[int]) -> str:
        kept = [int(i) for i in ids if i not in ends]
        return str(
            tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    return decode


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """All ids that end a reply: the generation config's and the tokenizer's, in ascending order.

    ConfigError where there is none.
    """
    found: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        if value is not None:
            found.update([value] if isinstance(value, int) else value)
    if not found:
        raise ConfigError(
            "eos_token_id is None in the generation config and in the tokenizer: one of them must "
            "name the token that ends a reply"
        )
    return tuple(sorted(found))
