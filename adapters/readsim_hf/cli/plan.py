"""`readsim plan`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim_hf.cli.options import Chosen, Text, need_extra, with_run_options


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
    need_extra()
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
