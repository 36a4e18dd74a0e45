"""`readsim scores`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_folder, need_target
from readsim.cli.output import Terminal
from readsim.errors import RunLogError, unknown
from readsim.tree_file import write_frame


def scores(
    folder: Annotated[
        Path,
        typer.Argument(
            help="The folder has finished runs; those of another task or budget are shown apart."
        ),
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
    import pandas as pd

    from readsim.summary.scores import (
        check_fair,
        comparisons,
        different,
        few,
        labels,
        left_out,
        print_scores,
        read_tested,
        score_table,
    )

    runs = read_tested(folder)
    need_target(folder / "scores.csv")
    groups = comparisons(runs)
    known = labels(runs)
    if reference is not None and reference not in known:
        raise unknown("run", reference, known)
    console = Terminal()
    tables: list[pd.DataFrame] = []
    faults: list[RunLogError] = []
    for group in groups:
        try:
            check_fair(group)
        except RunLogError as error:
            faults.append(error)
            continue
        own = labels(group)
        beside = reference if reference in own else own[0]
        if tables:
            apart = few(different(groups[0][0], group[0]))
            console.print(
                f"\nNot compared with the runs above: these differ in {apart}.", highlight=False
            )
        print_scores(console, group, beside)
        tables.append(score_table(group, beside))
    if not tables:
        raise faults[0]
    for fault in faults:
        console.print(f"left out: {fault}", highlight=False)
    write_frame(folder / "scores.csv", pd.concat(tables))
    if missing := left_out(folder, runs):
        told = f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        console.print(
            f"{len(missing)} run log(s) are left out, unfinished or without test items: {told}",
            highlight=False,
        )
    console.print(f"also in {folder / 'scores.csv'}")
