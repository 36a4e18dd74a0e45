"""Decide, then check: choose by a fit to half of a pair's runs, run it for real, compare.

What is decided is written to OUT/decided.json before the first run, and never again; finished runs are
in OUT/runs: the same command resumes.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from scipy.stats import kendalltau

from readsim.arrays import Array
from readsim.cli.common import Seeds, need_target, parse_seeds
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.cell import header_of
from readsim.runs.one import run_one
from readsim.runs.read_logs import read_log
from readsim.token_counts import parse_tokens
from readsim.tree_file import load_facts, save_facts
from studies.common.claim import judge
from studies.common.show import show_verdicts
from studies.real_runs.claims import CLAIMS
from studies.real_runs.design import STEPS
from studies.real_runs.forecast import fit_runs
from studies.real_runs.held import KEPT
from studies.real_runs.rows import RealTable, read_table
from studies.real_runs.run import Schedule
from studies.sim_to_real.decide import CHOSEN, SCHEDULE, Decided, decide
from studies.transfer_matrix.lab import Lab


def main(
    pair: Annotated[str, typer.Option(help="The models are this pair.")] = "nano",
    task: Annotated[
        str, typer.Option(help="This capability has weight 0.6 in the utility.")
    ] = "math",
    budget: Annotated[str, typer.Option(help="A run has this many tokens.")] = "60k",
    seeds: Seeds = "5",
    table: Annotated[
        Path | None, typer.Option(help="The world is fitted to the runs in this table.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Runs go into this folder.", show_default="beside the study")
    ] = None,
    read_only: Annotated[
        bool, typer.Option(help="Nothing is run; the logs that are kept are read.")
    ] = False,
) -> None:
    """Choose mixtures by a fit to half of a pair's real runs, run them, and compare."""
    console, folder = Terminal(), out or Path(__file__).parent / "decided" / pair
    kept = read_table(table or KEPT / f"{pair}.csv")
    decided = decided_in(folder, kept, pair, task, parse_tokens(budget))
    show_decided(console, decided)
    numbers = parse_seeds(seeds)
    if not read_only:
        from studies.real_runs.lab import real_lab

        lab = real_lab(pair, folder / "teacher.sqlite")
        with interruptible(f"finished runs are in {folder / 'runs'}; the same command resumes"):
            for seed in numbers:
                for method in decided.utility:
                    make(decided, method, seed, lab, folder)
                    console.print(f"{method}, seed {seed}: done")
    measured = measured_in(folder, decided, numbers)
    if not measured:
        console.print("no seed has all methods: nothing to compare yet")
        return
    effects = compare(decided, measured)
    verdicts = [judge(claim, pair, effects[claim.id]) for claim in CLAIMS if claim.id in effects]
    show_verdicts(console, f"decided and run: {pair}, {task}", verdicts)
    mean = {m: 100.0 * np.mean([run[m] for run in measured.values()]) for m in decided.utility}
    console.print(", ".join(f"{m} {value:.1f}" for m, value in mean.items()), highlight=False)
    console.print(regret_line(decided, measured, kept), highlight=False)


def decided_in(folder: Path, kept: RealTable, name: str, task: str, budget: int) -> Decided:
    """What was decided before; else what a fit to the half that is not held decides now.

    Raises ConfigError where another task or budget was decided on.
    """
    path = folder / "decided.json"
    need_target(path)
    if not path.exists():
        forecast = fit_runs(kept.part(held=False), f"{name}-half")
        save_facts(path, decide(forecast, kept, task, budget, STEPS).table())
    decided = Decided.of(load_facts(path))
    if (decided.task, decided.budget) != (task, budget):
        raise ConfigError(
            f"{path}: decided for {decided.task}, {decided.budget} tokens, not {task}, {budget}; give "
            "another --out"
        )
    return decided


def log_path(method: str, seed: int, folder: Path) -> Path:
    """Where a run's log is, or will be."""
    return folder / "runs" / f"{method}.seed{seed}.jsonl"


