"""`readsim theory`: a table of statements, where each holds and where it fails, and figures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from readsim.allocators.registry import load_allocator
from readsim.cli.common import (
    LowerIsBetter,
    Size,
    Sources,
    Targets,
    need_target,
    parse_list,
    parse_seeds,
    progress,
)
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.cli.theory_tables import badness, show, tested_at
from readsim.envs.episode import source_prior
from readsim.errors import ConfigError, unknown
from readsim.fitting.table import Options
from readsim.theory import all_checks as survey
from readsim.theory import marginals
from readsim.theory.calibration import coverage
from readsim.theory.controls import check_controls
from readsim.theory.regret import cumulative
from readsim.theory.result import PaperStatement, Result
from readsim.theory.runs import TESTS, MeasuredRun, measured_runs
from readsim.theory.statement import check_own_controls, load_statement
from readsim.token_counts import parse_tokens
from readsim.tree_file import write_frame
from readsim.worlds import World, load_world, optimum, preset_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KAPPAS = np.linspace(0.0, 8.0, 41)
TOY = "toy"


def theory(
    worlds: Annotated[
        str | None,
        typer.Option(
            help="These worlds are tested, separated by commas; `toy` is a small neural network.",
            show_default="all presets and toy, or none with --runs",
        ),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            help="These tasks of each world are tested: first, all, or names separated by commas."
        ),
    ] = "first",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Worlds are tested up to this many tokens, or up to their horizon where that is less.",
            show_default="the horizon of each world, 20M where it has none",
        ),
    ] = None,
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
    sources: Sources = None,
    targets: Targets = None,
    lower_is_better: LowerIsBetter = None,
    size: Size = None,
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

    Controls come first, which are worlds and runs where a statement is true or false by construction.
    For each statement it prints by how much it holds or fails; theory.csv and figures are written.
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
    usual = [] if runs is not None else [*preset_names(), TOY]
    asked = usual if worlds is None else parse_list(worlds, "worlds") or []
    names = list(dict.fromkeys(asked))
    # unknown names are refused before anything runs
    loaded = told_apart([name for name in names if name != TOY])
    measured = {world.name: survey.chosen_tasks(world, tasks) for world in loaded}
    tokens = None if budget is None else float(parse_tokens(budget))
    load_allocator(allocator)
    own = [load_statement(target) for target in parse_list(statements, "statements") or []]
    chosen = parse_seeds(seeds)
    lower = parse_list(lower_is_better, "lower-is-better")
    options = _options(
        runs, parse_list(sources, "sources"), parse_list(targets, "targets"), lower, size
    )
    need_target(out / "theory.csv")
    lacking: list[str] = []
    if own and not loaded and wanted is None:
        lacking.append("statements of your own: they are tested on worlds (--worlds)")
    results: list[Result] = []
    of_runs: list[Result] = []
    read = [] if runs is None else _read_runs(runs, lacking, options, console)
    kept = "nothing is written before the end: run it again"
    with interruptible(kept), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("subjects", total=len(names) + 1)
        controls = list(check_controls(wanted, worlds=bool(names), runs=runs is not None))
        for mine in own if names and (wanted is None or survey.OWN in wanted) else []:
            controls += check_own_controls(mine)
        bar.advance(job)
        if runs is not None:
            tests = bar.add_task(
                "tests of runs", total=len({run.task for run in read}) * len(TESTS)
            )
            of_runs += survey.check_run_statements(
                read, runs.name, lacking.append, wanted, lambda: bar.advance(tests)
            )
            bar.update(tests, completed=bar.tasks[tests].total)
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
                    budget=tokens,
                )
                if isinstance(subject, World)
                else survey.check_toy_statements(lacking.append, wanted)
            )
            bar.advance(job)
    told = tested_at(loaded, measured, tokens)
    show(console, controls, results, of_runs, told, lacking)
    results = [*of_runs, *results]
    if not results:
        return
    out.mkdir(parents=True, exist_ok=True)
    write_frame(out / "theory.csv", pd.DataFrame([r.row() for r in [*controls, *results]]))
    with sober():
        count = len(draw(results, out, _origin(names, runs)))
        shown = wanted is None or PaperStatement.MARGINAL_GAINS in wanted
        for world in [w for w in loaded if w.order_free][:shown]:
            figure = _marginals(world, survey.world_budget(world, tokens))
            count += len(save(figure, out / "marginals"))
    console.print(
        f"{len(controls) + len(results)} rows are in {out / 'theory.csv'}{os.linesep}"
        f"{count} figure files are in {out}",
    )


def _options(
    runs: Path | None,
    sources: Sequence[str] | None,
    targets: Sequence[str] | None,
    lower: Sequence[str] | None,
    size: str | None,
) -> Options | None:
    """How the table of `--runs` is read; None where nothing is said of it."""
    options = Options(sources=sources, targets=targets, lower=lower, size=size)
    if options == Options():
        return None
    if runs is None:
        raise ConfigError(
            "--sources, --targets, --lower-is-better and --size describe the table of --runs: give it too"
        )
    return options


def _read_runs(
    path: Path, lacking: list[str], options: Options | None, console: Terminal
) -> list[MeasuredRun]:
    """The runs, with a line for all that was found in them."""

    def said(text: str) -> None:
        console.print(f"{path.name}: {text}", highlight=False)

    return measured_runs(path, lacking.append, said, options)


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
        worst = max(rules, key=badness)
        summed = cumulative(worst.detail["decisions"])
        about = f"{where}: {worst.subject}. Mean of {len(summed.regret)} runs and their range"
        paths += save(draw_regret(summed.regret, summed.bound, about), out / "regret")
    return paths


def _marginals(world: World, budget: float) -> "Figure":
    """KKT equalisation: marginal gains at the optimum, at the requirement, and uniform."""
    from readsim.plots.theory import draw_marginals

    task = world.task(world.task_names[0])
    prior = source_prior(task.requirement, world.visible, world.sources)
    best = optimum(world, task, budget)
    s = len(world.sources)
    splits = {"optimum": best.allocation, "task-static": prior, "uniform": np.full(s, 1.0 / s)}
    slopes = {n: (w, marginals.marginals(world, task, w * budget)[0]) for n, w in splits.items()}
    return draw_marginals(
        world.sources, slopes, best.multiplier, f"Simulated world {world.name}, {task.name}"
    )
