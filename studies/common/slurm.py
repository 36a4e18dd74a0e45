"""Missing runs as a Slurm job array, through submitit."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell

Job = tuple[Cell, Path]
MINUTES = 24 * 60  # an array task may take


def portions(todo: Sequence[Job], tasks: int) -> list[list[Job]]:
    """The runs without a log, dealt out to at most `tasks` array tasks.

    Dealt in turn, because neighbours cost alike. Raises ConfigError for fewer than one task.
    """
    if tasks < 1:
        raise ConfigError(f"tasks = {tasks!r}: at least 1")
    missing = [job for job in todo if not job[1].exists()]
    return [missing[n::tasks] for n in range(min(tasks, len(missing)))]


def run_portion(portion: Sequence[Job]) -> int:
    """What one array task does: each run in turn; those that are there by now are left as they are."""
    for cell, path in portion:
        run_cell(cell, path)
    return len(portion)


def run_array(todo: Sequence[Job], tasks: int, folder: Path, *, cluster: str = "slurm") -> None:
    """Submit what is missing as one array of `tasks` one-core tasks, and wait until all have ended.

    Scripts and output of the tasks are in `folder`, which all nodes must see, as the logs. Slurm's own
    variables choose the rest (SBATCH_PARTITION, SBATCH_ACCOUNT, ...). A task that is killed leaves the
    logs it finished; the same call submits the others. `cluster`: "local" runs the tasks as processes.

    Raises CapabilityMissingError without submitit or sbatch, and the error of the first task that failed.
    """
    if find_spec("submitit") is None:
        raise CapabilityMissingError("a Slurm array needs submitit: pip install 'readsim[slurm]'")
    if cluster == "slurm" and which("sbatch") is None:
        raise CapabilityMissingError("there is no sbatch on this machine: submit from a Slurm node")
    shares = portions(todo, tasks)
    if not shares:
        return
    folder.mkdir(parents=True, exist_ok=True)
    executor: Any = import_module("submitit").AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(name="readsim", timeout_min=MINUTES, cpus_per_task=1)
    if cluster == "slurm":
        executor.update_parameters(slurm_array_parallelism=tasks)
    for job in executor.map_array(run_portion, shares):
        job.result()
