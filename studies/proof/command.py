"""Runs the allocators for real, one log a run; the same command resumes, `--read-only` shows what is kept."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from readsim.allocators.registry import load_allocator
from readsim.cli.common import Seeds, parse_list, parse_seeds
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.env import DistillEnv
from readsim.runs.cell import header_of
from readsim.runs.one import run_one
from readsim.runs.read_logs import read_log
from readsim.token_counts import parse_tokens
from readsim.tree_file import write_frame
from studies.common.claim import judge
from studies.common.options import Budget, Steps
from studies.common.show import show_verdicts
from studies.proof.claims import BASELINE, CLAIMS, METHODS, TASKS
from studies.real_runs.held import KEPT
from studies.real_runs.rows import RealTable, read_table
from studies.transfer_matrix.lab import Lab

HERE = Path(__file__).parent
SAME = (
    "uniform",
    "target-first",
    "front-loaded",
)  # as task-static, where every capability is wanted alike


def main(
    pair: Annotated[str, typer.Option(help="The models are this pair.")] = "nano",
    budget: Budget = "60k",
    steps: Steps = 10,
    tasks: Annotated[
        str, typer.Option(help="These tasks are run, separated by commas.")
    ] = ",".join(TASKS),
    methods: Annotated[
        str, typer.Option(help="These methods are run, separated by commas.")
    ] = ",".join(METHODS),
    seeds: Seeds = "5",
    out: Annotated[Path, typer.Option(help="The runs go into this folder.")] = Path(
        "results/proof"
    ),
    read_only: Annotated[
        bool, typer.Option(help="Nothing is run; the table that is kept is read.")
    ] = False,
) -> None:
    """Run task-static and the methods on each task for real, then compare them."""
    console, tokens = Terminal(), parse_tokens(budget)
    kept = HERE / f"{pair}.csv"
    if not read_only:
        from studies.real_runs.lab import real_lab

        weights = task_weights(read_table(KEPT / f"{pair}.csv"))
        kept = out / f"{pair}.csv"
        lab = real_lab(pair, out / "teacher.sqlite")
        with interruptible(f"finished runs are in {out}; the same command resumes"):
            for seed in parse_seeds(seeds):
                for task in parse_list(tasks, "tasks") or ():
                    for method in methods_of(task, parse_list(methods, "methods") or ()):
                        make(method, task, weights[task], seed, tokens, steps, lab, out)
                        console.print(f"{method}, {task}, seed {seed}: done")
        write_frame(kept, read_runs(out))
    show(console, pd.read_csv(kept), pair)


def task_weights(table: RealTable) -> dict[str, dict[str, float]]:
    """Utility's weights by task: `average`, .6 on each capability, and `conflict`.

    `conflict` is half and half of the two capabilities whose own tokens do each other most harm: the
    lowest sum of the two changes over the one-hot runs that fits may see."""
    out = {
        task: dict(zip(table.capabilities, table.weights(task).tolist(), strict=True))
        for task in table.tasks
    }
    seen = table.part(held=False)
    change = np.full((len(table.capabilities),) * 2, np.nan)
    for run in seen.runs:
        source = run.tokens.sum(axis=0)
        if run.kind == "one-hot" and np.count_nonzero(source) == 1:
            change[int(source.argmax())] = run.final - run.start
    both = change + change.T
    np.fill_diagonal(both, np.nan)
    a, b = np.unravel_index(int(np.nanargmin(both)), both.shape)
    return {**out, "conflict": {table.capabilities[a]: 0.5, table.capabilities[b]: 0.5}}


def methods_of(task: str, methods: Sequence[str]) -> list[str]:
    """task-static, and those that are not the same on this task."""
    return [BASELINE, *(m for m in methods if not (task == "average" and m in SAME))]


def make(
    method: str,
    task: str,
    weights: Mapping[str, float],
    seed: int,
    budget: int,
    steps: int,
    lab: Lab,
    folder: Path,
) -> None:
    """One run, unless it is done. Raises RunLogError for a log of another lab or other settings."""
    make_env = partial(
        DistillEnv, backend=lab.backend(budget), task=weights, budget=budget, steps=steps
    )
    env = make_env()
    header = header_of(
        env,
        task=task,
        allocator=method,
        settings={},
        seeds=[seed],
        identity=(lab.name, lab.digest),
        requirement=env.episode.task.requirement.tolist(),
    )
    path = folder / "runs" / f"{method}.{task}.{budget}.seed{seed}.jsonl"
    run_one(make_env, load_allocator(method), header, path, resume=True, durable=False)


def read_runs(folder: Path) -> pd.DataFrame:
    """One row a finished run: allocator, task, budget, seed, utility in points, tokens beside the budget."""
    rows = []
    for path in sorted((folder / "runs").glob("*.jsonl")):
        log = read_log(path)
        final = log.finals[0]
        rows.append(
            {
                "allocator": log.header.allocator,
                "task": log.header.task,
                "budget": log.header.budget,
                "seed": log.header.seeds[0],
                "utility": 100.0 * final.utility,
                "offline": final.totals.get("offline", 0),
            }
        )
    return pd.DataFrame(rows)


def differences(frame: pd.DataFrame) -> dict[tuple[str, str, int], list[float]]:
    """(method, task, budget) -> its utility minus task-static's in each seed that has both; points."""
    wide = frame.pivot_table(
        index=["task", "budget", "seed"], columns="allocator", values="utility"
    )
    out: dict[tuple[str, str, int], list[float]] = {}
    for task, budget in dict.fromkeys(zip(frame["task"], frame["budget"], strict=True)):
        rows = wide.loc[(task, budget)]
        for method in wide.columns.drop(BASELINE):
            pairs = (rows[method] - rows[BASELINE]).dropna()
            if len(pairs):
                out[method, task, budget] = pairs.tolist()
    return out


def show(console: Terminal, frame: pd.DataFrame, pair: str) -> None:
    """Verdicts by budget, and the mean utilities."""
    found = differences(frame)
    for budget in sorted(frame["budget"].unique()):
        verdicts = [
            judge(claim, task, found[method, task, budget])
            for claim in CLAIMS
            for task in TASKS
            if (method := claim.id.removesuffix("-above"), task, budget) in found
        ]
        show_verdicts(console, f"{pair} at {budget} tokens, minus {BASELINE}", verdicts)
    mean = frame.pivot_table(index=["budget", "task"], columns="allocator", values="utility")
    console.print(mean.round(1).to_string(), highlight=False)
