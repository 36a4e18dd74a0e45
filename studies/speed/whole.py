"""Whole jobs: the paper grid, the import, and a million env-steps in memory."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from readsim.runs.grid import make_cells, run_cells

GRID = ("uniform", "task-static", "greedy", "grid", "read")

IMPORT = "from time import perf_counter as t; s = t(); import {module}; print(t() - s)"

MILLION = """
import resource
import numpy as np
import pandas as pd
from readsim.envs.vector_env import DistillVectorEnv
env = DistillVectorEnv(1024, "read8-llama")
rng, rows = np.random.default_rng(0), []
env.reset(seed=0)
for step in range(1_000_000 // 1024 * 21 // 20 + 1):
    *_, info = env.step(rng.random((1024, 8)))
    if "utility" in info:
        rows.append(pd.DataFrame({"utility": info["utility"], "spent": info["spent"]}))
print(len(pd.concat(rows)) * 20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def paper_grid(jobs: int = 2, on_cell: Callable[[], None] = lambda: None) -> float:
    """Seconds for 5 allocators x 8 tasks x 2 budgets x 3 seeds, T = 20, with run logs."""
    with TemporaryDirectory() as folder:
        cells = make_cells("read8-llama", allocators=GRID, seeds=(0, 1, 2))
        start = perf_counter()
        run_cells(cells, Path(folder), jobs=jobs, on_cell=lambda *_: on_cell())
        return perf_counter() - start


def import_seconds(module: str, repeats: int = 9) -> float:
    """Median seconds of `import module` in a fresh process."""
    command = [sys.executable, "-c", IMPORT.format(module=module)]
    return median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(repeats)
    )


def million_steps() -> tuple[int, float]:
    """(env-steps, peak memory in bytes) of a study that keeps every episode's result."""
    command = [sys.executable, "-c", MILLION]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    steps, kilobytes = map(int, output.split())
    return steps, kilobytes * 1024.0
