"""`readsim distill`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim_hf.cli.options import Chosen, need_extra, with_run_options


@with_run_options
def distill(
    chosen: Chosen,
    out: Annotated[Path, typer.Option(help="Folder for logs, checkpoints and results.")] = Path(
        "results/distill"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard event files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be spent, and stop.")
    ] = False,
) -> None:
    """Distil a real teacher into a real student, an allocator deciding; curves, table, run log."""
    need_extra()
    from readsim_hf.distill import distill as run

    run(
        chosen.file,
        chosen.table,
        out,
        resume=resume,
        tensorboard=tensorboard,
        dry_run=dry_run,
        allow_code=chosen.allow_code,
    )
