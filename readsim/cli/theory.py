"""`readsim theory`: a table of statements, where each holds and where it fails, and figures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Column, Table

from readsim.allocators.registry import load_allocator
from readsim.cli.common import need_target, parse_list, parse_seeds, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.episode import source_prior
from readsim.errors import ConfigError, unknown
from readsim.theory import all_checks as survey
from readsim.theory import marginals
from readsim.theory.calibration import coverage
from readsim.theory.controls import check_controls
from readsim.theory.regret import cumulative
from readsim.theory.result import PaperStatement, Result, Verdict
from readsim.theory.statement import check_own_controls, load_statement
from readsim.theory.witness import kappa_text
from readsim.tree_file import write_frame
from readsim.worlds import World, load_world, optimum, preset_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KAPPAS = np.linspace(0.0, 8.0, 41)
TOY = "toy"
SHOWN = 4  # subjects named in a cell of the table


def theory(
    worlds: Annotated[
        str | None,
        typer.Option(
            help="These worlds are tested, separated by commas; `toy` is a small neural network.",
            show_default="all presets and toy",
        ),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            help="These tasks of each world are tested: first, all, or names separated by commas."
        ),
    ] = "first",
    allocator: Annotated[
        str,
        typer.Option(
            help="The predictions of this allocator are tested: read, linucb, thompson, or "
            "module:Class with a method outlook()."
        ),
    ] = "read",
    statements: Annotated[
        str | None,
        typer.Option(
            help="Statements of your own are tested too: module:NAME, separated by commas."
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only these statements are tested, separated by commas; `own` stands for those of "
            f"--statements, and `list` shows the names: {', '.join(survey.NAMES)}.",
            show_default="all",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            help="The run logs in this folder, or a table (.csv) as `readsim fit` reads it, are tested too."
        ),
    ] = None,
    seeds: Annotated[
        str,
        typer.Option(
            help="The allocator is run with this many seeds in each world, or with the seeds listed: 3,7."
        ),
    ] = "4",
    out: Annotated[
        Path, typer.Option(help="theory.csv and the figures go into this folder.")
    ] = Path("results/theory"),
) -> None:
    """Test where the paper's statements hold and where they fail.

    Controls come first, which are worlds where a statement is true or false by construction. For each
    statement it prints by how much it holds or fails; theory.csv and figures are written.
    """
    import pandas as pd

    from readsim.plots.style import save, sober

    console = Terminal()
    if only == "list":
        for name, statement in survey.NAMES.items():
            said = "those of --statements" if name == survey.OWN else statement
            console.print(f"{name:18} {said}", highlight=False)
        return
    wanted = chosen_statements(only, statements is not None)
    asked = [*preset_names(), TOY] if worlds is None else parse_list(worlds, "worlds") or []
    names = list(dict.fromkeys(asked))
    # unknown names are refused before anything runs
    loaded = told_apart([name for name in names if name != TOY])
    measured = {world.name: survey.chosen_tasks(world, tasks) for world in loaded}
    load_allocator(allocator)
    own = [load_statement(target) for target in parse_list(statements, "statements") or []]
    chosen = parse_seeds(seeds)
    need_target(out / "theory.csv")
    lacking: list[str] = []
    results: list[Result] = []
    kept = "nothing is written before the end: run it again"
    with interruptible(kept), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("subjects", total=len(names) + 1 + (runs is not None))
        controls = list(check_controls(wanted))
        for mine in own if wanted is None or survey.OWN in wanted else []:
            controls += check_own_controls(mine)
        bar.advance(job)
        if runs is not None:
            results += survey.check_run_statements(runs, lacking.append, wanted)
            bar.advance(job)
        for subject in [*loaded, *([TOY] if TOY in names else [])]:
            results += (
                survey.check_world_statements(
                    subject,
                    chosen,
                    lacking.append,
                    tasks=tasks,
                    allocator=allocator,
                    own=own,
                    only=wanted,
                )
                if isinstance(subject, World)
                else survey.check_toy_statements(lacking.append, wanted)
            )
            bar.advance(job)
    console.print(overview(controls, "controls"))
    console.print(overview(results, "subjects"))
    for text in [*advice(results), *kappas(results)]:
        console.print(text, highlight=False)
    if measured:
        counts = {w.name: f"{len(measured[w.name])} of {len(w.task_names)}" for w in loaded}
        said = ", ".join(f"{n} {count}" for n, count in counts.items())
        console.print(f"tasks measured: {said}", highlight=False)
    for text in lacking:
        console.print(f"not measured: {text}", highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    write_frame(out / "theory.csv", pd.DataFrame([r.row() for r in [*controls, *results]]))
    with sober():
        count = len(draw(results, out, _origin(names, runs)))
        shown = wanted is None or PaperStatement.MARGINAL_GAINS in wanted
        for world in [w for w in loaded if w.order_free][:shown]:
            count += len(save(_marginals(world), out / "marginals"))
    console.print(
        f"{len(controls) + len(results)} rows are in {out / 'theory.csv'}{os.linesep}"
        f"{count} figure files are in {out}",
    )


def chosen_statements(only: str | None, own: bool) -> list[str] | None:
    """The statements that `--only` names, None for all. Raises UnknownNameError, ConfigError."""
    names = parse_list(only, "only")
    for name in names or []:
        if name not in survey.NAMES:
            raise unknown("statement (--only)", name, [*survey.NAMES, "list"])
        if name == survey.OWN and not own:
            raise ConfigError("--only own: give your statements by --statements module:NAME")
    return None if names is None else [survey.NAMES[name] for name in names]


def told_apart(names: Sequence[str]) -> list[World]:
    """The worlds; those that share a name, such as a copy of a saved one, are called by what was typed."""
    worlds = [load_world(name) for name in names]
    held = [world.name for world in worlds]
    return [
        world.replace(name=name) if held.count(world.name) > 1 else world
        for name, world in zip(names, worlds, strict=True)
    ]


def overview(results: Sequence[Result], title: str) -> Table:
    """One row per statement: subjects by verdict, and the subject farthest on the wrong side.

    Names are folded, not cut. A subject with several tasks says at how many of them.
    """
    heads = ("statement", "holds", "fails", "undecided", "worst: statistic, bound, size, where")
    table = Table(*(Column(head, overflow="fold") for head in heads), title=title, show_lines=True)
    for statement in dict.fromkeys(r.statement for r in results):
        rows = [r for r in results if r.statement == statement]
        worst = max(rows, key=_badness)
        sign = (
            "" if worst.interval is None else f" [{worst.interval[0]:.3g}, {worst.interval[1]:.3g}]"
        )
        size = ""
        if worst.effect is not None:
            where = f", {worst.effect.where}" if worst.effect.where else ""
            size = f"; {worst.effect.size:.3g} {worst.effect.unit}{where}"
        table.add_row(
            statement,
            *(_named(rows, verdict) for verdict in Verdict),
            f"{worst.subject}: {worst.statistic:.3g}{sign} {worst.sense} {worst.bound:.3g}{size}",
        )
    return table


def advice(results: Sequence[Result]) -> list[str]:
    """What follows where a statement does not hold: one line a statement, of its worst subject."""
    lines = []
    for statement in dict.fromkeys(r.statement for r in results):
        rows = [r for r in results if r.statement == statement and r.verdict is not Verdict.HOLDS]
        if rows and (worst := max(rows, key=_badness)).advice:
            lines.append(f"{statement}, {worst.subject}: {worst.advice}")
    return lines


def kappas(results: Sequence[Result]) -> list[str]:
    """Which kappa the rule stated, or which was inferred, in all worlds together; nothing without runs."""
    rules = [r for r in results if r.statement == PaperStatement.STEP_REGRET]
    decisions = [d for r in rules for d in r.detail["decisions"]]
    return [f"kappa: {kappa_text(decisions)}"] if decisions else []


def _badness(r: Result) -> float:
    gap = r.statistic - r.bound if r.sense == "<=" else r.bound - r.statistic
    return -np.inf if np.isnan(gap) else gap


def _named(rows: Sequence[Result], verdict: Verdict) -> str:
    names = []
    for subject in dict.fromkeys(r.subject for r in rows):
        own = [r for r in rows if r.subject == subject]
        count = sum(r.verdict is verdict for r in own)
        if count:
            names.append(subject if len(own) == 1 else f"{subject} ({count} of {len(own)})")
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _origin(names: Sequence[str], runs: Path | None) -> str:
    worlds = ["simulated worlds"] if set(names) - {TOY} else []
    toy = ["the toy network, which is trained"] if TOY in names else []
    said = "; ".join([*worlds, *toy, *([] if runs is None else [f"the run logs of {runs.name}"])])
    return said[:1].upper() + said[1:]


def draw(results: Sequence[Result], out: Path, where: str) -> list[Path]:
    """`orders` (superposition and order effects), `coverage` (of q against kappa), and `regret`, summed over
    the steps, of the subject on the wrong side of its bound by most."""
    from readsim.plots.style import save
    from readsim.plots.theory import Ladder, draw_coverage, draw_ladders, draw_regret

    titles = {
        PaperStatement.LINEAR_UPDATES: "superposition of updates (Assumption 4.1)",
        PaperStatement.LOCAL_TRANSFER: "superposition of scores (Proposition 4.3)",
        PaperStatement.ORDER_EFFECTS: "order effects",
    }
    ladders = {
        title: {
            r.subject: Ladder(
                np.asarray(r.detail["steps"]) / np.max(r.detail["steps"]),
                np.max(r.detail["residuals"], axis=1),
                f"{r.statistic:.2f}",
            )
            for r in results
            if r.statement == statement
        }
        for statement, title in titles.items()
    }
    paths = []
    if shown := {title: lines for title, lines in ladders.items() if lines}:
        note = (
            "The largest over allocations or pairs of sources; behind each name its observed order."
        )
        paths += save(draw_ladders(shown, where, note), out / "orders")
    beliefs = [r for r in results if r.statement == PaperStatement.CALIBRATED]
    many = len({r.subject for r in beliefs}) < len(beliefs)
    curves = {
        (f"{r.subject}, {r.task}" if many else r.subject): np.array(
            [coverage(r.detail["error"], r.detail["sigma"], k) for k in KAPPAS]
        )
        for r in beliefs
    }
    if curves:
        paths += save(draw_coverage(curves, KAPPAS, 0.1, where), out / "coverage")
    if rules := [r for r in results if r.statement == PaperStatement.STEP_REGRET]:
        worst = max(rules, key=_badness)
        summed = cumulative(worst.detail["decisions"])
        about = f"{where}: {worst.subject}. Mean of {len(summed.regret)} runs and their range"
        paths += save(draw_regret(summed.regret, summed.bound, about), out / "regret")
    return paths


def _marginals(world: World) -> "Figure":
    """KKT equalisation: marginal gains at the optimum, at the requirement, and uniform."""
    from readsim.plots.theory import draw_marginals

    task = world.task(world.task_names[0])
    budget = float(min(survey.BUDGET, world.horizon))
    prior = source_prior(task.requirement, world.visible, world.sources)
    best = optimum(world, task, budget)
    s = len(world.sources)
    splits = {"optimum": best.allocation, "task-static": prior, "uniform": np.full(s, 1.0 / s)}
    slopes = {n: (w, marginals.marginals(world, task, w * budget)[0]) for n, w in splits.items()}
    return draw_marginals(
        world.sources, slopes, best.multiplier, f"Simulated world {world.name}, {task.name}"
    )
