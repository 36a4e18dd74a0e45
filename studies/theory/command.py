"""How often does the implemented ReAD break calibration and the 2 kappa sigma bound; what do repairs cost?

Runs ReAD and its repairs with the same seeds in four worlds at two budgets, compares its beliefs with
the noise-free truth at every candidate, and pairs the final utilities with those of the default.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from readsim.allocators.read.allocator import ReAD
from readsim.allocators.read.ensemble import EnsembleConfig
from readsim.arrays import Array
from readsim.cli.common import need_target, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.stats.intervals import half_width
from readsim.streams import checked_seeds
from readsim.theory import calibration, regret
from readsim.theory.witness import watch
from readsim.tree_file import write_frame
from readsim.worlds import load_world
from studies.theory.levels import DESIGNS, TRUTHS, levels

WORLDS = ("read8-llama", "conflict", "gateway", "nano-measured")
BUDGETS = (20_000_000, 150_000_000)
DEFAULT = "default (floor .05)"
VARIANTS: dict[str, dict[str, Any]] = {
    "no floor": {"ensemble": EnsembleConfig(sigma_floor=0.0)},
    DEFAULT: {},
    "floor .5": {"ensemble": EnsembleConfig(sigma_floor=0.5)},
    "residual": {"repair": "residual"},
    "conformal": {"repair": "conformal"},
    "kappa fixed": {"kappa_decay": 1.0},
    "conformal, kappa fixed": {"repair": "conformal", "kappa_decay": 1.0},
}


def measure(
    world: str, budget: int, variant: str, seeds: list[int]
) -> tuple[dict[str, Any], Array]:
    """One row of the table, and the final utilities (N,)."""
    loaded = load_world(world)
    envs = [DistillEnv(loaded, None, budget) for _ in seeds]
    decisions, rows = watch(envs, ReAD(**VARIANTS[variant]), seeds)
    covered = calibration.check(decisions, world)
    broken, general = regret.check(decisions, world)
    utility = np.array([row["utility"] for row in rows if row["kind"] == "final"])
    row = {
        "world": world,
        "budget": budget,
        "variant": variant,
        "coverage": covered.detail["pairs"],
        "runs covered": covered.statistic,
        "beta": covered.detail["beta"],
        "broken": broken.detail["steps"],
        "runs broken": broken.statistic,
        "general excess": general.statistic,
        "regret": 100 * float(np.mean(broken.detail["regret"])),
        "claimed": 100 * float(np.mean(broken.detail["claimed"])),
        "utility": 100 * float(utility.mean()),
    }
    return row, utility


def _levels(logs: int, out: Path) -> None:
    need_target(out / "levels.csv")
    with interruptible("nothing is written before the end"), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("truths", total=len(TRUTHS) * len(DESIGNS))
        table = levels(logs, lambda: bar.advance(job))
    write_frame(out / "levels.csv", table)
    Terminal().print(table.round(3).to_string(), soft_wrap=True)
    Terminal().print(f"levels.csv is in {out}")


def main(
    runs: Annotated[
        int, typer.Option("--seeds", help="Each world, budget and variant has this many runs.")
    ] = 8,
    logs: Annotated[
        int,
        typer.Option(
            help="The level and power of the tests on logs are measured instead, with this many "
            "logs for each truth."
        ),
    ] = 0,
    out: Annotated[Path, typer.Option(help="The table goes into this folder.")] = Path(
        "results/theory-study"
    ),
) -> None:
    """How often does ReAD break its bounds, and what do repairs cost?"""
    if logs:
        _levels(logs, out)
        return
    if runs < 2:
        raise ConfigError(f"--seeds {runs}: at least 2")
    need_target(out / "repairs.csv")
    console, seeds = Terminal(), checked_seeds(runs, "--seeds")
    rows = []
    # a horizon below both budgets is one cell, not two
    cells = list(
        dict.fromkeys((w, int(min(b, load_world(w).horizon))) for w in WORLDS for b in BUDGETS)
    )
    with interruptible("nothing is written before the end"), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("runs", total=len(cells) * len(VARIANTS))
        for world, budget in cells:
            found = {}
            for variant in VARIANTS:
                found[variant] = measure(world, budget, variant, seeds)
                bar.advance(job)
            for row, utility in found.values():
                gain = 100 * (utility - found[DEFAULT][1])
                rows.append(
                    {**row, "vs default": float(gain.mean()), "half width": float(half_width(gain))}
                )
    table = pd.DataFrame(rows)
    write_frame(out / "repairs.csv", table)
    mean = table.groupby("variant", sort=False)[
        ["coverage", "runs covered", "broken", "runs broken", "regret", "claimed", "vs default"]
    ].mean()
    console.print(table.round(3).to_string(), soft_wrap=True)
    console.print(mean.round(3).to_string(), soft_wrap=True)
    console.print(f"repairs.csv is in {out}")
