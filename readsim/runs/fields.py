"""The kinds of fields that a log's header and rows have, each checked by type and range.

Each function takes a field out of a table and returns its value; it raises RunLogError that names `where`,
the field, its value and what is expected. The limits are far beyond what runs have, and finite: a log cannot
ask its readers for more memory or larger figures than they can give.
"""

from math import isfinite
from typing import Any, NamedTuple, Self

import numpy as np

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.files.names import name_fault, shown_text
from readsim.runs.profile_scale import SCORES, ProfileScale

MOST_TOKENS = 10**18
MOST_STEPS = 10**5
MOST_SEEDS = 10**5
MOST_NAMES = 512  # sources or capabilities
LARGEST_SEED = 2**63 - 1
LARGEST = 1e6  # of a loss, a reward
# Lowest scores where no scale is declared: of what is corrected for a chance of one half, and of what was
# logged before there was a scale, losses too.
LOWEST_CORRECTED, LOWEST_UNSAID = -1.0, -100.0
TOLERANCE = 1e-6  # of a score, of the sum of shares

Table = dict[str, Any]


class Range(NamedTuple):
    """What numbers may be; rounding is forgiven."""

    low: float = -LARGEST
    high: float = LARGEST

    @classmethod
    def of_profiles(cls, scale: ProfileScale) -> Self:
        """Of what was measured on this scale. One that is not declared is presumed to be that of scores from
        0 to 1: lower ones are read all the same, and readers say so (`ProfileScale.doubts`)."""
        if not scale.is_score:
            return cls()
        return cls(LOWEST_UNSAID if scale == SCORES else scale.low, scale.high)

    def beside(self, profile: Array) -> "Range":
        """The same without the room for scores below 0, where the profile of the same row has none."""
        below = bool((profile < -TOLERANCE).any())
        return self if below or self.low != LOWEST_UNSAID else Range(LOWEST_CORRECTED, self.high)

    @property
    def of_changes(self) -> "Range":
        """Of a difference of two of them."""
        return Range(self.low - self.high, self.high - self.low)

    @property
    def of_errors(self) -> "Range":
        """Of a standard deviation of a difference."""
        return Range(0.0, self.high - self.low)

    def of_utility(self, profile: Array, size: float) -> "Range":
        """Of what a task makes of this profile with weights whose sizes sum to `size`."""
        if size <= 1.0 + TOLERANCE and np.isfinite(self.low):
            return Range(max(self.low, min(0.0, float(profile.min(initial=0.0)))), self.high)
        most = max(abs(self.low), abs(self.high)) * size
        return Range(-most, most)


def has(row: Table, key: str) -> bool:
    """Whether a field is there and not null; a null is taken out."""
    if row.get(key) is None:
        row.pop(key, None)
        return False
    return True


def take(row: Table, key: str) -> Any:
    """The value of a field that has to be there."""
    return row.pop(key, "missing")


def wrong_field(key: str, value: object, expected: str, where: str) -> RunLogError:
    return RunLogError(f"{where}: {key} is {shown_text(value)}, expected {expected}")


def name_in(row: Table, key: str, where: str) -> str:
    """Text that can be a name."""
    value = take(row, key)
    if wrong := name_fault(value):
        raise wrong_field(key, value, f"a name: {wrong}", where)
    return str(value)


def names_in(row: Table, key: str, where: str, *, least: int = 1) -> tuple[str, ...]:
    """A list of names, each once."""
    value = take(row, key)
    if not isinstance(value, list) or len(value) < least:
        raise wrong_field(key, value, "a list of names", where)
    if len(value) > MOST_NAMES:
        raise RunLogError(f"{where}: {key} are {len(value)}, expected at most {MOST_NAMES}")
    for item in value:
        if wrong := name_fault(item):
            raise wrong_field(key, item, f"names: {wrong}", where)
    if len(set(value)) < len(value):
        twice = next(item for n, item in enumerate(value) if item in value[:n])
        raise wrong_field(key, twice, "each name once", where)
    return tuple(value)


