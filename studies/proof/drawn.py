"""Sixty-four worlds that nobody tuned on: drawn from both families, and fitted to real tables."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from readsim.arrays import Array
from readsim.cli.common import Seeds, parse_seeds, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.cli.suite import report
from readsim.fitting.cross_validation import first_choice
from readsim.fitting.law import fit_law
from readsim.runs.cell import PAPER_BUDGETS
from readsim.runs.parallel import checked_jobs
from readsim.suite.plan import Comparison, make_plan
from readsim.suite.run import run_suite
from readsim.suite.scores import Scores, read_scores
from readsim.suite.table import suite_table
from readsim.worlds import World, save_world
from studies.common.claim import judge
from studies.common.options import Folder
from studies.common.show import show_verdicts
from studies.proof.claims import BASELINE, DRAWN_CLAIMS, FAMILIES
from studies.real_runs.held import KEPT
from studies.real_runs.rows import read_table

SEED = 77_000  # of the first drawn world of each family
COUNT = {"broad": 41, "random": 16}  # and seven fitted ones
ALLOCATORS = ("uniform", "one-hot", BASELINE, *(c.id for c in DRAWN_CLAIMS), "oracle-greedy")


def main(
    data: Annotated[
        Path | None, typer.Option(help="Public tables are in this folder: admire, aioli, regmix.")
    ] = None,
    seeds: Seeds = "3",
    jobs: Annotated[int, typer.Option(help="This many processes work in parallel.")] = 1,
    out: Folder = Path("results/drawn"),
) -> None:
    """Run the allocators on every world, then compare them family by family."""
    console = Terminal()
    worlds = {
        "broad": [f"random:prior=broad,seed={SEED + n}" for n in range(COUNT["broad"])],
        "random": [f"random:seed={SEED + n}" for n in range(COUNT["random"])],
        "fitted": fitted_worlds(data, out / "fitted"),
    }
    if data is None:
        console.print("without --data the worlds of RegMix, ADMIRE and Aioli are left out")
    everything = [world for family in FAMILIES for world in worlds[family]]
    plan = make_plan(ALLOCATORS, worlds=everything, seeds=parse_seeds(seeds))
    cells = sum(len(comparison.cells) for comparison in plan)
    with interruptible(f"finished runs are in {out}"), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("cells", total=cells)
        troubles = run_suite(
            plan, out, jobs=checked_jobs(jobs), on_cell=lambda *_: bar.advance(job)
        )
    report(console, plan, out, troubles, explain=False)
    for family in FAMILIES:
        part = [comparison for comparison in plan if comparison.world in worlds[family]]
        show_family(console, family, part, out)


def fitted_worlds(data: Path | None, folder: Path) -> list[str]:
    """World files in `folder`, made by the law of `readsim fit`: of both real pairs and, with `data`, Aioli's
    graphs, RegMix at two sizes and ADMIRE."""
    made: dict[str, World] = {}
    for pair in ("nano", "micro"):
        table = read_table(KEPT / f"{pair}.csv")
        tokens = np.array([run.tokens.sum(axis=0) for run in table.runs])
        final = np.array([run.final for run in table.runs])
        made[f"fit-{pair}"] = _fit(tokens, final, table.sources, table.capabilities, scores=True)
    if data is not None:
        made |= _public(data)
    folder.mkdir(parents=True, exist_ok=True)
    for name, world in made.items():
        save_world(world.replace(name=name), folder / f"{name}.toml")
    return [str(folder / f"{name}.toml") for name in made]


def _public(data: Path) -> dict[str, World]:
    from studies.admire.command import TOKENS
    from studies.admire.data import CAPABILITIES
    from studies.admire.data import load as load_admire
    from studies.aioli.graphs import FILE, fit
    from studies.aioli.graphs import load as load_graphs
    from studies.regmix.data import load as load_regmix

    out = {"fit-aioli": fit(load_graphs(data / "aioli" / FILE.name)).world}
    for size, runs in load_regmix(data / "regmix").items():
        out[f"fit-regmix-{size}"] = _fit(
            runs.tokens, runs.profiles, runs.sources, runs.capabilities, scores=False
        )
    for path in sorted((data / "admire").glob("*.csv")):
        sources, shares, scores = load_admire(path)
        name = f"fit-admire-{path.stem}"
        out[name] = _fit(shares * TOKENS, scores, sources, tuple(CAPABILITIES), scores=True)
    return out


def _fit(
    tokens: Array,
    profiles: Array,
    sources: tuple[str, ...],
    capabilities: tuple[str, ...],
    *,
    scores: bool,
) -> World:
    total = tokens.sum(axis=1).max()
    world = fit_law(
        tokens
        * min(1.0, max(PAPER_BUDGETS) / total),  # so that the suite's budgets lie among the rows
        profiles,
        sources=sources,
        capabilities=capabilities,
        scores=scores,
        choice=first_choice(len(sources), scores=scores),
        folds=0,
    ).world
    return world.replace(horizon=float(min(total, max(PAPER_BUDGETS))))


def differences(scores: Scores) -> dict[str, Array]:
    """Allocator -> mean difference to task-static of each world it ran on, points (W,)."""
    worlds, out = np.array(scores.worlds), {}
    for name, each in zip(scores.allocators, scores.difference, strict=True):
        mean = each.mean(axis=0)
        by_world = np.array([mean[worlds == world].mean() for world in dict.fromkeys(worlds)])
        out[name] = by_world[np.isfinite(by_world)]
    return out


def show_family(console: Terminal, family: str, plan: list[Comparison], out: Path) -> None:
    """Verdicts on the claims, and interquartile means of scores."""
    scores = read_scores(plan, out)
    found = differences(scores)
    verdicts = [judge(c, family, found[c.id]) for c in DRAWN_CLAIMS if len(found[c.id])]
    show_verdicts(console, f"{family}: {len(plan)} worlds, minus {BASELINE}", verdicts)
    for row in suite_table(scores).to_dict("records"):
        interval = f"[{row['iqm_low']:.2f}, {row['iqm_high']:.2f}]"
        beside = f"ahead of {BASELINE} {row['over_task_static']:.2f}"
        worst = f"worst {row['worst']:+.1f} in {row['worst_case']}"
        console.print(
            f"{row['allocator']}: IQM {row['iqm']:.2f} {interval}, {beside}, {worst}",
            highlight=False,
        )
