"""Options that several studies have, each with its one help text."""

from pathlib import Path
from typing import Annotated

import typer

Budget = Annotated[
    str, typer.Option(help="The student of a run trains on this many supervised tokens.")
]
Steps = Annotated[int, typer.Option(help="A run has this many decisions.")]
Folder = Annotated[Path, typer.Option(help="Runs and tables go into this folder.")]
Out = Annotated[
    Path,
    typer.Option(help="The results of all studies go into this folder, where studies share runs."),
]
Jobs = Annotated[
    int | None,
    typer.Option(help="This many processes work in parallel.", show_default="one for each core"),
]
Backend = Annotated[str, typer.Option(help="The jobs are run by loky (processes), ray or dask.")]
Slurm = Annotated[
    int,
    typer.Option(
        help="Missing runs are submitted as a Slurm array of this many tasks; 0 runs them here."
    ),
]
