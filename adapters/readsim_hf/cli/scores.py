"""`readsim scores`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim_hf.cli.options import Text, need_extra


def scores(
    folder: Annotated[Path, typer.Argument(help="A folder that `distill` wrote runs to.")],
    reference: Annotated[
        Text, typer.Option(help="The run that others are compared with, as the table names it.")
    ] = None,
) -> None:
    """Finished real runs side by side on the test split, with paired intervals; scores.csv."""
    need_extra()
    from readsim_hf.scores import show_scores

    show_scores(folder, reference)
