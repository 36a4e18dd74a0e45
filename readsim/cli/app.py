"""The command `readsim`."""

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from readsim.cli import allocators as allocator_command
from readsim.cli import compare as compare_command
from readsim.cli import worlds as world_command
from readsim.cli.common import Requirement, Seeds, Steps, World
from readsim.cli.run import run
from readsim.errors import ConfigError, ReadsimError
from readsim.runs.cell import PAPER_ALLOCATORS

app = typer.Typer(
    help="Which capability gets the next training tokens? Simulate it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Budgets = Annotated[str, typer.Option(help="Token budgets, separated by commas.")]

Tokens = Annotated[
    str | None, typer.Option(help="Tokens of each run, where no column `tokens` says it.")
]
Tolerance = Annotated[float, typer.Option(help="How far shares may sum from 1.")]


@app.command()
def compare(
    context: typer.Context,
    world: World = "read8-llama",
    tasks: Annotated[str | None, typer.Option(help="Tasks, separated by commas; all.")] = None,
    budgets: Budgets = "20M,150M",
    steps: Steps = 20,
    seeds: Seeds = "8",
    allocators: Annotated[
        str,
        typer.Option(help="NAME or module:Class, with +key=value settings; separated by commas."),
    ] = ",".join(PAPER_ALLOCATORS),
    jobs: Annotated[
        int | None,
        typer.Option(help="Parallel processes; as many as cores. Results do not change."),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="What runs the jobs: loky (processes), ray or dask.")
    ] = "loky",
    out: Annotated[
        Path, typer.Option(help="Folder for logs, tables, figures; results/suite with --suite.")
    ] = Path("results/compare"),
    requirement: Requirement = None,
    suite: Annotated[
        bool,
        typer.Option("--suite", help="All allocators on all presets and on drawn worlds."),
    ] = False,
) -> None:
    """Run allocators on the same seeds and compare them: table, results.csv, figures."""
    if not suite:
        compare_command.compare(
            world, tasks, budgets, steps, seeds, allocators, jobs, backend, out, requirement
        )
        return
    given = {name for name in context.params if _is_given(context, name)}
    if fixed := sorted(given & {"world", "tasks", "budgets", "steps", "requirement"}):
        raise ConfigError(
            f"--{fixed[0]}: --suite chooses its worlds, tasks, budgets, steps and requirements"
        )
    from readsim.cli.suite import compare_suite

    compare_suite(
        allocators if "allocators" in given else None,
        seeds if "seeds" in given else None,
        jobs,
        backend,
        out if "out" in given else Path("results/suite"),
    )


app.command()(run)


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was written on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
def worlds(
    name: Annotated[str | None, typer.Argument(help="Preset, file or random:...")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the world to this .toml or .json file.")
    ] = None,
) -> None:
    """List the preset worlds, or show one: names, transfer matrices, optimum, provenance."""
    world_command.worlds(name, save)


@app.command()
def allocators(
    name: Annotated[str | None, typer.Argument(help="Name or module:Class.")] = None,
) -> None:
    """List the allocators, or show one: its rule and its settings."""
    allocator_command.allocators(name)


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(help="A folder that `compare` wrote.")],
) -> None:
    """Draw the figures of a comparison again from its run logs."""
    compare_command.plot(folder)


@app.command()
def report(
    folder: Annotated[
        Path, typer.Argument(help="Of compare, distill, a suite, a study, or studies.")
    ],
) -> None:
    """One HTML page of what a folder holds: report.html, its tables as CSV, Markdown and LaTeX."""
    from readsim.report.build import report as write

    page, *tables = write(folder)
    console = Console()
    console.print(
        f"{page}, and {len(tables)} files of its tables in {folder / 'tables'}", markup=False
    )


@app.command()
def theory(
    worlds: Annotated[
        str | None, typer.Option(help="Worlds, with commas; all presets if not given.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Also measure the run logs in this folder.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Runs of ReAD a world: 4 or 3,7.")] = "4",
    out: Annotated[Path, typer.Option(help="Folder for theory.csv and figures.")] = Path(
        "results/theory"
    ),
) -> None:
    """Test the paper's statements: where each holds, where it fails, by how much."""
    from readsim.cli import theory as theory_commands

    theory_commands.theory(worlds, runs, seeds, out)


@app.command()
def fit(
    runs: Annotated[Path, typer.Argument(help="CSV of shares or token counts, or run logs.")],
    measured: Annotated[
        Path | None, typer.Argument(help="CSV of scores or losses, joined by key.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The world to write.")] = Path(
        "world.toml"
    ),
    sources: Annotated[str | None, typer.Option(help="Source columns: a,b,share_*.")] = None,
    targets: Annotated[str | None, typer.Option(help="Measured columns: c,d,*_loss.")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names the runs.")] = None,
    lower_is_better: Annotated[
        str | None, typer.Option(help="all, none or columns; by default those named loss.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Model size, if the file has several.")] = None,
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    seed: Annotated[int, typer.Option(help="Of restarts, folds and resamples.")] = 0,
) -> None:
    """Fit a world to measured runs: held-out errors, intervals, figures, and what is not known."""
    from readsim.cli import fit as fit_commands

    fit_commands.fit(
        runs,
        measured,
        out,
        sources=sources,
        target_columns=targets,
        key=key,
        lower=lower_is_better,
        size=size,
        tokens=tokens,
        tolerance=tolerance,
        seed=seed,
    )


@app.command()
def predict(
    world: Annotated[str, typer.Argument(help="A world that `fit` wrote.")],
    mixtures: Annotated[Path, typer.Argument(help="CSV of shares or token counts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV to write.")] = Path(
        "predictions.csv"
    ),
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    measured: Annotated[
        Path | None, typer.Option(help="CSV of what was measured: prints the errors.")
    ] = None,
) -> None:
    """Predict runs from their mixtures, in the units of the fitted measurements."""
    from readsim.cli import fit as fit_commands

    fit_commands.predict(
        world, mixtures, out, tokens=tokens, tolerance=tolerance, measured=measured
    )


def extend(to: typer.Typer) -> None:
    """Add the commands of installed packages: entry points `readsim.commands`, called with the app."""
    for point in sorted(entry_points(group="readsim.commands"), key=lambda p: p.name):
        point.load()(to)


def main() -> None:
    """Entry point: errors of ours are one message on stderr and exit code 2; ctrl-C is 130."""
    try:
        extend(app)
        app(prog_name="readsim")
    except ReadsimError as error:
        Console(stderr=True).print(
            f"[bold red]error:[/] {escape(str(error))}", markup=True, highlight=False
        )
        sys.exit(2)
