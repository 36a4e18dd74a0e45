"""`readsim scores`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_folder, need_target
from readsim.cli.output import Terminal
from readsim.errors import unknown
from readsim.tree_file import write_frame


def scores(
    folder: Annotated[
        Path, typer.Argument(help="The folder has finished runs of one task and budget.")
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            help="The other runs are compared with this one, named as in the table.",
            show_default="the first",
        ),
    ] = None,
) -> None:
    """Compare finished runs on the test split.

    Differences have paired confidence intervals; the table is written to scores.csv.
    """
    need_folder(folder)
    from readsim.summary.scores import (
        check_fair,
        labels,
        left_out,
        print_scores,
        read_tested,
        score_table,
    )

    runs = read_tested(folder)
    need_target(folder / "scores.csv")
    check_fair(runs)
    known = labels(runs)
    if reference is not None and reference not in known:
        raise unknown("run", reference, known)
    console = Terminal()
    print_scores(console, runs, reference or known[0])
    write_frame(folder / "scores.csv", score_table(runs, reference or known[0]))
    if missing := left_out(folder, runs):
        told = f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        console.print(
            f"{len(missing)} run log(s) are left out, unfinished or without test items: {told}",
            highlight=False,
        )
    console.print(f"also in {folder / 'scores.csv'}")
