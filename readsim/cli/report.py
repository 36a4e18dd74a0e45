"""`readsim report`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_target
from readsim.cli.output import Terminal


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            help="The folder was written by `compare`, `distill` or a study, or it contains several studies."
        ),
    ],
) -> None:
    """Make an HTML report of the results in a folder.

    It writes report.html, and the tables of the report as CSV, Markdown and LaTeX.
    """
    from readsim.report.build import report as write

    if folder.is_dir():
        need_target(folder / "report.html")

    page, *tables = write(folder)
    Terminal().print(f"{page}, and {len(tables)} files of its tables in {folder / 'tables'}")
