"""Records to tensors: sequences that end together, and the positions that are supervised."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import SoftTargets, Targets
from readsim_hf.teachers.record import TeacherRecord


class Example(NamedTuple):
    """A record and how many of its supervised tokens count (fewer when the budget ends inside it)."""

    record: TeacherRecord
    tokens: int


class Batch(NamedTuple):
    """B sequences of at most T tokens, padded on the left, so that they end in one column; or packed, one
    after the other in one row of T tokens, without a mask: positions tell them apart.

    `rows`, `columns` (N,) are sequence and column of the positions whose next token is supervised; padding is
    known by position, never by its id, which may be the end token's.
    """

    input_ids: Tensor  # (B, T); packed (1, T)
    attention_mask: Tensor | None  # (B, T); packed None
    position_ids: Tensor  # as input_ids
    rows: Tensor  # (N,)
    columns: Tensor  # (N,)
    targets: Targets  # N positions


def collate(
    examples: Sequence[Example], device: torch.device | str = "cpu", *, packed: bool = False
) -> Batch:
    """Stack examples, or put them into one row. What lies behind the last supervised token is not read by
    the model.

    Raises ConfigError for an empty prompt (nothing predicts the first token) or no supervised token.
    """
    sequences, places = [], []
    for record, tokens in examples:
        if not 0 < tokens <= record.supervised:
            raise ConfigError(f"{tokens} supervised tokens of a record with {record.supervised}")
        trained = record.places[:tokens]
        if len(record.prompt_ids) + trained[0] == 0:
            raise ConfigError("an empty prompt: nothing predicts the first token")
        ids = np.concatenate([record.prompt_ids, record.completion_ids[: trained[-1]]])
        sequences.append(ids)  # the last one is predicted, not read
        places.append(trained)
    lengths = np.array([len(sequence) for sequence in sequences])
    width = int(lengths.sum() if packed else lengths.max())
    ends = lengths.cumsum() if packed else np.full(len(lengths), width)
    ids = np.zeros((1 if packed else len(sequences), width), dtype=np.int64)
    mask, at = np.zeros_like(ids), np.zeros_like(ids)
    rows, columns = [], []
    for n, (sequence, end, trained) in enumerate(zip(sequences, ends, places, strict=True)):
        row, own = 0 if packed else n, slice(end - len(sequence), end)
        ids[row, own], mask[row, own], at[row, own] = sequence, 1, np.arange(len(sequence))
        rows.append(np.full(len(trained), n))
        columns.append(len(examples[n].record.prompt_ids) + trained - 1 + own.start)
    tokens_of = [e.record.completion_ids[p] for e, p in zip(examples, places, strict=True)]

    def tensor(parts: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)

    return Batch(
        torch.from_numpy(ids).to(device),
        None if packed else torch.from_numpy(mask).to(device),
        torch.from_numpy(at).to(device),
        tensor(rows),
        tensor(columns),
        Targets(
            tensor(tokens_of),
            _soft(examples, device),
            _weights(examples, device),
            _own(examples, device),
            tensor(rows),
            _spans(examples, device),
            constants=_constants(examples, device),
        ),
    )


def _spans(examples: Sequence[Example], device: torch.device | str) -> Tensor | None:
    """See `TeacherRecord.spans`, of the supervised positions (N,), if the records have them."""
    each = [(e.record.spans, e.tokens) for e in examples]
    kept = [spans[:n] for spans, n in each if spans is not None]
    return torch.from_numpy(np.concatenate(kept)).to(device) if len(kept) == len(each) else None


def _constants(examples: Sequence[Example], device: torch.device | str) -> dict[str, Tensor]:
    """The constants (N,) that all of the examples have."""
    first, *others = (e.record.constants for e in examples)
    common = [name for name in first if all(name in one for one in others)]
    return {
        name: torch.from_numpy(
            np.concatenate([e.record.constants[name][: e.tokens] for e in examples])
        ).to(device)
        for name in common
    }


def _own(examples: Sequence[Example], device: torch.device | str) -> Tensor | None:
    """Whether each supervised position (N,) is of the student's own text, if any is."""
    each = [e.record.own for e in examples]
    if not any(each):
        return None
    return torch.from_numpy(np.repeat(each, [e.tokens for e in examples])).to(device)


def _weights(examples: Sequence[Example], device: torch.device | str) -> Tensor | None:
    """Weight of each supervised position (N,), if any is not 1."""
    each = [e.record.weight for e in examples]
    if all(weight == 1.0 for weight in each):
        return None
    weights = np.repeat(np.array(each, dtype=np.float32), [e.tokens for e in examples])
    return torch.from_numpy(weights).to(device)


def _soft(examples: Sequence[Example], device: torch.device | str) -> SoftTargets | None:
    """The teacher's distributions at the supervised positions, if every record has them."""
    kept = [(e.record.soft, e.tokens) for e in examples if e.record.soft is not None]
    if not kept:
        return None
    kinds = {soft.kind for soft, _ in kept}
    if len(kept) != len(examples) or len(kinds) != 1:
        raise ConfigError("a batch mixes records with and without the same kind of distributions")
    ids = np.concatenate([soft.ids[:n] for soft, n in kept]).astype(np.int64)
    logp = np.concatenate([soft.logp[:n] for soft, n in kept])
    both = torch.from_numpy(ids).to(device), torch.from_numpy(logp).to(device)
    return SoftTargets(kinds.pop(), *both, partial=bool((ids < 0).any()))


def by_length(examples: Sequence[Example]) -> list[Example]:
    """Examples of similar length next to each other, the shortest first."""
    return sorted(examples, key=length_of)


def length_of(example: Example) -> int:
    """Tokens that a model reads of an example, and the last one, which it predicts."""
    record, tokens = example
    return len(record.prompt_ids) + int(record.places[tokens - 1]) + 1
