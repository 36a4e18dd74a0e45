"""Cells to numbers of one unit: tokens by source, and profiles (scores in [0, 1] or negated losses)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, ReadsimError
from readsim.files import Sheet
from readsim.token_counts import parse_tokens

COUNTS = 1000.0  # rows that sum to at least this are token counts
SUSPECT = 20.0  # points: a cell up to 1 in a column with such a median is a fraction among points
UNITS = ("losses", "scores", "points")


def read_tokens(
    sheet: Sheet, columns: Sequence[str], tolerance: float, budget: float | None
) -> tuple[Array, list[str]]:
    """Tokens (n, S) by source, and what was done to get them.

    Rows are shares (sums near 1, or near 100 in all rows) or counts. Shares are multiplied by the
    column `tokens` or by `budget`. Raises ConfigError with line and column, or asking for `budget`.
    """
    cells = sheet.numbers(columns)
    for i, j in np.argwhere(cells < 0.0):
        raise sheet.fail(int(i), columns[j], f"{cells[i, j]:g} is negative")
    sums = cells.sum(axis=1)
    runs = _budgets(sheet)
    counts = all(c.startswith("tokens:") for c in columns) or bool(
        (sums >= COUNTS).any() and ((sums >= COUNTS) | (sums == 0.0)).all()
    )
    if counts:
        said = sums if runs is None else runs
        for i in np.flatnonzero(np.abs(said - sums) > tolerance * sums):
            what = f"{said[i]:g}, but the sources' tokens sum to {sums[i]:g}"
            raise sheet.fail(int(i), tokens_column(sheet) or "tokens", what)
        return cells, ["source columns hold token counts"]
    notes = []
    untrained = np.zeros(len(sums), dtype=np.bool_)
    if runs is not None:
        untrained = (sums == 0.0) & (runs == 0.0)
    unit = _unit_of(sheet, columns, np.where(untrained, np.nan, sums), tolerance)
    off = np.abs(sums[~untrained] / unit - 1.0)
    if unit == 100.0:
        notes.append("shares are in percent")
    if off.max(initial=0.0) > 1e-6:
        low, high = sums[~untrained].min() / unit, sums[~untrained].max() / unit
        notes.append(f"shares summed to {low:.4g}..{high:.4g}: renormalised to 1")
    shares = cells / np.where(untrained, 1.0, sums)[:, None]
    if runs is None and budget is None:
        raise ConfigError(
            f"{sheet.path}: shares do not say how many tokens a run was trained on: give --tokens, such as "
            "1B (`budget` from Python), or a column `tokens`"
        )
    if runs is None:
        runs = np.full(len(sums), budget)
    return shares * runs[:, None], notes


def _unit_of(sheet: Sheet, columns: Sequence[str], sums: Array, tolerance: float) -> float:
    """1 for fractions, 100 for percent, the same in every row (nan: a row without training)."""
    near = {u: np.abs(sums / u - 1.0) <= tolerance for u in (1.0, 100.0)}
    seen = np.isfinite(sums)
    unit = 100.0 if near[100.0].sum() > near[1.0].sum() else 1.0
    for i in np.flatnonzero(seen & ~near[unit]):
        where = f"{columns[0]}..{columns[-1]}"
        if near[1.0 if unit == 100.0 else 100.0][i]:
            raise sheet.fail(int(i), where, f"sums to {sums[i]:g}: percent and fractions are mixed")
        what = (
            f"shares sum to {sums[i]:g}, not 1 (tolerance {tolerance:g}; counts need sums of at least "
            f"{COUNTS:g} in every row)"
        )
        raise sheet.fail(int(i), where, what)
    return unit


def tokens_column(sheet: Sheet) -> str | None:
    """The column of budgets. Raises ConfigError where there are two of them."""
    found = [c for c in sheet.header if c.lower() == "tokens"]
    if len(found) > 1:
        which = " or ".join(map(repr, found))
        raise ConfigError(f"{sheet.path}: {which} says what a run was trained on: keep one of them")
    return found[0] if found else None


def _budgets(sheet: Sheet) -> Array | None:
    """Tokens of each run (n,), numbers or texts such as 20M; 0 before training."""
    column = tokens_column(sheet)
    if column is None:
        return None
    out = []
    for i, text in enumerate(sheet.cells(column)):
        try:
            out.append(0.0 if text in {"0", "0.0"} else float(parse_tokens(text)))
        except ReadsimError as error:
            raise sheet.fail(i, column, f"{text!r} is not a number of tokens") from error
    return np.array(out)


@dataclass(frozen=True)
class Scale:
    """How the columns of a file and profiles go over into each other.

    unit `losses`: profile = -loss. `scores`, `points`: profile = score (/ 100); columns in `lower`
    (places) are error rates, profile = 1 - error. `lowest` is the lowest score, see `ProfileScale`.
    """

    unit: str
    lower: tuple[int, ...] = ()
    lowest: float = 0.0

    def profiles(self, cells: Array) -> Array:
        """Cells (n, K) to profiles."""
        if self.unit == "losses":
            return -cells
        out = cells / 100.0 if self.unit == "points" else cells.copy()
        out[:, self.lower] = 1.0 - out[:, self.lower]
        return out

    def cells(self, profiles: Array) -> Array:
        """Profiles (n, K) to cells: its own inverse, but for the factor 100."""
        if self.unit == "losses":
            return -profiles
        out = profiles.copy()
        out[:, self.lower] = 1.0 - out[:, self.lower]
        return 100.0 * out if self.unit == "points" else out

    @property
    def per_unit(self) -> float:
        """What a profile's unit is in the file: 100 for points."""
        return 100.0 if self.unit == "points" else 1.0


