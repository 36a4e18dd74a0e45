"""Makes the runs that are missing: one log a run, whole or absent."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError
from readsim.runs.cell import header_of
from readsim.runs.log_file import RunLog
from readsim.runs.one import run_one
from readsim.runs.read_logs import read_log
from readsim.tree_file import load_facts, save_facts
from studies.transfer_matrix.lab import Lab, Reference
from studies.transfer_matrix.plan import Job


class Fixed(Allocator):
    """The same shares (S,) at every step."""

    def __init__(self, shares: Sequence[float]) -> None:
        self.shares = np.array(shares)

    def select(self, state: Any, context: Context) -> Array:
        return self.shares


def _env(job: Job, lab: Lab) -> DistillEnv:
    """All capabilities alike, one decision."""
    task = dict.fromkeys(lab.capabilities, 1.0 / len(lab.capabilities))
    return DistillEnv(backend=lab.backend(job.budget), task=task, budget=job.budget, steps=1)


def job_header(job: Job, lab: Lab) -> dict[str, Any]:
    """The header of a run's log. A log with another one is not taken for this run's."""
    k = len(lab.capabilities)
    return header_of(
        _env(job, lab),
        task="average",
        allocator=job.name,
        settings={"shares": list(job.shares)},
        seeds=[job.seed],
        identity=(lab.name, lab.digest),
        requirement=[1.0 / k] * k,
    )


def log_path(job: Job, folder: Path) -> Path:
    """Where the run's log is, or will be."""
    return folder / "runs" / f"{job.stem}.jsonl"


def missing(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """The jobs without a log."""
    return [job for job in jobs if not log_path(job, folder).exists()]


def run_jobs(
    jobs: Sequence[Job], lab: Lab, folder: Path, on_job: Callable[[Job], None] | None = None
) -> None:
    """Train in one step and measure, for each job without a log; `on_job` is told after each.

    Raises RunLogError if there is a log of another lab under a job's name.
    """
    for job in jobs:
        run_one(
            partial(_env, job, lab),
            Fixed(job.shares),
            job_header(job, lab),
            log_path(job, folder),
            resume=True,
            durable=False,
        )
        if on_job is not None:
            on_job(job)


def collect(jobs: Sequence[Job], lab: Lab, folder: Path, command: str) -> dict[str, Any]:
    """Everything measured, as plain data: see `studies.transfer_matrix.measured`.

    Raises RunLogError while runs are missing.
    """
    if left := missing(jobs, folder):
        raise RunLogError(f"{folder}: {len(left)} of {len(jobs)} runs are missing")
    runs = []
    for job in jobs:
        RunLog.open(log_path(job, folder), config=job_header(job, lab)).close()
        [final] = read_log(log_path(job, folder)).finals
        runs.append(
            {
                "name": job.name,
                "shares": list(job.shares),
                "budget": job.budget,
                "seed": job.seed,
                "change": _rounded(final.final_change),
                "change_sd": _rounded(final.final_change_sd),
            }
        )
    return {
        "lab": lab.name,
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        **lab.facts,
        "sources": list(lab.sources),
        "capabilities": list(lab.capabilities),
        **{k: _rounded(v) for k, v in _reference(lab, folder)._asdict().items()},
        "runs": runs,
    }


def _reference(lab: Lab, folder: Path) -> Reference:
    """Measured once and kept."""
    path = folder / "reference.json"
    if path.exists():
        kept = load_facts(path)
        if kept.pop("digest", None) == lab.digest:
            return Reference(**{k: np.array(v) for k, v in kept.items()})
    new = lab.reference()
    table = {"digest": lab.digest, **{k: v.tolist() for k, v in new._asdict().items()}}
    save_facts(path, table)
    return new


def _rounded(values: Any) -> list[float]:
    out: list[float] = np.round(np.asarray(values, dtype=np.float64), 6).tolist()
    return out
