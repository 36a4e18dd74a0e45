"""What a script needs: an environment, and a comparison of allocators as a table."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from readsim.allocators.base import Allocator
from readsim.backend import Backend
from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.errors import ConfigError
from readsim.runs.parallel import checked_jobs
from readsim.streams import checked_seeds
from readsim.token_counts import AnyBudget
from readsim.worlds import AnyTask, AnyWorld, load_world, save_world

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_WORLD = "read8-llama"


@overload
def make_env(
    world: AnyWorld | None = None,
    task: AnyTask | None = None,
    budget: AnyBudget | None = None,
    *,
    backend: Backend | None = None,
    num_envs: None = None,
    **settings: Any,
) -> DistillEnv: ...


@overload
def make_env(
    world: AnyWorld | None = None,
    task: AnyTask | None = None,
    budget: AnyBudget | None = None,
    *,
    num_envs: int,
    **settings: Any,
) -> DistillVectorEnv: ...


def make_env(
    world: AnyWorld | None = None,
    task: AnyTask | None = None,
    budget: AnyBudget | None = None,
    *,
    backend: Backend | None = None,
    num_envs: int | None = None,
    **settings: Any,
) -> DistillEnv | DistillVectorEnv:
    """The environment; with `num_envs`, that many runs of it advanced together.

    The same as `gymnasium.make("readsim/Distill-v0", ...)` and `gymnasium.make_vec`, without
    Gymnasium's wrappers around it. `settings` are the other arguments of `DistillEnv` and
    `DistillVectorEnv`, such as `steps` and `strict`.
    """
    if num_envs is None:
        return DistillEnv(world, task, budget, backend=backend, **settings)
    return DistillVectorEnv(num_envs, world, task, budget, backend=backend, **settings)


def compare(
    worlds: AnyWorld | Sequence[AnyWorld] = DEFAULT_WORLD,
    tasks: AnyTask | Sequence[AnyTask] | None = None,
    budgets: AnyBudget | Sequence[AnyBudget] = ("20M", "150M"),
    allocators: str | Allocator | Sequence[str | Allocator] | Mapping[str, str | Allocator] = (),
    seeds: int | Sequence[int] = 8,
    *,
    steps: int = 20,
    requirement: str | None = None,
    equal: Literal["student", "total", "shared"] = "student",
    jobs: int | None = 1,
    out: str | Path | None = None,
    rows: Literal["runs", "steps"] = "runs",
) -> "pd.DataFrame":
    """Run allocators on the same seeds: a tidy table, one row per run, sorted.

    worlds       worlds, their names or files; a single one or several
    tasks        names, `{capability: weight}` or `Task`; None: all tasks of each world
    budgets      tokens that the student trains on, as numbers or `"20M"`
    allocators   names (`"read+kappa=0.5"`, `"module:Class"`) or instances; a mapping gives instances
                 a name. Empty: the paper's baselines, ReAD and the best static mixture
    seeds        the seeds; a number n means 0, ..., n - 1
    steps        decisions per run
    requirement  the form in which allocators are given the task's requirement: a mode of `DistillEnv`
    equal        what a budget counts: "student", the run's own tokens; "total", also those of its searches
                 and pools; "shared", the same with one pool for all tasks
    jobs         processes, None: as many as cores; the numbers do not depend on it
    out          a folder that keeps the run logs: a repeated call runs only what is missing there
                 and, with a warning, what an allocator's code was edited after; `readsim report`
                 and `readsim plot` read it. With several worlds, one folder in it for each. None
                 keeps nothing. The table's `attrs["runs_read"]` is how many runs were there already
    rows         "runs": `world`, `task`, `budget`, `steps`, `allocator`, `seed`, `utility` (the final
                 one, noise-free, on the world's scale), measured changes, tokens used in addition
                 to the budget, and `final:CAPABILITY`. "steps": one row per decision, with
                 `step`, `tokens`, `spent`, `reward`, `allocation:SOURCE`, `profile:CAPABILITY` and
                 `change:CAPABILITY` (and `tokens:SOURCE` and its kin: `readsim.summary.steps`)

    Raises ConfigError or another ReadsimError for bad arguments before anything is run, RunLogError for a
    folder that cannot be written. An interrupt is a KeyboardInterrupt that says how to resume.
    """
    import pandas as pd

    from readsim.runs.cell import PAPER_ALLOCATORS, folder_name
    from readsim.runs.doubts import doubts_of
    from readsim.runs.folder import refuse_other_runs, set_aside
    from readsim.runs.grid import make_cells, run_cells, runs_read
    from readsim.runs.identity import unrecorded
    from readsim.runs.parallel import use_backend
    from readsim.runs.read_logs import read_logs
    from readsim.summary.results import results_of
    from readsim.summary.steps import steps_of

    tables = {"runs": results_of, "steps": steps_of}
    if rows not in tables:
        raise ConfigError(f"rows = {rows!r}: expected runs or steps")
    loaded = [load_world(world) for world in _several(worlds)]
    names = [folder_name(world.name) for world in loaded]
    if not names:
        raise ConfigError("worlds: at least one is needed")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(
            f"worlds: two are called {twice!r}; `world.replace(name=...)` renames one"
        )
    workers = checked_jobs(os.cpu_count() or 1 if jobs is None else jobs)
    chosen = _several(allocators) if not isinstance(allocators, Mapping) else allocators
    plan = [
        make_cells(
            world,
            tasks=None if tasks is None else _several(tasks),
            budgets=_several(budgets),
            steps=steps,
            allocators=chosen or PAPER_ALLOCATORS,
            seeds=checked_seeds(seeds),
            requirement=requirement,
            equal=equal,
        )
        for world in loaded
    ]
    if out is not None:
        instances = chosen.values() if isinstance(chosen, Mapping) else chosen
        for allocator in instances:
            if isinstance(allocator, Allocator) and (lacking := unrecorded(allocator)):
                raise ConfigError(
                    f"{type(allocator).__name__}: its attribute {lacking[0]} cannot be recorded, so its runs "
                    "in a folder could be another's: define `settings()`, or leave out `out`"
                )
    with ExitStack() as stack:
        top = Path(stack.enter_context(TemporaryDirectory()) if out is None else out)
        folders = [top / name if len(loaded) > 1 else top for name in names]
        for folder, cells in zip(folders, plan, strict=True):
            refuse_other_runs(folder, cells)
            for note in (*doubts_of(cells), *set_aside(folder, cells)):
                warnings.warn(note, stacklevel=2)
        stack.enter_context(use_backend("loky", workers))
        frames, read = [], 0
        try:
            for world, folder, cells in zip(loaded, folders, plan, strict=True):
                if out is not None:
                    save_world(world, folder / "world.toml")
                read += runs_read(run_cells(cells, folder, jobs=workers))
                frames.append(tables[rows](read_logs(folder)))
        except KeyboardInterrupt:  # without the frames of the workers' library
            kept = (
                "nothing is kept; with out=FOLDER finished runs are, and the same call resumes"
                if out is None
                else f"finished runs are kept in {out}, the same call with out={str(out)!r} resumes"
            )
            raise KeyboardInterrupt(f"interrupted: {kept}") from None
    table = pd.concat(frames, ignore_index=True)
    table.attrs["runs_read"] = read
    return table


def _several(values: Any) -> list[Any]:
    """One value as a list of one; text, mappings, worlds, tasks, numbers and allocators are one."""
    one = isinstance(values, str | Mapping) or np.ndim(values) == 0
    return [values] if one or not isinstance(values, Iterable) else list(values)