def seeds_in(row: Table, key: str, where: str) -> tuple[int, ...]:
    """A list of seeds, each once."""
    value = take(row, key)
    if not isinstance(value, list) or not 0 < len(value) <= MOST_SEEDS:
        raise wrong_field(key, value, f"a list of seeds, at most {MOST_SEEDS}", where)
    for seed in value:
        if not _is_whole(seed) or not 0 <= seed <= LARGEST_SEED:
            raise wrong_field(key, seed, f"whole numbers from 0 to {LARGEST_SEED}", where)
    if len(set(value)) < len(value):
        twice = next(seed for n, seed in enumerate(value) if seed in value[:n])
        raise wrong_field(key, twice, "each seed once", where)
    return tuple(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def object_in(row: Table, key: str, where: str) -> Table:
    """An object of the log's text."""
    value = take(row, key)
    if not isinstance(value, dict):
        raise wrong_field(key, value, "an object", where)
    return value


def texts_in(row: Table, key: str, where: str) -> dict[str, str]:
    """An object of short texts."""
    value = object_in(row, key, where)
    for inner in tuple(value):
        if wrong := name_fault(inner):
            raise wrong_field(key, inner, f"a name: {wrong}", where)
        name_in(dict(value), inner, f"{where}, {key}")
    return value


def number_in(row: Table, key: str, where: str, within: Range = Range()) -> float:  # noqa: B008
    """A number within its range."""
    value = take(row, key)
    if not (_is_whole(value) or isinstance(value, float)):
        raise wrong_field(key, value, "a number", where)
    if not within.low - TOLERANCE <= value <= within.high + TOLERANCE:
        raise wrong_field(key, value, f"a number from {within.low:g} to {within.high:g}", where)
    return float(value)


def whole_in(row: Table, key: str, where: str, *, least: int = 0, most: int) -> int:
    """A whole number from `least` to `most`."""
    value = take(row, key)
    known = _is_whole(value) or (
        isinstance(value, float) and isfinite(value) and value == int(value)
    )
    if not known or value < least:
        raise wrong_field(key, value, f"a whole number >= {least}", where)
    if value > most:
        raise wrong_field(key, value, f"at most {most}", where)
    return int(value)


def numbers_in(
    row: Table, key: str, length: int | None, where: str, within: Range, *, gaps: bool = False
) -> Array:
    """A list of numbers within their range as an array; with `gaps` a null is nan."""
    value = take(row, key)
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise wrong_field(key, value, "numbers" if length is None else f"{length} numbers", where)
    if length is None and len(value) > MOST_NAMES:
        raise RunLogError(
            f"{where}: {key} holds {len(value)} numbers, expected at most {MOST_NAMES}"
        )
    if gaps and None in value:
        value = [np.nan if x is None else x for x in value]
    try:
        out = np.array(value or np.zeros(0))
    except ValueError:  # lists of several lengths
        out = np.array("ragged")
    if out.ndim != 1 or out.dtype.kind not in "iuf" or any(x is True or x is False for x in value):
        raise RunLogError(f"{where}: {key} holds something that is no number")
    if np.isinf(out).any():
        raise RunLogError(f"{where}: {key} holds a number that is not finite")
    outside = (out < within.low - TOLERANCE) | (out > within.high + TOLERANCE)
    if outside.any():
        expected = f"numbers from {within.low:g} to {within.high:g}"
        raise RunLogError(f"{where}: {key} holds {out[outside][0]:g}, expected {expected}")
    return out.astype(np.float64, copy=False)


def shares_in(row: Table, key: str, length: int | None, where: str, *, none: bool = False) -> Array:
    """Shares >= 0 that sum to 1, or with `none` to 0, where a run was stopped."""
    out = numbers_in(row, key, length, where, Range())
    total = float(out.sum())
    off = min(abs(total - 1.0), abs(total) if none else np.inf)
    if (out < 0).any() or not off <= TOLERANCE:
        raise RunLogError(
            f"{where}: {key} is {shown_text(out.tolist())}, expected shares that sum to 1"
        )
    return out
