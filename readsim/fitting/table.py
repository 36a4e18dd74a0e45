"""One or two CSV files of runs to the arrays of a fit: names, tokens, profiles, groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.files import AnyPath, Sheet, read_sheet
from readsim.fitting.columns import (
    ITEMS,
    is_reserved,
    key_of,
    matching_columns,
    patterns,
    split_columns,
    strip,
)
from readsim.fitting.joining import common_key, join_cells
from readsim.fitting.odd_rows import notes_of
from readsim.fitting.paths import SLACK, fallen, paths_of
from readsim.fitting.units import Scale, read_targets, read_tokens

TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to read a table; None: found in the file.

    lower    columns (or short names, or `all`) where less is better
    size     the model size to take where a column `size` has several
    budget   tokens of each run, where no column says it
    items    that a score of a target was measured on, by its name; "" stands for all
    one_run  whether rows of one name must be stages of one run: none of its sources' tokens may fall
    """

    sources: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    key: str | None = None
    lower: Sequence[str] | None = None
    size: str | None = None
    budget: float | None = None
    tolerance: float = TOLERANCE
    items: Mapping[str, float] | None = None
    one_run: bool = False

    def __post_init__(self) -> None:
        for name, count in (self.items or {}).items():
            if not 1.0 <= count < np.inf:
                raise ConfigError(
                    f"items {name or 'of all'} = {count!r}: expected a number of at least 1"
                )
        if not 0.0 <= self.tolerance < 0.5:
            raise ConfigError(
                f"tolerance = {self.tolerance!r}: expected a number of at least 0 and below 0.5"
            )


@dataclass(frozen=True, eq=False)
class Runs:
    """Measured runs. n rows, S sources, K capabilities; profiles as in `readsim.worlds`.

    label (n,)                 names a row in messages and outputs: its key, or file and line
    groups (n,)                equal for rows that must be held out together
    items (n, K)               that each score was measured on, or None: not said
    chosen (n,)                rows whose mixture was picked after seeing others, or None: not said
    source_pattern, target_pattern   `train_*`: what was stripped from the column names
    path (n, T, S)             tokens in the order of training, see `readsim.fitting.paths`; or None
    notes                      what was done to the numbers, to be shown
    """

    label: tuple[str, ...]
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    tokens: Array
    profiles: Array
    groups: NDArray[np.int64]
    scale: Scale
    items: Array | None = None
    chosen: NDArray[np.bool_] | None = None
    source_pattern: str = "*"
    target_pattern: str = "*"
    key: str = ""
    files: tuple[str, ...] = ()
    path: Array | None = None
    notes: list[str] = field(default_factory=list)


def read_run_table(runs: AnyPath, targets: AnyPath | None, options: Options) -> Runs:
    """Read `runs`, joined with `targets` where given. Raises ConfigError for anything in doubt."""
    sheet = read_sheet(runs).stripped()
    if targets is None:
        key = key_of(sheet, options.key)
        sheet, notes = one_size(sheet, options.size)
        names, wanted, how = split_columns(
            sheet, key, options.sources, options.targets, options.tolerance
        )
        notes.append(f"sources ({how}): {', '.join(names)}; targets: {', '.join(wanted)}")
        measured = sheet
    else:
        sheet, notes = one_size(sheet, options.size)
        other, more = one_size(read_sheet(targets).stripped(), options.size)
        key = common_key(sheet, other, options.key)
        measured = join_cells(sheet, other, key)
        names = _columns(sheet, key, options.sources, "sources")
        wanted = _columns(measured, key, options.targets, "targets")
        notes += [*more, f"files joined on {key!r}"]
    _one_step(sheet)
    lower = lower_of(wanted, options.lower, notes)
    try:
        tokens, told = read_tokens(sheet, names, options.tolerance, options.budget)
    except ConfigError as error:
        if targets is not None and _look_swapped(sheet, measured, names, wanted, options):
            raise ConfigError(
                f"{error}. The columns of {targets} do sum to 1: the file of shares comes first, the "
                "file of measurements second"
            ) from error
        raise
    profiles, scale = read_targets(measured, wanted, lower)
    _used(sheet, names, tokens)
    patterns_ = patterns(names, wanted)
    sources, capabilities = strip(names, patterns_[0]), strip(wanted, patterns_[1])
    notes += told + [f"names: {p!r} stands for *" for p in patterns_ if p != "*"]
    label = sheet.cells(key) if key else [f"line {n}" for n in sheet.lines]
    notes += notes_of(label, bool(key), tokens, profiles, capabilities)
    if key:
        notes += _stages(sheet, key, names, tokens, options.one_run)
    path = paths_of(label, tokens) if key else None
    if path is not None:
        notes.append(f"rows of one {key!r} are read as one run's tokens so far: order is known")
    return Runs(
        tuple(label),
        sources,
        capabilities,
        tokens,
        profiles,
        groups_of(tokens, label if key else None),
        scale,
        items_in(measured, wanted, capabilities, options.items),
        chosen_in(sheet),
        *patterns_,
        key or "",
        tuple(Path(p).name for p in (runs, targets) if p is not None),
        path,
        notes,
    )


