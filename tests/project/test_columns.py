"""The columns of `readsim.compare`, as the reference of Python names them."""

import re
from typing import Literal

import pytest

from readsim.api import compare
from tests.support.paths import ROOT

EQUAL: tuple[Literal["student", "total"], ...] = ("student", "total")
PAGE = ROOT / "docs" / "reference" / "python.md"


def columns(after: str) -> set[str]:
    """Names in the first column of the table behind a text; `final:CAPABILITY` as `final:`."""
    table = PAGE.read_text(encoding="utf-8").partition(after)[2].partition("| column |")[2]
    rows = table.split("\n\n", 1)[0].split("\n")[2:]
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert names
    return {re.sub(r":[A-Z]+$", ":", name) for name in names}


@pytest.mark.parametrize(
    ("after", "rows"), [("The columns of", "runs"), ('With `rows="steps"`', "steps")]
)
def test_the_page_names_every_column(after: str, rows: Literal["runs", "steps"]) -> None:
    found: set[str] = set()
    for equal in EQUAL:
        frame = compare("gateway", "math", "1M", ["uniform"], 1, steps=2, rows=rows, equal=equal)
        found |= {re.sub(":.*", ":", name) for name in frame.columns}
    assert columns(after) == found
