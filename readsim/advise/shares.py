"""The file that a job reads its mixture from."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.tree_file import write_atomic


class Decision(NamedTuple):
    """From `tokens` trained on, sources get `shares` (S,); `step` counts decisions, 0 before the first."""

    step: int
    tokens: int
    shares: Array


def write_shares(path: Path, sources: Sequence[str], decisions: Sequence[Decision]) -> None:
    """Replace the file, whole: the last decision, and under `history` all of them, oldest first.

        {"step": 7, "tokens": 70000, "shares": {"math": 0.7, "code": 0.3}, "history": [...]}

    A job that was started again from a checkpoint finds in `history` what it was trained with before.
    Raises RunLogError where it cannot be written.
    """
    rows: list[dict[str, Any]] = [
        {
            "step": d.step,
            "tokens": d.tokens,
            "shares": dict(zip(sources, np.asarray(d.shares).tolist(), strict=True)),
        }
        for d in decisions
    ]
    write_atomic(path, json.dumps({**rows[-1], "history": rows}).encode() + b"\n")
