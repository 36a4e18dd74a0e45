"""The tables beside a fitted world."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from readsim.checkpoint import write_atomic
from readsim.fitting.law import Fitted
from readsim.fitting.quality import quality
from readsim.fitting.sure import Interval, Sure
from readsim.fitting.units import Scale

Cells = Iterable[object]


def write_table(path: Path, header: Cells, rows: Iterable[Cells]) -> None:
    """A CSV file, whole or not at all; numbers with 7 digits."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    for row in rows:
        table.writerow(f"{cell:.7g}" if isinstance(cell, float) else cell for cell in row)
    write_atomic(path, text.getvalue().encode())


def capability_rows(fitted: Fitted, sure: Sure, scale: Scale) -> Iterable[list[Any]]:
    """Held-out error, start and bound of each capability in the file's unit, with intervals."""
    for j, q in enumerate(quality(fitted)):
        bounds = []
        for interval in (sure.start, sure.ceiling):
            ends = [scale.cells(v[None])[0, j] for v in interval]
            bounds += [float(ends[0]), float(min(ends[1:])), float(max(ends[1:]))]
        yield [q.capability, q.rows, q.rmse * scale.per_unit, q.spearman, q.r2, *bounds]


def effect_rows(fitted: Fitted, sure: Sure, scale: Scale) -> Iterable[list[object]]:
    """The effect of one more percent of each source on each capability; positive is better."""
    shown = Interval(*(v * scale.per_unit for v in sure.effect))
    for i, source in enumerate(fitted.world.sources):
        for j, capability in enumerate(fitted.world.capabilities):
            ends = [float(v[i, j]) for v in shown]
            yield [source, capability, *ends, int(shown.spans_zero[i, j])]


CAPABILITY_HEADER = (
    *("capability", "rows", "held_out_rmse", "held_out_spearman", "held_out_r2"),
    *("start", "start_low", "start_high", "bound", "bound_low", "bound_high"),
)
EFFECT_HEADER = ("source", "capability", "effect_of_1_percent", "low", "high", "spans_zero")


def write_tables(fitted: Fitted, sure: Sure, scale: Scale, stem: Path) -> list[Path]:
    """STEM.fit.csv and STEM.effects.csv."""
    paths = [stem.with_name(f"{stem.name}.{word}.csv") for word in ("fit", "effects")]
    write_table(paths[0], CAPABILITY_HEADER, capability_rows(fitted, sure, scale))
    write_table(paths[1], EFFECT_HEADER, effect_rows(fitted, sure, scale))
    return paths
