"""One token per character: the nano pair's tokenizer."""

from typing import Any, cast

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
CHARACTERS = "\n" + "".join(chr(code) for code in range(32, 127))  # newline, printable ASCII


def char_tokenizer() -> PreTrainedTokenizerFast:
    """99 tokens: padding, end, unknown, and one for each of `CHARACTERS`; padding goes left.

    Nothing is added before or after a text, and decoding gives the text back exactly.
    """
    vocabulary = {token: i for i, token in enumerate((PAD, EOS, UNK, *CHARACTERS))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    return fast_tokenizer(inner)


def fast_tokenizer(inner: Tokenizer) -> PreTrainedTokenizerFast:
    """With this vocabulary and its three marks; texts are at most 512 tokens long."""
    constructor = cast(Any, PreTrainedTokenizerFast)  # it has no types
    made: PreTrainedTokenizerFast = constructor(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    return made
