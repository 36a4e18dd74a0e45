"""Verdicts and tables on a terminal, and as Markdown for the README files."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from studies.common.claim import Claim, ClaimVerdict
from studies.common.study import Findings, Study

LONG = 80  # rows: a table with more is for its file only
MARKS = {True: "as expected", False: "NOT as expected", None: ""}


def show(
    console: Console, study: Study, findings: Findings, verdicts: Sequence[ClaimVerdict]
) -> None:
    """What a study found."""
    show_verdicts(console, study.title, verdicts)
    for stem, (title, frame) in findings.tables.items():
        if len(frame) > LONG:
            console.print(f"{title}: {len(frame)} rows, in {stem}.csv", markup=False)
            continue
        table = Table(*map(str, frame.columns), title=title)
        for row in frame.itertuples(index=False):
            table.add_row(*(f"{x:.3g}" if isinstance(x, float) else str(x) for x in row))
        console.print(table)
    for note in findings.notes:
        console.print(note, markup=False, highlight=False)


def show_verdicts(console: Console, title: str, verdicts: Sequence[ClaimVerdict]) -> None:
    """One line per claim and case."""
    table = Table("claim", "case", "effect [95 %]", "n", "observed", "", title=title)
    for v in verdicts:
        row = (v.claim, v.case, effect(v), str(v.n), v.observed, MARKS[v.as_expected])
        table.add_row(*map(escape, row))
    console.print(table)


def effect(v: ClaimVerdict) -> str:
    """`+1.2 [+0.4, +2.0] points`."""
    digits = 2 if max(abs(v.low), abs(v.high)) < 100 else 0
    between = f" [{v.low:+.{digits}f}, {v.high:+.{digits}f}]" if v.n > 1 else ""
    return f"{v.effect:+.{digits}f}{between} {v.unit}".rstrip()


def markdown(claims: Sequence[Claim], verdicts: Sequence[ClaimVerdict]) -> str:
    """A table: one line per claim and case."""
    texts = {claim.id: claim.text for claim in claims}
    lines = [
        "| claim | case | expected | observed | effect [95 %] | seeds |",
        "|---|---|---|---|---:|---:|",
    ]
    for v in verdicts:
        mark = f"**{v.observed}**" if v.as_expected is False else v.observed
        cells = (texts[v.claim], v.case, v.expected or "-", mark, effect(v), str(v.n))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)