def make(decided: Decided, method: str, seed: int, lab: Lab, folder: Path) -> None:
    """One run, unless it is done. Raises RunLogError for a log of another lab or decision."""
    make_env = partial(
        DistillEnv,
        backend=lab.backend(decided.budget),
        task=decided.task,
        budget=decided.budget,
        steps=STEPS,
    )
    shares, env = decided.shares[method], make_env()
    header = header_of(
        env,
        task=decided.task,
        allocator=method,
        settings={"shares": shares.tolist()},
        seeds=[seed],
        identity=(lab.name, lab.digest),
        requirement=env.episode.task.requirement.tolist(),
    )
    path = log_path(method, seed, folder)
    run_one(make_env, Schedule(shares.tolist()), header, path, resume=True, durable=False)


def measured_in(folder: Path, decided: Decided, seeds: list[int]) -> dict[int, dict[str, float]]:
    """Utility on the test split by method, of each seed that has all of them."""
    out = {}
    for seed in seeds:
        paths = {m: log_path(m, seed, folder) for m in decided.utility}
        if all(path.exists() for path in paths.values()):
            out[seed] = {m: read_log(path).finals[0].utility for m, path in paths.items()}
    return out


def compare(decided: Decided, measured: Mapping[int, Mapping[str, float]]) -> dict[str, Array]:
    """Effects by claim, one number a seed."""
    told = [float(each.value) for each in decided.utility.values()]

    def inside(run: Mapping[str, float]) -> float:
        some = [decided.utility[m] for m in (CHOSEN, "task-static", "uniform")]
        seen = [run[m] for m in (CHOSEN, "task-static", "uniform")]
        return float(np.mean([e.low <= v <= e.high for e, v in zip(some, seen, strict=True)]))

    runs = list(measured.values())
    effects = {
        "schedule-above-chosen": [100.0 * (r[SCHEDULE] - r[CHOSEN]) for r in runs],
        "chosen-above-task-static": [100.0 * (r[CHOSEN] - r["task-static"]) for r in runs],
        "chosen-above-uniform": [100.0 * (r[CHOSEN] - r["uniform"]) for r in runs],
        "chosen-in-interval": [inside(run) - 0.92 for run in runs],
        "methods-rank": [
            float(kendalltau(told, [run[m] for m in decided.utility]).statistic) for run in runs
        ],
    }
    return {claim: np.array(each) for claim, each in effects.items()}


def regret_line(
    decided: Decided, measured: Mapping[int, Mapping[str, float]], kept: RealTable
) -> str:
    """The chosen run beside the best measured one: of the game, and of the table at its budget."""
    mean = {m: float(np.mean([run[m] for run in measured.values()])) for m in decided.utility}
    best = max(mean, key=lambda m: mean[m])
    weights = kept.weights(decided.task)
    utility: dict[str, list[float]] = {}
    for run in kept.runs:
        if run.budget == decided.budget:
            utility.setdefault(run.name, []).append(float(run.final @ weights))
    line = f"{CHOSEN} is {100 * (mean[best] - mean[CHOSEN]):.1f} points below {best}, the best of the game"
    if not utility:
        return line
    top = max(utility, key=lambda name: np.mean(utility[name]))
    ahead = 100.0 * (mean[CHOSEN] - np.mean(utility[top]))
    return (
        f"{line}, and {ahead:+.1f} beside {top}, the best of the table at {decided.budget} tokens"
    )


def show_decided(console: Terminal, decided: Decided) -> None:
    """A line a method: utility foretold, shares of the first and the last decision."""
    table = Table("method", "utility foretold", "first shares", "last shares")
    for method, each in decided.utility.items():
        text = f"{100 * each.value:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]"
        rows = decided.shares[method]
        table.add_row(method, text, _percent(rows[0]), _percent(rows[-1]))
    console.print(table)


def _percent(shares: Array) -> str:
    return " ".join(f"{100 * share:.0f}" for share in shares)
