"""Text in the cells of CSV files, so that a spreadsheet shows it and never computes it.

A cell that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or a carriage return, and
does not end there) is written with an apostrophe before it, as one types it there; a text that begins with
apostrophes and such a sign gets one more, so that reading takes away exactly the one that writing added.
Numbers stay as they are.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"  # the last four are the wide ones of East Asian text
_FORMULA = re.compile(rf"'*\s*[{_SIGNS}].", re.DOTALL)
_SHIELDED = re.compile(rf"''*\s*[{_SIGNS}].", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")


def shielded(cell: object) -> object:
    """What is written for a cell: text that looks like a formula behind an apostrophe, all else as it is."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unshielded(cell: object) -> object:
    """The inverse of `shielded`."""
    return cell[1:] if isinstance(cell, str) and _SHIELDED.match(cell) else cell


def csv_bytes(frame: "pd.DataFrame") -> bytes:
    """A table as the bytes of a CSV file, its names and texts `shielded`."""
    texts = frame.rename(columns=shielded)
    for n, kind in enumerate(frame.dtypes):
        if kind.kind not in "biuf":
            texts.isetitem(n, frame.iloc[:, n].map(shielded).array)
    return texts.to_csv(index=False, lineterminator="\n").encode()


def unshield(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A table that was read, with its names and texts as they were before `csv_bytes`."""
    for n, kind in enumerate(frame.dtypes):
        if kind.kind not in "biuf":
            frame.isetitem(n, frame.iloc[:, n].map(unshielded).array)
    return frame.rename(columns=unshielded)
