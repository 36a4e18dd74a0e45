"""A training job of somebody else's, with nothing of readsim: it appends metrics and reads shares.

    python watched_job.py FOLDER EVALUATIONS [wait]

Skills grow with the tokens trained on them. It evaluates every 100 tokens, saves a checkpoint at every third
evaluation, and starts from that again. With `wait` it waits for the decision of its last evaluation.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

EVERY, SOURCES = 100, ("math", "code", "chat")
RATE = {"math": 0.004, "code": 0.002, "chat": 0.001}


def shares_at(path: Path, tokens: int, wait: bool) -> dict[str, float]:
    while True:
        if path.exists():
            found = json.loads(path.read_text())
            rows = [row for row in found["history"] if row["tokens"] <= tokens]
            seen = found["over"] or (found["seen"] is not None and found["seen"] >= tokens)
            if rows and (seen or not wait):
                return dict(rows[-1]["shares"])
        time.sleep(0.005)


def main(folder: Path, evaluations: int, wait: bool) -> None:
    checkpoint, metrics, shares = (
        folder / name for name in ("checkpoint.json", "metrics.jsonl", "shares.json")
    )
    state: dict[str, Any] = {"tokens": 0, "loss": dict.fromkeys(SOURCES, 3.0)}
    if checkpoint.exists():
        state = json.loads(checkpoint.read_text())
    while True:
        tokens = state["tokens"]
        with metrics.open("a+b") as file:  # a torn last line is ended
            torn = False
            if file.tell():
                file.seek(file.tell() - 1)
                torn = file.read(1) != b"\n"
            for name in SOURCES:  # one row each, as transformers writes them
                row = {
                    f"eval_{name}_loss": state["loss"][name],
                    "eval_runtime": 0.1,
                    "num_tokens": tokens,
                }
                file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")
                torn = False
                file.flush()
        if tokens == EVERY * evaluations:
            return
        mixture = shares_at(shares, tokens, wait)
        for name in SOURCES:
            state["loss"][name] *= 1.0 - RATE[name] * mixture[name] * EVERY
        state["tokens"] += EVERY
        if state["tokens"] % (3 * EVERY) == 0:
            part = checkpoint.with_suffix(".part")
            part.write_text(json.dumps(state))
            part.replace(checkpoint)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "wait" in sys.argv[3:])