def read_targets(sheet: Sheet, columns: Sequence[str], lower: Sequence[str]) -> tuple[Array, Scale]:
    """Profiles (n, K), nan where a cell is empty, and the scale. `lower`: columns where less is better.

    Raises ConfigError with line and column for values of another unit, or columns that never change.
    """
    cells = sheet.numbers(columns, missing=True)
    for j, column in enumerate(columns):
        values = cells[np.isfinite(cells[:, j]), j]
        if not len(values):
            raise ConfigError(f"{sheet.path}: column {column!r} has no numbers")
        if len(np.unique(values)) < 2:
            raise ConfigError(
                f"{sheet.path}: column {column!r} is {values[0]:g} in every row: nothing to learn "
                "from; leave it out of --targets"
            )
    if set(lower) == set(columns):
        for i, j in np.argwhere(cells <= 0.0):
            raise sheet.fail(int(i), columns[j], f"{cells[i, j]:g}: losses are above 0")
        return -cells, Scale("losses")
    scale = Scale(
        _score_unit(sheet, columns, cells, lower),
        tuple(j for j, c in enumerate(columns) if c in lower),
    )
    return scale.profiles(cells), scale


def _score_unit(sheet: Sheet, columns: Sequence[str], cells: Array, lower: Sequence[str]) -> str:
    """`scores` or `points`, one for the whole file."""
    for i, j in np.argwhere((cells < 0.0) | (cells > 100.0)):
        if columns[j] in lower:
            advice = "a file holds losses only, or scores and error rates: fit them as two worlds"
        else:
            advice = "scores lie in [0, 1] or, in points, 0..100; give --lower-is-better for losses"
        raise sheet.fail(int(i), columns[j], f"{cells[i, j]:g}: {advice}")
    most, middle = np.nanmax(cells, axis=0), np.nanmedian(cells, axis=0)
    if (most <= 1.0).all():
        return "scores"
    if (middle <= 1.0).all():
        i, j = np.argwhere(cells > 1.0)[0]
        what = f"{cells[i, j]:g} among fractions ({middle[j]:g} is the median): mixed units"
        raise sheet.fail(int(i), columns[j], what)
    for j, column in enumerate(columns):
        if most[j] <= 1.0 and most[j] > 0.0:
            other = columns[int(np.argmax(most))]
            row = int(np.nanargmax(cells[:, j]))
            what = (
                f"{most[j]:g} is the most here, {most.max():g} in {other!r}: fractions and points are "
                "mixed"
            )
            raise sheet.fail(row, column, what)
        for i in np.flatnonzero((cells[:, j] > 0.0) & (cells[:, j] <= 1.0)):
            if middle[j] > SUSPECT:
                what = f"{cells[i, j]:g} among points ({middle[j]:g} is the median): mixed units"
                raise sheet.fail(int(i), column, what)
    return "points"
