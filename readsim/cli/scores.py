"""`readsim scores`."""

from pathlib import Path

from rich.console import Console

from readsim.errors import unknown
from readsim.summary.scores import check_fair, labels, print_scores, read_tested, score_table


def scores(folder: Path, reference: str | None) -> None:
    """Print the table and write `scores.csv` beside the runs.

    Raises RunLogError for runs that must not be compared, UnknownNameError for a reference that is not there.
    """
    runs = read_tested(folder)
    check_fair(runs)
    known = labels(runs)
    if reference is not None and reference not in known:
        raise unknown("run", reference, known)
    console = Console()
    print_scores(console, runs, reference or known[0])
    score_table(runs, reference or known[0]).to_csv(folder / "scores.csv", index=False)
    console.print(f"also in {folder / 'scores.csv'}", markup=False)
