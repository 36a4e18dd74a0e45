"""`readsim distill`, `plan` and `models`: options only; loads nothing heavy until a command runs."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.errors import ConfigError
from readsim_hf import missing_dependencies
from readsim_hf.cli.options import Chosen, Text, with_run_options

models = typer.Typer(help="Models and benchmarks for real distillation.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to readsim's own; called through the entry-point group `readsim.commands`."""
    app.command()(distill)
    app.command()(plan)
    app.add_typer(models, name="models")


def _need_extra() -> None:
    if missing := missing_dependencies():
        raise ConfigError(
            f"real distillation needs {', '.join(missing)}: pip install 'readsim[hf]'"
        )


@with_run_options
def distill(
    chosen: Chosen,
    out: Annotated[Path, typer.Option(help="Folder for logs, checkpoints and results.")] = Path(
        "results/distill"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard event files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be spent, and stop.")
    ] = False,
) -> None:
    """Distil a real teacher into a real student, an allocator deciding; curves, table, run log."""
    _need_extra()
    from readsim_hf.distill import distill as run

    run(chosen.file, chosen.table, out, resume=resume, tensorboard=tensorboard, dry_run=dry_run)


@with_run_options
def plan(
    chosen: Chosen,
    world: Annotated[
        Text,
        typer.Option(
            help="World that foretells the scores: a preset's name or a file; nano has one."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Simulated runs of the forecast.")] = 32,
    world_error: Annotated[
        float,
        typer.Option(help="Points by which the world misses a score; 0: not in the interval."),
    ] = 0.0,
    mfu: Annotated[
        float | None, typer.Option(help="Share of a device's peak in training and reading; 0.4.")
    ] = None,
    mfu_generation: Annotated[
        float | None, typer.Option(help="The same while writing token by token; 0.2.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The --out of the finished run, to hold beside the plan.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plan.json.")] = None,
) -> None:
    """Say what a run would spend and reach, loading no weights; afterwards, what it did."""
    _need_extra()
    from readsim_hf.plan.command import plan as run

    run(
        chosen.file,
        chosen.table,
        world=world,
        seeds=seeds,
        world_error=world_error,
        mfu=mfu,
        mfu_generation=mfu_generation,
        against=against,
        out=out,
    )


@models.command()
def prepare(
    name: Annotated[str, typer.Argument(help="Such as smollm2-135m.")],
    layers: Annotated[int, typer.Option(help="Layers of the pruned student.")] = 10,
) -> None:
    """Fetch a small real model once, check it, convert it, and prune a student from it."""
    _need_extra()
    from readsim_hf.models.prepare import prepare as make

    typer.echo(str(make(name, layers, typer.echo)))


@models.command("list")
def list_() -> None:
    """The models that have a name here, and whether they are prepared."""
    _need_extra()
    from readsim_hf.cli.models import show_models

    show_models()


@models.command()
def benchmarks(
    name: Annotated[Text, typer.Argument(help="One of them, with its data and licence.")] = None,
) -> None:
    """The paper's benchmarks: metric, range, chance, and how to get the data."""
    _need_extra()
    from readsim_hf.cli.models import show_benchmarks

    show_benchmarks(name)


@models.command()
def templates(
    library: Annotated[str, typer.Argument(help="nano or text.")] = "text",
    capability: Annotated[Text, typer.Option(help="Only this capability, with examples.")] = None,
) -> None:
    """The prompt templates of a library."""
    _need_extra()
    from readsim_hf.cli.models import show_templates

    show_templates(library, capability)
