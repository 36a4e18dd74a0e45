"""Which columns of a table are sources, which are measured, and what they are called."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from readsim.errors import ConfigError, unknown
from readsim.files import Sheet

RESERVED = ("tokens", "step", "size", "seed", "chosen", "items")
ITEMS = "items:"  # before a target's name: how many items each of its cells was measured on
KEYS = ("index", "id", "key", "name", "run", "run_id", "run_name", "mixture")
SOURCE_PREFIXES = ("share:", "weight:", "tokens:")
TARGET_PREFIXES = ("score:", "loss:", "metric:")
BOUNDARIES = "_/:-. "
MOST = 2 / 3  # share of the rows that must read as shares for columns to be taken as sources


def is_reserved(column: str) -> bool:
    """Whether it says something about a run that is neither its mixture nor what was measured."""
    return column.lower() in RESERVED or column.lower().startswith(ITEMS)


def matching_columns(sheet: Sheet, patterns: Sequence[str], option: str) -> list[str]:
    """The columns that `--sources a,b,train_*` names, in the file's order. Raises UnknownNameError."""
    for pattern in patterns:
        if not any(fnmatchcase(c, pattern) for c in sheet.header):
            raise unknown(f"column (--{option})", pattern, sheet.header)
    return [c for c in sheet.header if any(fnmatchcase(c, p) for p in patterns)]


def key_of(sheet: Sheet, given: str | None) -> str | None:
    """The column of a single file that names its rows: `given`, a usual name, or a first column of text.

    One that is called like a source, or of which most cells are numbers, is none: a cell that is no number
    is then an error, not a name.
    """
    if given is not None:
        sheet.cells(given)
        return given
    usual = [c for c in sheet.header if c.lower() in KEYS]
    if usual:
        return usual[0]
    first = sheet.header[0]
    measured = first.startswith((*SOURCE_PREFIXES, *TARGET_PREFIXES, "share_"))
    return None if measured or is_reserved(first) or sheet.mostly_numbers(first) else first


def split_columns(
    sheet: Sheet,
    key: str | None,
    sources: Sequence[str] | None,
    targets: Sequence[str] | None,
    tolerance: float,
) -> tuple[list[str], list[str], str]:
    """(sources, targets, how they were found) of a single file.

    Raises ConfigError that says what to give where the file leaves a choice.
    """
    free = [c for c in sheet.header if c != key and not is_reserved(c)]
    found = matching_columns(sheet, sources, "sources") if sources else None
    wanted = matching_columns(sheet, targets, "targets") if targets else None
    how = "as given"
    if found is None:
        left = [c for c in free if c not in (wanted or [])]
        found = [c for c in left if c.startswith(SOURCE_PREFIXES)]
        how = "by their prefix"
        if not found and wanted is not None:
            found, how = left, "all that are not --targets"
        if not found:
            found, how = _block(sheet, left, tolerance), "the columns that sum to 1"
    if wanted is None:
        left = [c for c in free if c not in found]
        wanted = [c for c in left if c.startswith(TARGET_PREFIXES)] or left
    both = [c for c in found if c in wanted]
    if both:
        raise ConfigError(f"column {both[0]!r} is both a source and a target")
    if not found or not wanted:
        lacks = "targets" if found else "sources"
        raise ConfigError(f"{sheet.path}: no {lacks} among {', '.join(free)}: give --{lacks}")
    return found, wanted, how


def _block(sheet: Sheet, columns: Sequence[str], tolerance: float) -> list[str]:
    """The one run of neighbouring columns whose cells sum to 1 (or 100) in most rows.

    In most, not in all: what is wrong with the others is then said with their line. Of runs that
    overlap the one that sums up best is meant, the longest among equals.
    """
    table = sheet.loose_numbers(columns)
    found: list[tuple[float, int, int, int]] = []
    for i in range(len(columns)):
        for j in range(i + 2, len(columns) + 1):
            part = table[:, i:j]
            usual = (part >= 0.0).mean(axis=0) > MOST
            total = part.sum(axis=1)
            total[~np.isfinite(total)] = np.inf
            off = min(float(np.median(np.abs(total / unit - 1.0))) for unit in (1.0, 100.0))
            if usual.all() and off <= tolerance:
                found.append((round(off, 9), i - j, i, j))
    found.sort()
    best = [f for n, f in enumerate(found) if not any(_overlap(f, o) for o in found[:n])]
    if len(best) == 1:
        return list(columns[slice(*best[0][2:])])
    if best:
        blocks = " or ".join(f"{columns[i]}..{columns[j - 1]}" for *_, i, j in best)
        raise ConfigError(f"{sheet.path}: sources may be {blocks}: give --sources")
    raise ConfigError(
        f"{sheet.path}: no neighbouring columns sum to 1 in most rows, none starts with "
        f"{', '.join(SOURCE_PREFIXES)}: give --sources"
    )


def _overlap(a: tuple[float, int, int, int], b: tuple[float, int, int, int]) -> bool:
    return a[2] < b[3] and b[2] < a[3]


def pattern_of(columns: Sequence[str]) -> str:
    """`train_*` where all names start with it: the longest that ends at a boundary such as `_`."""
    if len(columns) < 2:
        return "*"
    head = _common_start(columns)
    tail = _common_start([c[len(head) :][::-1] for c in columns])[::-1]
    head = head[: 1 + max((head.rfind(b) for b in BOUNDARIES), default=-1)]
    starts = [tail.find(b) for b in BOUNDARIES if b in tail]
    tail = tail[min(starts) :] if starts else ""
    short = [c[len(head) : len(c) - len(tail)] for c in columns]
    return "*" if "*" in head + tail or not all(short) else f"{head}*{tail}"


def _common_start(names: Sequence[str]) -> str:
    """The letters that all names start with."""
    first, last = min(names), max(names)
    same = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(last)))]


def strip(columns: Sequence[str], pattern: str) -> tuple[str, ...]:
    """The part of each name that the `*` of `pattern` stands for."""
    head, _, tail = pattern.partition("*")
    return tuple(c[len(head) : len(c) - len(tail)] for c in columns)


def patterns(sources: Sequence[str], targets: Sequence[str]) -> tuple[str, str]:
    """The patterns that give sources and targets of the same thing one name; `*` where none do."""
    best = ("*", "*")
    most = len(set(sources) & set(targets))
    options = [
        (s, t)
        for s in (pattern_of(sources), _known(sources, SOURCE_PREFIXES), "*")
        for t in (pattern_of(targets), _known(targets, TARGET_PREFIXES), "*")
    ]
    for s, t in options:
        names = strip(sources, s), strip(targets, t)
        same = len(set(names[0]) & set(names[1]))
        if same > most and all(len(set(n)) == len(n) for n in names):
            best, most = (s, t), same
    if best == ("*", "*"):
        best = _known(sources, SOURCE_PREFIXES), _known(targets, TARGET_PREFIXES)
    return best


def _known(columns: Sequence[str], prefixes: Sequence[str]) -> str:
    """`share:*` where all columns have that prefix of ours."""
    return next((f"{p}*" for p in prefixes if all(c.startswith(p) for c in columns)), "*")
