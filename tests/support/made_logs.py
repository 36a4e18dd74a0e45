"""Run logs made by hand: what the tests of tables and figures read."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.runs.log_file import RunLog
from studies.common.study import Findings

Rows = list[dict[str, Any]]

FULL = ("one-hot", "uniform", "task-static", "read", "oracle-static")
NAMES = ("math", "code", "safety")
SHARED: dict[str, Any] = {
    "world": "made",
    "world_digest": "0123456789abcdef",
    "steps": 4,
    "sources": list(NAMES),
    "capabilities": list(NAMES),
    "hidden": [],
}


def write_log(folder: Path, rows: Rows, **config: Any) -> Path:
    """A log of `rows` under `folder`/runs, named after its cell."""
    config = {**SHARED, "requirement": [0.6, 0.3, 0.1], "settings": {}, **config}
    name = f"{config['allocator']}.{config['task']}.{config['budget']}.jsonl".replace(
        ":", "-"
    ).replace("/", "-")
    path = folder / "runs" / name
    rows = [ended(row, rows, config) for row in rows]
    with RunLog.create(path, config=config, seeds=config["seeds"]) as log:
        log.append(rows)
    return path


def rewrite(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Change the lines of a log, the first of which is its header, and leave out its digests: a log as one
    writes it by hand."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [line for line in lines if line["kind"] != "digest"]
    kept[0].pop("sha256", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in change(kept)))


def ended(row: dict[str, Any], rows: Rows, config: dict[str, Any]) -> dict[str, Any]:
    """A final row with the step and the tokens at which its run ended, unless it says them."""
    if row["kind"] != "final":
        return row
    last = [r for r in rows if r["kind"] == "step" and r["seed"] == row["seed"]][-1:]
    step, spent = (
        (last[0]["step"], last[0]["spent"]) if last else (config["steps"], config["budget"])
    )
    return {"step": step, "totals": {"student": spent, "search": 0, "offline": 0}, **row}


def final_row(seed: int, utility: float, profile: Sequence[float], **fields: Any) -> dict[str, Any]:
    """A `final` row; the change is zero unless given. `ended` says when and with what it ended."""
    return {
        "kind": "final",
        "seed": seed,
        "utility": utility,
        "final_profile": list(profile),
        "final_change": [0.0] * len(profile),
        "final_change_sd": [0.01] * len(profile),
        **fields,
    }


def run_rows(rng: np.random.Generator, seed: int, budget: int, lift: float, width: int) -> Rows:
    """A whole run of 4 steps whose capabilities rise by about `lift` in all."""
    profile = 0.4 + 0.01 * rng.standard_normal(width)
    rows: Rows = [{"kind": "start", "seed": seed, "profile": profile}]
    for step in range(1, 5):
        profile = profile + lift / 4 + 0.01 * rng.standard_normal(width)
        allocation = rng.dirichlet(np.ones(width))
        tokens = {"tokens": budget // 4, "spent": step * budget // 4}
        shown = {"allocation": allocation, "profile": profile}
        rows.append({"kind": "step", "seed": seed, "step": step, **tokens, **shown})
    change = lift + 0.02 * rng.standard_normal(width)
    end = final_row(seed, float(profile.mean()), profile.tolist(), final_change=change)
    return [*rows, ended(end, rows, {})]


def effects_in(findings: Findings) -> dict[str, Array]:
    """The effects of findings about one case, by claim."""
    return {claim: np.asarray(value, dtype=float) for (claim, _), value in findings.effects.items()}


def write_comparison(
    folder: Path,
    allocators: Sequence[str],
    *,
    tasks: Sequence[str] = ("math", "code"),
    budgets: Sequence[int] = (20_000_000, 150_000_000),
    seeds: Sequence[int] = (0, 1, 2),
    names: Sequence[str] = NAMES,
) -> Path:
    """A whole comparison in `folder`, the same numbers at each call."""
    rng = np.random.default_rng(0)
    k = len(names)
    for budget in budgets:
        for task in tasks:
            requirement = [2.0 / (k + 1) if n == task else 1.0 / (k + 1) for n in names]
            for a, allocator in enumerate(allocators):
                lift = 0.02 * a * budget / 1e8
                rows = [row for seed in seeds for row in run_rows(rng, seed, budget, lift, k)]
                write_log(
                    folder,
                    rows,
                    allocator=allocator,
                    task=task,
                    budget=budget,
                    seeds=list(seeds),
                    requirement=requirement,
                    sources=list(names),
                    capabilities=list(names),
                )
    return folder
