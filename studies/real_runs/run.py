"""Makes the runs that are missing: one log a run, whole or absent, all on the same loaded models."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.runs.cell import header_of
from readsim.runs.one import run_one
from studies.real_runs.design import Design
from studies.transfer_matrix.lab import Lab


class Schedule(Allocator):
    """Given shares (T, S), one row a decision."""

    def __init__(self, shares: Sequence[Sequence[float]]) -> None:
        self.shares = np.array(shares)

    def select(self, state: Any, context: Context) -> Array:
        row: Array = self.shares[context.step]
        return row


def log_path(design: Design, seed: int, folder: Path) -> Path:
    """Where the run's log is, or will be."""
    return folder / "runs" / f"{design.name}.{design.budget}.seed{seed}.jsonl"


def make(design: Design, seed: int, lab: Lab, folder: Path) -> None:
    """Train and measure, unless it is done. Raises RunLogError for a log of another lab or design."""
    path = log_path(design, seed, folder)
    make_env: Callable[[], DistillEnv] = partial(_env, design, lab)
    header = header_of(
        make_env(),
        task="average",
        allocator=design.name,
        settings={"shares": [list(row) for row in design.shares]},
        seeds=[seed],
        identity=(lab.name, lab.digest),
        requirement=[1.0 / len(lab.capabilities)] * len(lab.capabilities),
    )
    run_one(make_env, Schedule(design.shares), header, path, resume=True, durable=False)


def _env(design: Design, lab: Lab) -> DistillEnv:
    task = dict.fromkeys(lab.capabilities, 1.0 / len(lab.capabilities))
    return DistillEnv(
        backend=lab.backend(design.budget),
        task=task,
        budget=design.budget,
        steps=len(design.shares),
    )
