"""Byte pairs of the nano prompts: the micro pair's tokenizer."""

from collections.abc import Iterator
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from readsim.streams import generator
from readsim_hf.models.char_tokenizer import CHARACTERS, EOS, PAD, UNK, fast_tokenizer
from readsim_hf.prompts.library import Library
from studies.nano.data import FORMS, draw, gold, held_out

SIZE = 256
TEXTS = 2000  # of each capability


def byte_pairs(library: Library, seed: int) -> PreTrainedTokenizerFast:
    """`SIZE` tokens learned from gold questions and replies, none of them held out; padding goes left.

    Runs of letters are cut into pieces that are frequent; digits and all other characters stay alone.
    Decoding gives the text back exactly.
    """
    inner = Tokenizer(models.BPE(unk_token=UNK))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[A-Za-z]+|[^A-Za-z]"), "isolated")
    inner.decoder = decoders.Fuse()
    trainer: Any = trainers.BpeTrainer
    inner.train_from_iterator(
        _texts(library, seed),
        trainer(
            vocab_size=SIZE,
            special_tokens=[PAD, EOS, UNK],
            initial_alphabet=list(CHARACTERS),
            show_progress=False,
        ),
    )
    return fast_tokenizer(inner)


def _texts(library: Library, seed: int) -> Iterator[str]:
    for i, capability in enumerate(library.capabilities):
        rng = generator(seed, "data", 0, i)
        for n in range(TEXTS):
            prompt = draw(library, capability, rng)
            if not held_out(prompt):
                yield from gold(library, prompt, FORMS[n % len(FORMS)])
