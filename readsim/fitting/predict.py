"""Predict runs that were not trained: mixtures by column name, in the units of the fitted file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.files import AnyPath, Sheet, read_sheet
from readsim.fitting.average import Average
from readsim.fitting.columns import RESERVED, is_reserved, key_of
from readsim.fitting.joining import join_cells
from readsim.fitting.misfit import Z95, misfit_in
from readsim.fitting.paths import paths_of
from readsim.fitting.table import TOLERANCE
from readsim.fitting.units import read_tokens, tokens_column
from readsim.fitting.write import Trained
from readsim.token_counts import show_tokens
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.world import World

SLACK = 0.01  # of a share, or of a budget's part: how far outside is still called inside


@dataclass(frozen=True, eq=False)
class Prediction:
    """`cells` (n, K) in the file's unit under `columns`; `key` names the rows in the column `label`.

    mixture   total tokens and the share of each source, (n, 1 + S), under `parts`
    ends      low and high (n, K) of the 95 % intervals; none where the world does not say how far it misses
    utility   utility, low and high (n, 1), where a task was named; utility alone without intervals
    """

    key: str
    label: list[str]
    columns: list[str]
    cells: Array
    parts: list[str]
    mixture: Array
    notes: list[str]
    ends: tuple[Array, ...] = ()
    utility: tuple[Array, ...] = ()

    @property
    def header(self) -> list[str]:
        """Of `rows`: a key, `tokens`, `share_SOURCE`, `COLUMN`, `COLUMN_low`, `COLUMN_high`, utility."""
        words = ("", "_low", "_high")
        ends = [f"{c}{w}" for w in words[1 : 1 + len(self.ends)] for c in self.columns]
        utility = [f"utility{w}" for w in words[: len(self.utility)]]
        return [self.key, *self.parts, *self.columns, *ends, *utility]

    @property
    def rows(self) -> list[list[str | float]]:
        """Of the table, under `header`."""
        numbers = np.hstack([self.mixture, self.cells, *self.ends, *self.utility]).tolist()
        return [[label, *cells] for label, cells in zip(self.label, numbers, strict=True)]


def forecast(
    world: World,
    mixtures: AnyPath,
    budget: float | None = None,
    tolerance: float = TOLERANCE,
    *,
    average: Average | None = None,
    task: AnyTask | None = None,
) -> Prediction:
    """Read `mixtures` and predict each row: by the average of laws, or by the world alone.

    Raises ConfigError or UnknownNameError naming the column.
    """
    trained = Trained.of_world(world)
    sheet = read_sheet(mixtures).stripped()
    columns = match(sheet, world.sources, trained.source_pattern, "source")
    targets = set(_matched(sheet, world.capabilities, trained.target_pattern).values())
    used = {*columns, *targets}
    key = trained.key if trained.key in sheet.header and trained.key not in used else None
    key = key or key_of(sheet, None)
    key = None if key in used else key
    allowed = used | {key}
    for column in sheet.header:
        if column not in allowed and not is_reserved(column):
            raise unknown(f"column in {mixtures}", column, [*columns, *RESERVED])
    if budget is None and tokens_column(sheet) is None:
        budget = trained.tokens[1] if trained.tokens[1] < 1e300 else None
    tokens, notes = read_tokens(sheet, columns, tolerance, budget)
    label = sheet.cells(key) if key else [f"line {n}" for n in sheet.lines]
    notes += _outside(tokens, label, trained, world)
    head, _, tail = trained.target_pattern.partition("*")
    wanted = None if task is None else world.task(task)
    path = paths_of(sheet.cells(key), tokens) if key else None
    if path is not None:
        notes.append(f"rows of one {key!r} are read as one run's tokens so far")
    profiles, ends, utility = told(world, average, tokens, wanted, path)
    low_high = [trained.scale.cells(e) for e in ends]  # error rates and losses turn them round
    per_unit = 100.0 if trained.scale.unit == "points" else 1.0
    return Prediction(
        key or "line",
        sheet.cells(key) if key else [str(n) for n in sheet.lines],
        [f"{head}{c}{tail}" for c in world.capabilities],
        trained.scale.cells(profiles),
        ["tokens", *(f"share_{name}" for name in world.sources)],
        _mixture(tokens),
        notes,
        tuple(f(low_high, axis=0) for f in (np.min, np.max)) if ends else (),
        tuple(per_unit * u[:, None] for u in utility),
    )


def _mixture(tokens: Array) -> Array:
    """Tokens by source (n, S) as their sum and the shares of it, (n, 1 + S); of no tokens shares of 0."""
    total = tokens.sum(axis=1, keepdims=True)
    return np.hstack([total, tokens / np.where(total > 0.0, total, 1.0)])


def told(
    world: World,
    average: Average | None,
    tokens: Array,
    task: Task | None,
    path: Array | None = None,
) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
    """Profiles (m, K) after tokens (m, S), their low and high ends, and utility (m,) with its ends.

    path (m, T, S)   the same tokens in order, where it is known

    The world alone has intervals of the size that its file says it misses by (`readsim.fitting.misfit`).
    """
    if average is not None:
        at = tokens if path is None else path
        made = average.forecast(at)
        utility = () if task is None else average.utility(at, task.utility, task.weights)
        return made.mean, (made.low, made.high), utility
    profiles, misfit = world.profile_after([tokens]), misfit_in(world)
    ends: tuple[Array, ...] = ()
    if misfit is not None:
        ends = profiles - Z95 * misfit.sd, profiles + Z95 * misfit.sd
        if world.is_score:
            ends = tuple(e.clip(world.scale.low, 1.0) for e in ends)
    if task is None:
        return profiles, ends, ()
    centre = task.utility(profiles)
    if misfit is None:
        return profiles, ends, (centre,)
    slope = task.gradient(profiles)
    half = Z95 * np.sqrt(np.einsum("mj,jk,mk->m", slope, misfit.covariance, slope))
    return profiles, ends, (centre, centre - half, centre + half)


def match(sheet: Sheet, names: tuple[str, ...], pattern: str, kind: str) -> list[str]:
    """The column of each name, written in full or short. Raises for one that is missing or doubled."""
    found = _matched(sheet, names, pattern)
    for name in names:
        if name not in found:
            message = str(unknown(kind, name, sheet.header)).removeprefix(f"unknown {kind} ")
            raise ConfigError(f"{sheet.path}: no column for {kind} {message}")
    return [found[name] for name in names]


def _matched(sheet: Sheet, names: tuple[str, ...], pattern: str) -> dict[str, str]:
    """The column of each name that has one. The full name goes before the short one."""
    head, _, tail = pattern.partition("*")
    full = {n: f"{head}{n}{tail}" for n in names}
    whole = {n: c for n, c in full.items() if c in sheet.header}
    if len(whole) == len(names) or pattern == "*":
        return whole
    mixed = {n: n for n in names if n in sheet.header}
    for name in mixed:
        if name in whole and whole[name] != name:
            raise ConfigError(f"{sheet.path}: both {name!r} and {whole[name]!r} are there")
    return {**mixed, **whole}


def _first(label: list[str], rows: NDArray[np.bool_]) -> str:
    places = np.flatnonzero(rows).tolist()
    return ", ".join([*(label[n] for n in places[:3]), *(["..."] if len(places) > 3 else [])])


def _outside(tokens: Array, label: list[str], trained: Trained, world: World) -> list[str]:
    """Warnings for rows outside of what the runs covered."""
    total, shares = np.split(_mixture(tokens), [1], axis=1)
    total = total[:, 0]
    notes = []
    low, high = trained.shares.T
    far: NDArray[np.bool_] = ((shares > high + SLACK) | (shares < low - SLACK)) & (
        total[:, None] > 0
    )
    if far.any():
        j = int(far.sum(axis=0).argmax())
        notes.append(
            f"WARNING: {int(far.any(axis=1).sum())} of {len(tokens)} rows have shares outside those of "
            f"the fitted runs (such as {world.sources[j]}: {shares[:, j].max():.3g}, fitted "
            f"{low[j]:.3g}..{high[j]:.3g}; {_first(label, far.sum(axis=1) > 0)}): extrapolated"
        )
    least, most = trained.tokens
    over: NDArray[np.bool_] = (total > most * (1 + SLACK)) | (
        (total < least * (1 - SLACK)) & (total > 0)
    )
    if over.any():
        notes.append(
            f"WARNING: {int(over.sum())} of {len(tokens)} rows have budgets outside "
            f"{show_tokens(least)}..{show_tokens(most)} tokens ({_first(label, over)}): extrapolated"
        )
    return notes


def measured_for(made: Prediction, path: AnyPath) -> Array:
    """What was measured for the rows of a forecast, (n, K), from a file with the same key and columns."""
    sheet = read_sheet(path).stripped()
    cells = tuple((text,) for text in made.label)
    own = Sheet(Path("the mixtures"), (made.key,), cells, tuple(range(2, 2 + len(cells))))
    if made.key not in sheet.header:
        raise unknown(f"column in {path} (the key of the mixtures)", made.key, sheet.header)
    return join_cells(own, sheet, made.key).numbers(made.columns, missing=True)