def _stages(
    sheet: Sheet, key: str, names: Sequence[str], tokens: Array, one_run: bool
) -> list[str]:
    """What is said of rows of one name that are not in the order of their tokens, or of no single run.

    Raises ConfigError for the latter where `one_run`.
    """
    label, notes = sheet.cells(key), list[str]()
    for n, earlier, j in fallen(label, tokens):
        what = (
            f"{label[n]!r} has less of this source than in line {sheet.lines[earlier]}, and more tokens in "
            f"all: rows of one {key!r} are one run at its tokens so far"
        )
        if one_run:
            raise sheet.fail(n, names[j], what)
        notes.append(
            f"rows of {label[n]!r} are no stages of one run ({names[j]!r} falls in line {sheet.lines[n]}): "
            "each counts as a run of constant shares"
        )
    last: dict[str, int] = {}
    for n, total in enumerate(tokens.sum(axis=1)):
        before = last.setdefault(label[n], n)
        last[label[n]] = n
        if total < (1.0 - SLACK) * tokens[before].sum():
            notes.append(
                f"line {sheet.lines[n]}: {label[n]!r} has fewer tokens than in line {sheet.lines[before]}: "
                f"rows of one {key!r} are read in the order of their tokens"
            )
            break
    return notes


def items_in(
    sheet: Sheet, columns: Sequence[str], names: Sequence[str], given: Mapping[str, float] | None
) -> Array | None:
    """Items (n, K) of the columns `items` and `items:TARGET`, or those given by name ("": of all).

    Raises ConfigError for a count below 1, for a name that is no target, and where some are said and not
    all.
    """
    out = np.full((len(sheet.rows), len(columns)), np.nan)
    for column in sheet.header:
        if column.lower() == "items":
            out[:] = _counts(sheet, column)[:, None]
    for column in sheet.header:
        if column.lower().startswith(ITEMS):
            out[:, _target(column[len(ITEMS) :], columns, names)] = _counts(sheet, column)
    for name, count in (given or {}).items():
        place = slice(None) if name == "" else _target(name, columns, names)
        out[:, place] = count
    if np.isnan(out).all():
        return None
    for j in np.flatnonzero(np.isnan(out).any(axis=0)).tolist():
        raise ConfigError(
            f"{sheet.path}: items are given for some targets and not for {columns[j]!r}: give --items, such "
            f"as {names[j]}=200"
        )
    return out


def _target(name: str, columns: Sequence[str], names: Sequence[str]) -> int:
    """The place of a target by its column or its short name."""
    if name in columns:
        return list(columns).index(name)
    if name not in names:
        raise unknown("target (items)", name, names)
    return list(names).index(name)


def _counts(sheet: Sheet, column: str) -> Array:
    cells = sheet.numbers([column])[:, 0]
    for i in np.flatnonzero(cells < 1.0):
        raise sheet.fail(int(i), column, f"{cells[i]:g}: a score is measured on at least 1 item")
    return cells


def chosen_in(sheet: Sheet) -> NDArray[np.bool_] | None:
    """The rows (n,) that the column `chosen` marks: 1 or 0, yes or no, true or false."""
    column = next((c for c in sheet.header if c.lower() == "chosen"), None)
    if column is None:
        return None
    words = {
        "1": True,
        "yes": True,
        "true": True,
        "0": False,
        "no": False,
        "false": False,
        "": False,
    }
    out = np.zeros(len(sheet.rows), dtype=np.bool_)
    for i, cell in enumerate(sheet.cells(column)):
        if cell.lower() not in words:
            raise sheet.fail(
                i, column, f"{cell!r}: 1 for a run that was chosen, 0 for one that was not"
            )
        out[i] = words[cell.lower()]
    return out


