"""What the tests of the transfer study share: a small world, its runs, results made up."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.worlds import World
from studies.transfer_matrix.lab import Lab
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.plan import make_plan
from studies.transfer_matrix.run import collect, run_jobs

BUDGETS = (20_000_000, 60_000_000, 150_000_000)
NAMES = ("math", "code", "tool_use")


@cache
def small_world() -> World:
    """Three sources that help and harm, measured without noise."""
    return World(
        name="small",
        sources=NAMES,
        capabilities=NAMES,
        dynamics="potential",
        link="saturating",
        start=np.array([0.3, 0.5, 0.4]),
        floor=np.zeros(3),
        ceiling=np.array([0.9, 0.8, 0.7]),
        gain=("exponential",) * 3,
        scale_tokens=np.array([4e7, 9e7, 6e7]),
        help=np.array([[0.5, 0.1, 0.0], [0.0, 0.3, 0.05], [0.2, 0.0, 0.3]]),
        harm=np.array([[0.0, 0.0, 0.1], [0.03, 0.0, 0.05], [0.0, 0.02, 0.0]]),
        items=np.zeros(3),
        test_items=np.zeros(3),
    )


def measure(
    lab: Lab, folder: Path, seeds: Sequence[int] = (0,), budgets: Sequence[int] = BUDGETS
) -> Measured:
    jobs = make_plan(lab.sources, budgets, seeds, 3)
    run_jobs(jobs, lab, folder)
    return Measured.of(collect(jobs, lab, folder, "python -m studies transfer_matrix"))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def made(change: Array, sd: float, items: int = 100) -> Measured:
    """Results with given changes (B, S, n, K)."""
    budgets, sources, seeds, k = change.shape
    names = [f"c{j}" for j in range(k)]
    runs = [
        {
            "name": names[i],
            "shares": np.eye(sources)[i].tolist(),
            "budget": 1000 * (b + 1),
            "seed": n,
            "change": change[b, i, n].tolist(),
            "change_sd": [sd] * k,
        }
        for b in range(budgets)
        for i in range(sources)
        for n in range(seeds)
    ]
    ends = {"start": 0.4, "floor": 0.0, "teacher": 0.9, "items": 64.0, "test_items": float(items)}
    vectors = {name: [value] * k for name, value in ends.items()}
    said = {"what": "made up", "date": "2026-11-23", "command": "none"}
    columns = {"sources": names[:sources], "capabilities": names}
    return Measured.of({**said, **columns, **vectors, "runs": runs})
