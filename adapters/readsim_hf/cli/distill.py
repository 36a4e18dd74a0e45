"""`readsim distill`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import From, KeepState, parse_list
from readsim_hf.cli.options import OUT, Chosen, Text, need_extra, with_run_options


@with_run_options
def distill(
    chosen: Chosen,
    out: Annotated[
        Path, typer.Option(help="Logs, checkpoints and results go into this folder.")
    ] = OUT,
    resume: Annotated[bool, typer.Option("--resume", help="An interrupted run continues.")] = False,
    log_to: Annotated[
        Text,
        typer.Option(
            help="Metrics are also sent to these trackers, separated by commas: tensorboard, wandb, trackio."
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="This is short for --log-to tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="What would be spent is printed, and nothing is trained."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Tokens, labels and the teacher's answers are checked, and nothing is trained; "
            "the exit code is 1 if a check fails.",
        ),
    ] = False,
    check_prompts: Annotated[
        int,
        typer.Option(min=1, help="--check asks the teacher this many prompts of each capability."),
    ] = 16,
    began: From = None,
    keep_state: KeepState = None,
) -> None:
    """Train a real student on data that an allocator chooses.

    The student learns from a teacher, on this machine or behind a server, or from your own data with replies.
    The run writes learning curves, a table, its log and the trained student.
    """
    need_extra()
    from readsim.runs.moved_state import read_state
    from readsim_hf.distill import distill as run

    trackers = [*(parse_list(log_to, "log-to") or ()), *(["tensorboard"] * tensorboard)]
    holds = run(
        chosen.file,
        chosen.table,
        out,
        resume=resume,
        log_to=trackers,
        dry_run=dry_run,
        check=check_prompts if check else 0,
        allow_code=chosen.allow_code,
        began=None if began is None else read_state(began),
        keep=keep_state,
    )
    if not holds:
        raise typer.Exit(1)
