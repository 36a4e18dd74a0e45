"""`readsim worlds`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from readsim.cli.best import show_best
from readsim.cli.common import need_folder, need_target
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.files import suffix_of
from readsim.fitting.sealed import average_of
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import World, load_world, optimum, preset_names, save_world
from readsim.worlds.effects_csv import parse_scores, world_from_csv
from readsim.worlds.prior import load_prior
from readsim.worlds.prior.ranges import ALWAYS, BROAD, FIELDS, Field, write_prior
from readsim.worlds.told import (
    beyond_the_table,
    invented_tasks,
    notes_to_read,
    shown_budgets,
    task_rows,
    term_rows,
)

TABLES = (".csv", ".tsv")  # of effects
SHOWN = 16  # sources and capabilities
OUT = Path("world-report")


def worlds(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The world is a preset, a file or random:...; `prior` or prior=FILE shows a "
            "prior over worlds."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="The world is written to this .toml or .json file; a prior is written to a .toml file."
        ),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            help="The effects in a .csv were measured after this many tokens on a source."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="The scores before training, which a .csv of effects lacks, are these: one "
            "number, or one for each capability, separated by commas."
        ),
    ] = None,
    ceiling: Annotated[
        str | None,
        typer.Option(
            help="The teacher's scores, which a .csv of effects lacks, are these: one number, or "
            "one for each capability, separated by commas."
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="The numbers in a .csv of effects are points, shares or relative."),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="An HTML report on the world is written, and a page with sliders for the mixture.",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The report goes into this folder.")
    ] = OUT,
    task: Annotated[
        str | None,
        typer.Option(
            help="The best mixture for this task is shown, or the report covers it: a name, or weights "
            "(math=0.7,code=0.3).",
            show_default="all in the report, else average",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="The best mixture of these token budgets is shown, or the report covers them: 20M,150M.",
            show_default="those that suit the world",
        ),
    ] = None,
) -> None:
    """List the preset worlds, or show one world or a prior.

    It prints the names, transfer matrices, optimum and provenance of a world, or the ranges of a prior, of
    which `random:prior=broad,seed=3` is one world. --task or --budget show the best mixture beside uniform
    and the nearest measured run of a fit. --report writes report.html, with curves, transfer, optimum and
    costs, and sliders.html, where predictions follow the shares that you move.
    """
    facts = {"tokens": tokens, "start": start, "ceiling": ceiling, "unit": unit}
    given = {key: value for key, value in facts.items() if value is not None}
    console = Terminal()
    asked = {"out": out != OUT, "task": task is not None, "budget": budget is not None}
    if asked["out"] and not report:
        raise ConfigError("--out needs --report")
    words = [word for word, is_given in {"report": report, **asked}.items() if is_given]
    if name is None:
        words += ["save"] if save is not None else list(given)
        if words:
            raise ConfigError(f"--{words[0]} needs the name of a world")
        _list_presets(console)
        return
    if not given and name.partition("=")[0] == "prior":
        if words:
            raise ConfigError(f"--{words[0]} is for a world, not for a prior")
        _show_prior(console, name.partition("=")[2] or BROAD, save)
        return
    world = _from_effects(name, given) if given else load_world(name)
    if save is not None:
        need_target(save)
        if suffix_of(name) in TABLES:
            world = world.replace(name=save.stem)  # a table has no name of its own
        save_world(world, save)
        console.print(f"saved {world.name} to {save}")
    if report:
        _write_report(console, world, Path(name), out, task, budget)
    if save is not None or report:
        return
    if words:
        _show_best(console, world, name, task, budget)
        return
    show_world(console, world)


def _list_presets(console: Console) -> None:
    table = Table("world", "S", "K", "dynamics", "about")
    for preset in preset_names():
        world = load_world(preset)
        s, k = world.shape
        kind = ", ".join((world.dynamics, *world.terms))
        table.add_row(preset, str(s), str(k), kind, world.description)
    console.print(table)


def _show_best(
    console: Console, world: World, name: str, task: str | None, budget: str | None
) -> None:
    """The best mixture for one task at each budget."""
    average, note = average_of(world, name)
    if note:
        console.print(note, highlight=False)
    for amount in _budgets(budget) or shown_budgets(world):
        show_best(console, world, average, world.task(task or "average"), amount)
        _print_if_any(console, beyond_the_table(world, amount))


def _from_effects(name: str, given: dict[str, Any]) -> World:
    """The world of a .csv of effects with what was said of them on the command line."""
    if suffix_of(name) not in TABLES:
        raise ConfigError(f"--{next(iter(given))} is for a .csv of effects, not for {name!r}")
    for key in ("start", "ceiling"):
        if key in given:
            given[key] = parse_scores(given[key], f"--{key}")
    return world_from_csv(name, **given)


def _write_report(
    console: Console, world: World, source: Path, out: Path, task: str | None, budget: str | None
) -> None:
    from readsim.report.world.report import world_report

    need_folder(out)
    need_target(out / "report.html")
    beside = source.with_name(f"{source.stem}.effects.csv") if source.suffix else None
    page, sliders, *tables = world_report(
        world,
        out,
        tasks=None if task is None else [task],
        budgets=_budgets(budget),
        effects=beside if beside is not None and is_fitted(world) and beside.is_file() else None,
    )
    console.print(f"{page}, {sliders}, and {len(tables)} files of its tables in {out / 'tables'}")


def _budgets(text: str | None) -> list[int] | None:
    """`20M,150M`."""
    return None if text is None else [parse_tokens(b) for b in text.split(",")]


def is_fitted(world: World) -> bool:
    """Whether `readsim fit` wrote the world."""
    return "held_out_rmse" in world.provenance


def _show_prior(console: Console, named: str, save: Path | None) -> None:
    """The ranges of a prior, part by part; or a copy of its file, to be changed."""
    prior = load_prior(named)
    if save is not None:
        need_target(save)
        write_prior(named, save)
        console.print(f"saved {prior.name} to {save}; its worlds are random:prior={save},seed=...")
        return
    console.print(Text.assemble((prior.name, "bold"), f": {prior.description}"))
    console.print(f"tokens count in budgets of {show_tokens(prior.budget)}")
    table = Table("part", "range", "what it is, and what it is drawn from")
    for name, part in prior.parts.items():
        share = "" if name in ALWAYS else f" of {part.share:.0%} of worlds"
        table.add_section()
        table.add_row(Text(name, "bold") + share, "", part.fact)
        for key, field in FIELDS[name].items():
            about = field.about if isinstance(field, Field) else "how often each is drawn"
            table.add_row(f"  {key}", str(part.ranges.get(key) or part.choices[key]), about)
    console.print(table)


def show_world(console: Console, world: World) -> None:
    """Names, bounds, tasks, one-hot effects and optima of a world."""
    console.print(Text.assemble((world.name, "bold"), f": {world.description}"))
    console.print(f"dynamics {world.dynamics}, link {world.link}")
    table = Table("capability", "start", "floor", "ceiling", "probe items", "shown")
    for j, capability in enumerate(world.capabilities):
        numbers = [f"{v[j]:.4g}" for v in (world.start, world.floor, world.ceiling)]
        shown = "no" if capability in world.hidden else "yes"
        table.add_row(capability, *numbers, f"{world.items[j]:g}", shown)
    console.print(table)
    if world.terms:
        table = Table("field", "where it is on", title="terms of real runs")
        for row in term_rows(world):
            table.add_row(*row)
        console.print(table)
    if max(world.shape) > SHOWN:
        console.print(
            f"tasks, effects and optima are shown of at most {SHOWN} sources and capabilities; "
            "`readsim.optimum(world, task, budget)` finds one"
        )
    else:
        table = Table("task", "what it requires")
        for row in task_rows(world, map(world.task, world.task_names)):
            table.add_row(*row)
        console.print(table)
        _print_if_any(console, invented_tasks(world, world.task_names))
        for budget in shown_budgets(world):
            _show_at(console, world, budget)
    for key, text in notes_to_read(world.provenance).items():
        console.print(Text.assemble((key, "bold"), f": {text}"))


def _show_at(console: Console, world: World, budget: float) -> None:
    """One-hot effects and optima at a budget."""
    from readsim.summary.show import fixed

    unit = "points" if world.is_score else "hundredths"
    table = Table(title=f"one-hot effects of {show_tokens(budget)} tokens, {unit}")
    for column in ("source", *world.capabilities):
        table.add_column(column, justify="left" if column == "source" else "right")
    for source, row in zip(world.sources, world.transfer_matrix(budget), strict=True):
        table.add_row(source, *(fixed(100 * v, 1) for v in row))
    console.print(table)
    _print_if_any(console, beyond_the_table(world, budget))
    table = Table(
        title=f"best static allocation of {show_tokens(budget)} tokens, utility in {unit}"
    )
    for column in ("task", "utility", "method", "allocation"):
        table.add_column(column)
    for name in world.task_names:
        best = optimum(world, world.task(name), budget)
        ranked = sorted(zip(best.allocation, world.sources, strict=True), reverse=True)
        parts = ", ".join(f"{s} {100 * a:.0f}%" for a, s in ranked if a >= 0.005)
        table.add_row(name, fixed(100 * best.utility, 2), best.method, parts)
    console.print(table)


def _print_if_any(console: Console, sentence: str) -> None:
    if sentence:
        console.print(sentence, highlight=False)
