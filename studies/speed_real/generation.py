"""Writing replies: new tokens a second beside transformers' own `generate` on padded batches.

A random model ends a reply at about one token in V, so that lengths spread as real ones do. Theirs takes the
prompts in batches in the order in which they come, each batch until its longest reply has ended, with the
cache that transformers makes by default or with a static one. Ours sorts prompts by length and puts a new
prompt in the place of each reply that has ended. Both draw at temperature 0.7, so replies differ, and speed
is counted in the tokens that each side wrote, padding left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

import numpy as np
import torch
from transformers import GenerationConfig, PreTrainedModel

from readsim_hf.teachers.decoding import Decoding, generate, left_padded, until_end
from readsim_hf.teachers.ids import Ids
from studies.speed_real.sizes import NANO, Size
from studies.speed_real.timing import Row, in_turn

END = 1
PROMPTS = 128
LONGEST = 256  # new tokens
WIDE = Size("5M Llama (V = 99)", 99, 256, 6, 6)


def prompts_of(size: Size, count: int = PROMPTS, seed: int = 0) -> list[Ids]:
    """Prompts of 8 to 64 tokens, none of which is the end token."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(8, 65, count)
    return [rng.integers(2, size.vocabulary, length).astype(np.int32) for length in lengths]


def model_of(size: Size) -> PreTrainedModel:
    """The student's size, with a context that holds the longest prompt and reply."""
    return replace(size, length=65 + LONGEST).student()


def ours(
    model: PreTrainedModel, prompts: Sequence[Ids], size: Size, batch: int, longest: int
) -> float:
    """Seconds a new token."""
    decoding = Decoding(max_new_tokens=longest, temperature=0.7, batch_size=batch)
    start = perf_counter()
    said = generate(model, prompts, decoding, ends=[END], vocab=size.vocabulary)
    return (perf_counter() - start) / sum(map(len, said))


def theirs(
    model: PreTrainedModel, prompts: Sequence[Ids], batch: int, longest: int, cache: str | None
) -> float:
    """Seconds a new token of `model.generate`."""
    config = cast(Any, GenerationConfig)(
        do_sample=True,
        temperature=0.7,
        top_k=0,
        max_new_tokens=longest,
        eos_token_id=END,
        pad_token_id=END,
        cache_implementation=cache,
        disable_compile=True,
    )
    written, start = 0, perf_counter()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for first in range(0, len(prompts), batch):
            ids, mask = left_padded(prompts[first : first + batch], END)
            out = cast(Any, model).generate(ids, attention_mask=mask, generation_config=config)
            replies = out[:, ids.shape[1] :].numpy()
            written += sum(len(until_end(reply, [END])) for reply in replies)
    return (perf_counter() - start) / written


def sides(
    size: Size, batch: int, cache: str | None, count: int = PROMPTS, longest: int = LONGEST
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Ours and theirs, on the same model and prompts."""
    model, prompts = model_of(size), prompts_of(size, count)
    return (
        lambda: ours(model, prompts, size, batch, longest),
        lambda: theirs(model, prompts, batch, longest, cache),
    )


def rows() -> list[Row]:
    """Two sizes, two caches of theirs."""
    out = []
    for size, batch in ((NANO, 32), (WIDE, 16)):
        for cache, name in ((None, "cache"), ("static", "static cache")):
            pair = in_turn(*sides(size, batch, cache), 3)
            out.append(
                Row(
                    f"writing, {size.name}, {batch} at a time, beside `generate` with its {name}",
                    f"{1 / pair.ours:.0f} tokens/s",
                    f"{pair.ratio:.2f} of its speed",
                    ">= 1.5",
                )
            )
    return out
