"""Verdicts and tables on a terminal, and as Markdown in the README files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from studies.common.claim import Claim, ClaimVerdict
from studies.common.study import Findings, Study

LONG = 80  # rows: a table with more is for its file only
BEGIN, END = "<!-- result -->", "<!-- /result -->"  # what is between them in a README is written
ORDER = ("holds", "fails", "undecided")
MARKS = {True: "as expected", False: "NOT as expected", None: ""}


def show(
    console: Console, study: Study, findings: Findings, verdicts: Sequence[ClaimVerdict]
) -> None:
    """What a study found."""
    show_verdicts(console, study.title, verdicts)
    for stem, (title, frame) in findings.tables.items():
        if len(frame) > LONG:
            console.print(f"{title}: {len(frame)} rows, in {stem}.csv")
            continue
        table = Table(*map(str, frame.columns), title=title)
        for row in frame.itertuples(index=False):
            table.add_row(*(f"{x:.3g}" if isinstance(x, float) else str(x) for x in row))
        console.print(table)
    for note in findings.notes:
        console.print(note, highlight=False)


def show_verdicts(console: Console, title: str, verdicts: Sequence[ClaimVerdict]) -> None:
    """One line per claim and case."""
    table = Table("claim", "case", "effect [95 %]", "n", "observed", "", title=title)
    for v in verdicts:
        row = (v.claim, v.case, effect(v), str(v.n), v.observed, MARKS[v.as_expected])
        table.add_row(*row)
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


def replace_block(text: str, block: str, where: str) -> str:
    """`text` with `block` between the marks. Raises ConfigError if they are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"{where}: expected one {BEGIN} and after it one {END}")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{block}\n{END}{rest.split(END)[1]}"


def write_block(path: Path, block: str) -> None:
    """Replace the block of a file."""
    write_atomic(path, replace_block(path.read_text("utf-8"), block, str(path)).encode())


def summary_block(found: Mapping[str, tuple[Study, Sequence[ClaimVerdict]]]) -> str:
    """One line per claim: the cases in which it holds, fails, cannot be told; its extreme effects."""
    lines = [
        "| study | claim | holds in | fails in | undecided in | effects [95 %] |",
        "|---|---|---|---|---|---|",
    ]
    for name, (study, verdicts) in found.items():
        for claim in study.claims:
            mine = [v for v in verdicts if v.claim == claim.id]
            cells = ["; ".join(_case(v) for v in mine if v.observed == o) for o in ORDER]
            ranked = sorted(mine, key=lambda v: v.effect)
            ends = dict.fromkeys([ranked[-1], ranked[0]]) if ranked else {}
            effects = "; ".join(f"{v.case} {effect(v)}" for v in ends)
            cells = [
                f"[{name}](../studies/{name})",
                claim.text,
                *(c or "-" for c in cells),
                effects,
            ]
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _case(verdict: ClaimVerdict) -> str:
    """The case, bold where the opposite was expected."""
    return f"**{verdict.case}**" if verdict.as_expected is False else verdict.case