def _columns(sheet: Sheet, key: str, given: Sequence[str] | None, option: str) -> list[str]:
    """The columns of one file of two: those given, or all that are neither key nor reserved."""
    if given:
        return matching_columns(sheet, given, option)
    out = [c for c in sheet.header if c != key and not is_reserved(c)]
    if not out:
        raise ConfigError(f"{sheet.path}: no column other than {key!r}: no {option}")
    return out


def one_size(sheet: Sheet, size: str | None) -> tuple[Sheet, list[str]]:
    """The rows of one model size. Raises ConfigError where the file has several and none is chosen."""
    column = next((c for c in sheet.header if c.lower() == "size"), None)
    if column is None:
        return sheet, []
    cells = sheet.cells(column)
    there = list(dict.fromkeys(cells))
    if size is None and len(there) > 1:
        raise ConfigError(
            f"{sheet.path}: column {column!r} has {', '.join(there)}: choose one with --size"
        )
    if size is not None and size not in there:
        raise unknown(f"size in {sheet.path}", size, there)
    chosen = there[0] if size is None else size
    kept = sheet.take(i for i, cell in enumerate(cells) if cell == chosen)
    return kept, [f"{len(kept.rows)} of {len(cells)} rows are of size {chosen}"]


def _one_step(sheet: Sheet) -> None:
    """Rows of several steps need to say how many tokens each was after."""
    step = next((c for c in sheet.header if c.lower() == "step"), None)
    has_tokens = any(c.lower() == "tokens" for c in sheet.header)
    if step is not None and len(set(sheet.cells(step))) > 1 and not has_tokens:
        raise ConfigError(
            f"{sheet.path}: column {step!r} varies, but no column `tokens` says how much each row was "
            "trained on"
        )


def lower_of(columns: Sequence[str], given: Sequence[str] | None, notes: list[str]) -> list[str]:
    """The columns where less is better: those given, or those whose name has the word `loss`."""
    if given is None:
        found = [c for c in columns if "loss" in c.lower()]
        if found:
            which = "all targets" if len(found) == len(columns) else ", ".join(found)
            notes.append(f"lower is better, by their names: {which}")
        return found
    if list(given) == ["all"]:
        return list(columns)
    if list(given) == ["none"]:
        return []
    out = []
    for name in given:
        hits = [c for c in columns if name in (c, *strip([c], patterns(columns, columns)[1]))]
        hits = hits or [c for c in columns if c.endswith(name)]
        if len(hits) != 1:
            raise unknown("target (--lower-is-better)", name, columns)
        out += hits
    return out


def _used(sheet: Sheet, names: Sequence[str], tokens: Array) -> None:
    """Refuse what says nothing: a source that no run trained on, runs that are all alike."""
    for j, name in enumerate(names):
        if not tokens[:, j].any():
            raise ConfigError(
                f"{sheet.path}: column {name!r} is 0 in every row: nothing can be learnt about it; leave it "
                "out of --sources"
            )
    if len(np.unique(tokens, axis=0)) < 2:
        raise ConfigError(f"{sheet.path}: every row has the same tokens: nothing varies")


def groups_of(tokens: Array, names: Sequence[str] | None) -> NDArray[np.int64]:
    """A number (n,) for rows of the same mixture or, joined with these, of the same name."""
    total = tokens.sum(axis=1, keepdims=True)
    shares = np.round(tokens / np.where(total > 0.0, total, 1.0), 9)
    _, out = np.unique(shares, axis=0, return_inverse=True)
    out = np.asarray(out, dtype=np.int64).reshape(len(tokens))
    if names is not None:
        for name in set(names):
            same = np.flatnonzero([n == name for n in names])
            out[np.isin(out, out[same])] = out[same].min()
    return out


def _look_swapped(
    sheet: Sheet, measured: Sheet, names: Sequence[str], wanted: Sequence[str], options: Options
) -> bool:
    """Whether the second file reads as shares."""
    try:
        read_tokens(measured, wanted, options.tolerance, options.budget or 1.0)
    except ConfigError:
        return False
    return True
