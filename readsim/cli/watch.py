"""`readsim watch`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table

from readsim.cli.common import need_target
from readsim.cli.output import Terminal
from readsim.errors import RunLogError


def watch(
    folder: Annotated[
        Path, typer.Argument(help="Runs write their logs into this folder, or will do so.")
    ],
    every: Annotated[
        float,
        typer.Option(help="The logs are read again after this many seconds.", min=0.2, max=3600.0),
    ] = 2.0,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="The page live.html in the folder is kept up to date, and reloads itself.",
        ),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="The progress is shown once, and the command ends.")
    ] = False,
) -> None:
    """Show the progress of the runs in a folder.

    It only reads their logs, and ends when all runs have ended.
    """
    from readsim.report.live import HEADERS, LIVE, FolderState, follow_runs, texts_of, write_live

    if folder.exists() and not folder.is_dir():
        raise RunLogError(f"{folder} is not a folder")
    if once and not folder.is_dir():
        raise RunLogError(f"{folder}: no such folder")
    console = Terminal()
    if page:
        need_target(folder / LIVE)

    def shown(look: FolderState) -> Group:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for name in HEADERS:
            table.add_column(name, overflow="fold", justify="left")
        for row in texts_of(look.runs, max(5, console.height - 8)):
            table.add_row(*row)
        return Group(look.lead, table, *(f"cannot be read now: {why}" for why in look.unread))

    def show(look: FolderState) -> None:
        if page:
            write_live(folder, look, every)
        if live is not None:
            live.update(shown(look), refresh=True)

    live: Live | None = None
    if console.is_terminal and not once:
        with Live(console=console, auto_refresh=False) as live:
            follow_runs(folder, show, lambda: time.sleep(every))
        last = None
    else:
        looks = 1 if once or not page else None
        last = follow_runs(folder, show, lambda: time.sleep(every), looks)
    if last is not None:
        console.print(shown(last))
    if page:
        console.print(f"page: {folder / LIVE}", highlight=False)
