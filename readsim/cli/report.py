"""`readsim report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def report(
    folder: Annotated[
        Path, typer.Argument(help="Of compare, distill, a suite, a study, or studies.")
    ],
) -> None:
    """One HTML page of what a folder holds: report.html, its tables as CSV, Markdown and LaTeX."""
    from readsim.report.build import report as write

    page, *tables = write(folder)
    Console().print(
        f"{page}, and {len(tables)} files of its tables in {folder / 'tables'}", markup=False
    )
