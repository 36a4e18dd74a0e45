"""The results in the README files: the text between two marks, replaced."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from studies.common.claim import ClaimVerdict
from studies.common.show import effect, markdown
from studies.common.study import Study

BEGIN, END = "<!-- result -->", "<!-- /result -->"


def replace_block(text: str, block: str, where: str) -> str:
    """`text` with `block` between the marks. Raises ConfigError if they are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"{where}: expected one {BEGIN} and after it one {END}")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{block}\n{END}{rest.split(END)[1]}"


def write_block(path: Path, block: str) -> None:
    """Replace the block of a file."""
    write_atomic(path, replace_block(path.read_text("utf-8"), block, str(path)).encode())


def study_block(study: Study, verdicts: Sequence[ClaimVerdict]) -> str:
    """What a study's own README shows."""
    return markdown(study.claims, verdicts)


def summary_block(found: Mapping[str, tuple[Study, Sequence[ClaimVerdict]]]) -> str:
    """One line per claim: in which cases it holds, fails, is undecided, and its largest and least effect."""
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
            cells = [f"[{name}](studies/{name})", claim.text, *(c or "-" for c in cells), effects]
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


ORDER = ("holds", "fails", "undecided")


def _case(verdict: ClaimVerdict) -> str:
    """The case, bold where the opposite was expected."""
    return f"**{verdict.case}**" if verdict.as_expected is False else verdict.case
