"""A teacher record as bytes, exactly, and as plain data and arrays for checkpoints; and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from readsim_hf.teachers.record import Soft, SoftKind, TeacherRecord

_KINDS: tuple[SoftKind, ...] = ("full", "topk", "sampled")  # a stored number is an index into it


def record_to_bytes(record: TeacherRecord) -> bytes:
    """Safetensors bytes; source and token counts are the asker's and are left out.

    Log-probabilities stay float32, so that a cached record trains to the same numbers as a fresh
    one. Ids below 65536 take two bytes: a top-k entry is 6 bytes then, else 8, which is 384 or 512
    bytes a token for k = 64, and 4 for the token itself. Float16 would save a third and change a
    distribution by 1e-5 nats of KL in the mean and 1e-3 at most (a 135M teacher, k = 64 and tail):
    small, but a result would depend on whether the cache was warm.
    """
    tensors: dict[str, NDArray[Any]] = {
        "prompt_ids": _narrow(record.prompt_ids),
        "completion_ids": _narrow(record.completion_ids),
        "span": np.array(record.span, dtype=np.int32),
    }
    if record.positions is not None:
        tensors["positions"] = record.positions
    if record.spans is not None:
        tensors["spans"] = record.spans
    tensors |= {f"constants/{name}": values for name, values in record.constants.items()}
    if record.soft is not None:
        tensors["soft_kind"] = np.array([_KINDS.index(record.soft.kind)], dtype=np.uint8)
        tensors["soft_ids"] = _narrow(record.soft.ids)
        tensors["soft_logp"] = np.ascontiguousarray(record.soft.logp)
        if record.soft.said is not None:
            tensors["soft_said"] = np.ascontiguousarray(record.soft.said)
    return save(tensors)


def record_from_bytes(data: bytes) -> TeacherRecord:
    """What `record_to_bytes` was given, with source "". Arrays can be written to."""
    tensors = load(data)
    soft = None
    if "soft_kind" in tensors:
        kind = _KINDS[int(tensors["soft_kind"][0])]
        logp = np.array(tensors["soft_logp"], dtype=np.float32)
        said = np.array(tensors["soft_said"]) if "soft_said" in tensors else None
        soft = Soft(kind, np.array(tensors["soft_ids"], dtype=np.int32), logp, said)
    first, end = tensors["span"].tolist()
    return TeacherRecord(
        source="",
        prompt_ids=np.array(tensors["prompt_ids"], dtype=np.int32),
        completion_ids=np.array(tensors["completion_ids"], dtype=np.int32),
        span=(first, end),
        soft=soft,
        positions=np.array(tensors["positions"]) if "positions" in tensors else None,
        spans=np.array(tensors["spans"]) if "spans" in tensors else None,
        constants={
            name.removeprefix("constants/"): np.array(values, dtype=np.float32)
            for name, values in tensors.items()
            if name.startswith("constants/")
        },
    )


def _narrow(ids: NDArray[np.int32]) -> NDArray[np.uint16] | NDArray[np.int32]:
    """Ids in two bytes each where all fit."""
    if ids.min(initial=0) >= 0 and ids.max(initial=0) < 2**16:
        return ids.astype(np.uint16)
    return np.ascontiguousarray(ids, dtype=np.int32)


def record_to_tree(record: TeacherRecord) -> dict[str, Any]:
    """Plain data that `readsim.tree_file` can save."""
    soft = record.soft
    return {
        "source": record.source,
        "prompt_ids": record.prompt_ids,
        "completion_ids": record.completion_ids,
        "span": list(record.span),
        "soft": None if soft is None else list(soft),
        "weight": record.weight,
        "positions": record.positions,
        "row": record.row,
        "own": record.own,
        "spans": record.spans,
        "group": list(record.group),
        "constants": dict(record.constants),
    }


def record_from_tree(tree: dict[str, Any]) -> TeacherRecord:
    """The inverse of `record_to_tree`."""
    soft, positions, spans = tree["soft"], tree.get("positions"), tree.get("spans")
    return TeacherRecord(
        source=tree["source"],
        prompt_ids=np.asarray(tree["prompt_ids"]),
        completion_ids=np.asarray(tree["completion_ids"]),
        span=(int(tree["span"][0]), int(tree["span"][1])),
        soft=None if soft is None else _soft_of(*soft),
        weight=float(tree.get("weight", 1.0)),
        positions=None if positions is None else np.asarray(positions),
        row=int(tree.get("row", -1)),
        own=bool(tree.get("own", False)),
        spans=None if spans is None else np.asarray(spans),
        group=(int(tree.get("group", (0, 1))[0]), int(tree.get("group", (0, 1))[1])),
        constants={name: np.asarray(values) for name, values in tree.get("constants", {}).items()},
    )


def _soft_of(kind: SoftKind, ids: Any, logp: Any, said: Any = None) -> Soft:
    """Of plain data; an older readsim wrote no `said`."""
    return Soft(kind, np.asarray(ids), np.asarray(logp), None if said is None else np.asarray(said))
