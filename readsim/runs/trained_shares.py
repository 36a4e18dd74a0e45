"""What an interval trained of each source, beside the shares that were set: a field of a log's step rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import RunLogError, unknown
from readsim.files.names import shown_text
from readsim.runs import fields


class TrainedShare(NamedTuple):
    """What an interval trained of one source, whatever share of it was set.

    prompts    examples
    tokens     supervised tokens
    loss       mean loss a supervised token, the losses weighted as they were trained
    gradient   norm of what its examples add to the gradient of an optimiser step, before clipping: the mean
               over the steps that were looked at, where it was in any of them (0 in those it was not in)
    kl         KL(teacher || student) a supervised token, in the steps it was in

    None where it was not measured.
    """

    source: str
    prompts: int
    tokens: int
    loss: float | None = None
    gradient: float | None = None
    kl: float | None = None


MEASURED = ("loss", "gradient", "kl")
_WITHIN = {"gradient": fields.Range(0.0, fields.LARGEST)}


def trained_in(
    row: fields.Table, sources: Sequence[str], tokens: int, where: str
) -> tuple[TrainedShare, ...] | None:
    """The field `trained` of a step row: one object a source, in the sources' order, whose tokens are those
    of the step. None where it is not there; RunLogError for anything else."""
    if not fields.has(row, "trained"):
        return None
    value = fields.take(row, "trained")
    whole = isinstance(value, list) and all(isinstance(part, dict) for part in value)
    names = [part.get("source") for part in value] if whole else []
    if not names or (sources and names != list(sources)):
        raise fields.wrong_field(
            "trained", value, f"one object for each of {shown_text(', '.join(sources))}", where
        )
    found = tuple(_share(dict(part), f"{where}, trained") for part in value)
    if (total := sum(share.tokens for share in found)) != tokens:
        raise RunLogError(
            f"{where}: trained are {total} tokens, expected {tokens}, those of the step"
        )
    return found


def _share(part: fields.Table, where: str) -> TrainedShare:
    for key in part:
        if key not in TrainedShare._fields:
            raise RunLogError(f"{where}: {unknown('field', key, TrainedShare._fields)}")
    source = fields.name_in(part, "source", where)
    counts = (
        fields.whole_in(part, key, where, most=fields.MOST_TOKENS) for key in ("prompts", "tokens")
    )
    measured = (
        fields.number_in(part, key, where, _WITHIN.get(key, fields.Range()))
        if fields.has(part, key)
        else None
        for key in MEASURED
    )
    return TrainedShare(source, *counts, *measured)


def achieved_shares(trained: Sequence[TrainedShare]) -> dict[str, Array | None]:
    """What each source's share is (S,), by what it is a share of; None where a source that was trained was
    not measured, or nothing can be shared out.

    prompts    of the examples
    tokens     of the supervised tokens
    loss       of the summed loss
    gradient   of the summed gradient norms
    """
    used = [share.tokens > 0 for share in trained]
    counted: dict[str, list[float | None]] = {
        "prompts": [float(share.prompts) for share in trained],
        "tokens": [float(share.tokens) for share in trained],
        "loss": [None if s.loss is None else s.loss * s.tokens for s in trained],
        "gradient": [share.gradient for share in trained],
    }
    out: dict[str, Array | None] = {}
    for name, values in counted.items():
        lacks = any(there and value is None for there, value in zip(used, values, strict=True))
        each = np.array([value or 0.0 for value in values])
        out[name] = None if lacks or each.sum() <= 0 or (each < 0).any() else each / each.sum()
    return out
