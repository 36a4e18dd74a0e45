"""Metrics of a job of somebody else's, and what watches it."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from readsim.advise import Advice

NAMES = ("math", "code")


def advice(folder: Path, **changed: Any) -> Advice:
    made = Advice(
        log=folder / "metrics.jsonl",
        shares=folder / "shares.json",
        sources=NAMES,
        capabilities=NAMES,
        allocator="exp3",
        budget=1000,
        steps=10,
        out=folder / "run.jsonl",
    )
    return replace(made, **changed)


def put(folder: Path, rows: Iterable[object], mode: str = "a") -> None:
    with (folder / "metrics.jsonl").open(mode) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def losses(count: int, every: int = 100) -> list[dict[str, Any]]:
    return [
        {"tokens": every * n, "eval_math_loss": 2.0 - 0.1 * n, "eval_code_loss": 1.0 - 0.01 * n}
        for n in range(count)
    ]
