"""The teacher's next-token distributions on a given text (teacher forcing)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from readsim.errors import ConfigError
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.ids import Ids, as_ids, content_generator
from readsim_hf.teachers.inference import (
    batches,
    evaluating,
    keeps_logits,
    reading_device,
    require_finite,
)
from readsim_hf.teachers.record import Soft, SoftKind

ENTRIES = 1 << 28  # logits of a batch at a time: 1 GB in float32
TOKENS = 8_192  # of a batch, padding included: rows of T tokens that are padded need masks of T^2


@dataclass(frozen=True)
class SoftSettings:
    """What is kept of a distribution: all of it, its `k` largest, or `k` draws from it."""

    kind: SoftKind = "topk"
    k: int = 64

    def __post_init__(self) -> None:
        if self.kind not in get_args(SoftKind):
            known = ", ".join(get_args(SoftKind))
            raise ConfigError(f"kind is {self.kind!r}: it must be one of {known}")
        if self.k < 1:
            raise ConfigError(f"k is {self.k}: it must be 1 or more")

    @property
    def entries(self) -> int | None:
        """Entries a position: k, or None where all are kept."""
        return None if self.kind == "full" else self.k

    def check_fits(self, vocab: int) -> None:
        """ConfigError where a vocabulary of that many has fewer entries."""
        if (self.entries or 0) > vocab:
            raise ConfigError(f"k is {self.k}: it must be at most the vocabulary, {vocab}")


class Passage(NamedTuple):
    """A prompt, a completion, and the half-open range of the completion to be scored; the capability says
    which of several teachers scores it."""

    prompt_ids: Ids
    completion_ids: Ids
    span: tuple[int, int]
    capability: str = ""


def score(
    model: PreTrainedModel,
    passages: Sequence[Passage],
    soft: SoftSettings,
    *,
    vocab: int,
    batch_size: int = 16,
) -> list[Soft]:
    """The distributions of each span's tokens given all before them, over the first `vocab` ids.

    Entry j belongs to completion token `span[0] + j`. Rows are padded on the right, where a causal
    model cannot see it. Draws depend on the ids scored and on k. ConfigError if a span is not
    inside its completion, a prompt is empty, or a logit is NaN or infinite.
    """
    out: dict[int, Soft] = {}
    for row, logits, seed in _read(model, passages, vocab, batch_size, soft.k):
        first, end = passages[row].span
        own = torch.from_numpy(as_ids(passages[row].completion_ids[first:end]))
        out[row] = soft_from_logits(logits, soft.kind, soft.entries, seed, said=own)
    return [out[row] for row in range(len(passages))]


def surprisal_and_rank(
    model: PreTrainedModel, passages: Sequence[Passage], *, vocab: int, batch_size: int = 16
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Of each span's tokens (L,): -log p in nats, and the place of the token, 1 for the likeliest; of equal
    ones the best place. The errors are those of `score`."""
    out: dict[int, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
    for row, logits, _ in _read(model, passages, vocab, batch_size, 0):
        first, end = passages[row].span
        ids = torch.from_numpy(as_ids(passages[row].completion_ids[first:end])).long()
        own = logits.gather(1, ids.to(logits.device)[:, None])
        surprisal = (logits.logsumexp(-1, keepdim=True) - own)[:, 0]
        rank = 1 + (logits > own).sum(-1)
        out[row] = surprisal.cpu().numpy(), rank.cpu().numpy()
    return [out[row] for row in range(len(passages))]


def _read(
    model: PreTrainedModel, passages: Sequence[Passage], vocab: int, batch_size: int, k: int
) -> Iterator[tuple[int, Tensor, np.random.Generator]]:
    """Each passage's number, the logits of its span (L, V), and a generator that depends on it and on k."""
    texts = []
    for prompt, completion, (first, end), _ in passages:
        if not (0 <= first <= end <= len(completion) and len(prompt)):
            raise ConfigError(
                f"span is {(first, end)} in {len(prompt)} + {len(completion)} tokens: it must lie "
                "inside the completion, and the prompt must not be empty"
            )
        # The last token scored is predicted, not read.
        texts.append(as_ids([*prompt, *completion[:end]])[: max(1, len(prompt) + end - 1)])
    with evaluating(model):
        most = min(TOKENS, max(1, ENTRIES // vocab))
        for rows in batches([len(text) for text in texts], batch_size, tokens=most):
            starts = [len(passages[row].prompt_ids) + passages[row].span[0] - 1 for row in rows]
            logits, offset = _forward(model, [texts[row] for row in rows], min(starts))
            for at, (row, start) in enumerate(zip(rows, starts, strict=True)):
                first, end = passages[row].span
                begin = start - offset
                kept = logits[at, begin : begin + end - first, :vocab].float()
                require_finite(kept)
                yield row, kept, content_generator(texts[row], int(first), int(end), k)


def _forward(model: PreTrainedModel, texts: Sequence[Ids], needed_from: int) -> tuple[Tensor, int]:
    """Logits (B, width, V) of texts of token ids, and the position of the first one returned.

    Positions before `needed_from` are left out where the model can do without them.
    """
    width = max(len(text) for text in texts)
    ids = torch.zeros((len(texts), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.from_numpy(as_ids(text))
        mask[row, : len(text)] = 1
    cut = {}
    offset = 0
    if keeps_logits(model) and needed_from < width:
        offset = needed_from
        cut = {"logits_to_keep": width - offset}
    device = reading_device(model)
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    return model(**inputs, use_cache=False, **cut).logits, offset
