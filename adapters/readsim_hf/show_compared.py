"""`readsim scores`: the table of finished runs on the test split."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from readsim.errors import unknown
from readsim_hf.compared import (
    TestedRun,
    check_fair,
    difference,
    labels,
    read_tested,
    scores,
    unlike,
)

CELL = 15  # characters of a column


def show_scores(folder: Path, reference: str | None) -> None:
    """Print the table and write `scores.csv` beside the runs. RunLogError for runs that must not be
    compared (R65)."""
    runs = read_tested(folder)
    check_fair(runs)
    known = labels(runs)
    if reference is not None and reference not in known:
        raise unknown("run", reference, known)
    console = Console()
    print_scores(console, runs, reference or known[0])
    _write(folder / "scores.csv", runs, reference or known[0])
    console.print(f"also in {folder / 'scores.csv'}", markup=False)


def show_beside(console: Console, folder: Path, path: Path) -> None:
    """The run at `path` beside those of its folder with which it may be compared, if there are any."""
    runs = read_tested(folder)
    this = next(run for run in runs if run.path == path)
    fair = [r for r in runs if not unlike(this, r) and r.seed == this.seed]
    if len(fair) > 1:
        print_scores(console, fair, this.label)
        if len(fair) < len(runs):
            left = len(runs) - len(fair)
            console.print(f"{left} runs with another seed, budget or recipe are left out")


def print_scores(console: Console, runs: Sequence[TestedRun], reference: str) -> None:
    """One row a label: scores, and the difference to the reference, each in points.

    On a narrow terminal differences are shown for the utility alone.
    """
    names = (*runs[0].capabilities, "utility")
    seeds = sorted({run.seed for run in runs})
    table = Table(title=f"test split, points; below: minus {reference} [95 %]")
    for n, name in enumerate(("", *names)):
        table.add_column(name, justify="left" if n == 0 else "right")
    over, narrow = "", console.width < 24 + CELL * len(names)
    for label in labels(runs):
        cells = [f"{100 * v:.1f}" for v in scores(runs, label)]
        if label != reference:
            apart = difference(runs, label, reference)
            over = apart.over
            for n, (mean, half) in enumerate(zip(apart.mean, apart.half, strict=True)):
                if narrow and n < len(names) - 1:
                    continue
                star = "*" if abs(mean) > half else ""
                cells[n] += f"\n{100 * mean:+.1f} ± {100 * half:.1f}{star}"
        table.add_row(label, *cells)
    console.print(table)
    console.print(
        f"{len(seeds)} seed(s); intervals are over {over or 'nothing'}, uncorrected for the number of cells"
    )


def _write(path: Path, runs: Sequence[TestedRun], reference: str) -> None:
    import pandas as pd

    rows = []
    for label in labels(runs):
        apart = difference(runs, label, reference)
        for n, name in enumerate((*runs[0].capabilities, "utility")):
            numbers = {
                "score": scores(runs, label)[n],
                "difference": apart.mean[n],
                "half_width": apart.half[n],
            }
            rows.append({"run": label, "reference": reference, "capability": name, **numbers})
    pd.DataFrame(rows).to_csv(path, index=False)
