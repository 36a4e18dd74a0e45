"""A teacher record as plain data and arrays, for checkpoints."""

from typing import Any

import numpy as np

from readsim_hf.teachers.record import Soft, TeacherRecord


def record_to_tree(record: TeacherRecord) -> dict[str, Any]:
    """Plain data that `readsim.checkpoint` can save."""
    soft = record.soft
    return {
        "source": record.source,
        "prompt_ids": record.prompt_ids,
        "completion_ids": record.completion_ids,
        "span": list(record.span),
        "soft": None if soft is None else [soft.kind, soft.ids, soft.logp],
        "weight": record.weight,
    }


def record_from_tree(tree: dict[str, Any]) -> TeacherRecord:
    """The inverse of `record_to_tree`."""
    soft = tree["soft"]
    return TeacherRecord(
        source=tree["source"],
        prompt_ids=np.asarray(tree["prompt_ids"]),
        completion_ids=np.asarray(tree["completion_ids"]),
        span=(int(tree["span"][0]), int(tree["span"][1])),
        soft=None if soft is None else Soft(soft[0], np.asarray(soft[1]), np.asarray(soft[2])),
        weight=float(tree.get("weight", 1.0)),
    )
