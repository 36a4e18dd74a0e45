"""Evaluations of a user's own, made and loaded."""

import json
from pathlib import Path
from typing import Any

SUMS = [{"question": f"{n}+{n + 1}", "answer": str(2 * n + 1)} for n in range(40)]


def write(path: Path, rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(path: str = "", **settings: Any) -> Any:
    from readsim_hf.probes.own.config import JudgeConfig, TaskConfig
    from readsim_hf.probes.own.load import load_task
    from readsim_hf.probes.splits import Sizes

    judge = settings.pop("judge", JudgeConfig())
    sizes = settings.pop("sizes", Sizes(64, 64, 256))
    return load_task(TaskConfig("x", path=path, **settings), judge, sizes, 8)
