"""The files of a fit: a world with noise, horizon and a provenance that `readsim predict` reads; tables."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files.cells import shielded
from readsim.fitting.averaged import Fit
from readsim.fitting.diagnostics import compare_columns, items_of, quality
from readsim.fitting.intervals import FitIntervals, Interval
from readsim.fitting.law import Fitted
from readsim.fitting.misfit import KEY as MISFIT
from readsim.fitting.misfit import misfit_of, misfit_text
from readsim.fitting.table import Runs
from readsim.fitting.units import UNITS, Scale
from readsim.tree_file import write_atomic
from readsim.worlds.world import World

Cells = Iterable[object]
CAPABILITY_HEADER = (
    *("capability", "rows", "held_out_rmse", "held_out_spearman", "held_out_r2"),
    *("start", "start_low", "start_high", "bound", "bound_low", "bound_high"),
)
EFFECT_HEADER = ("source", "capability", "effect_of_1_percent", "low", "high", "spans_zero")


@dataclass(frozen=True, eq=False)
class Trained:
    """What predictions for other files need to know of the runs; plain text in the provenance.

    shares (S, 2) are the least and largest share of each source, tokens the smallest and largest run.
    """

    scale: Scale
    source_pattern: str
    target_pattern: str
    key: str
    shares: Array
    tokens: tuple[float, float]

    @classmethod
    def of_runs(cls, runs: Runs) -> Self:
        """From the runs of a fit."""
        total = np.round(runs.tokens.sum(axis=1))  # counts, without what adding shares left over
        trained = total > 0.0
        shares = runs.tokens[trained] / total[trained, None]
        return cls(
            runs.scale,
            runs.source_pattern,
            runs.target_pattern,
            runs.key,
            np.stack([shares.min(axis=0), shares.max(axis=0)], axis=1),
            (float(total[trained].min()), float(total.max())),
        )

    def provenance(self, world: World) -> dict[str, str]:
        """The entries of the world's provenance."""
        lower = [world.capabilities[j] for j in self.scale.lower]
        return {
            "unit": self.scale.unit,
            "error_rates": json.dumps(lower),
            "source_columns": self.source_pattern,
            "target_columns": self.target_pattern,
            "key_column": self.key,
            "share_range": json.dumps(np.round(self.shares, 6).tolist()),
            "token_range": json.dumps(self.tokens),
        }

    @classmethod
    def of_world(cls, world: World) -> Self:
        """From a world's file. A world that was not fitted has no ranges: everything is inside."""
        notes = world.provenance
        s = len(world.sources)
        try:
            shares = np.array(json.loads(notes.get("share_range", json.dumps([[0, 1]] * s))))
            least, most = json.loads(notes.get("token_range", "[0, 1e300]"))
            lower = json.loads(notes.get("error_rates", "[]"))
            unit = notes.get("unit", "scores" if world.is_score else "losses")
            scale = Scale(unit, tuple(world.capabilities.index(c) for c in lower))
            tokens = (float(least), float(most))
            if shares.shape != (s, 2) or shares.dtype.kind not in "iuf" or unit not in UNITS:
                raise ValueError(f"share_range of shape {shares.shape}, unit {unit!r}")
            if not 0.0 <= tokens[0] <= tokens[1]:
                raise ValueError(f"token_range is {notes['token_range']}")
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ConfigError(f"provenance of world {world.name!r}: {error}") from error
        return cls(
            scale,
            notes.get("source_columns", "*"),
            notes.get("target_columns", "*"),
            notes.get("key_column", ""),
            shares,
            tokens,
        )


NOT_IDENTIFIED = "not identified"


def documented(fit: Fit, sure: FitIntervals, runs: Runs, warnings: Sequence[str]) -> World:
    """The fitted world with its noise as probe items, its horizon, how far it misses, which of its numbers
    no run speaks of, and where it comes from."""
    fitted = fit.law
    items, which = items_of(fitted, runs.items)
    choice, per_unit = fitted.choice, runs.scale.per_unit
    rows = quality(fitted)
    error = ", ".join(f"{q.capability} {q.rmse * per_unit:.4g}" for q in rows)
    mean = np.mean([q.spearman for q in rows])
    trained = Trained.of_runs(runs)
    known = " (known)" if fitted.data.start is not None else " (fitted)"
    notes = {
        "data": f"{', '.join(runs.files)}: {len(runs.tokens)} rows",
        "preparation": "; ".join(runs.notes),
        "law": (
            f"{choice.curves} {choice.gain} gain curves that sources share, "
            f"{'with' if choice.harm else 'without'} harm, {choice.link} link, average of "
            f"{len(fitted.solutions)} restarts; l1 {choice.l1:g}, ridge {choice.ridge:g}, reach "
            f"{choice.reach:g}; chosen by cross-validation on these rows"
        ),
        "average": average_text(fit),
        MISFIT: misfit_text(misfit_of(fitted, runs.items)),
        "not_identified": not_identified(fitted, sure),
        "held_out_rmse": f"in {runs.scale.unit}: {error}",
        "held_out_spearman": f"mean {mean:.4f}",
        "bounds": (
            f"start{known}; ceiling: what endless training would bring (fitted); "
            + (
                "losses are negated, without a floor"
                if not fitted.world.is_score
                else f"floor {runs.scale.lowest:g}"
            )
        ),
        "noise": f"items give the noise of the runs, from {which}",
        "caveat": "fitted to runs of one student and one kind of training: says nothing of others",
        "warnings": "; ".join(warnings),
        **trained.provenance(fitted.world),
    }
    return fitted.world.replace(
        description=f"fitted to {len(runs.tokens)} rows of {', '.join(runs.files[:2])}",
        items=items,
        test_items=items,
        horizon=trained.tokens[1],
        provenance={key: text for key, text in notes.items() if text},
    )


def average_text(fit: Fit) -> str:
    """The mean weight of each law, and what was learned of chosen rows and of a guide."""
    shares = fit.average.weights.mean(axis=1)
    named = sorted(zip(shares, fit.average.names, strict=True), reverse=True)
    out = "weights of the laws, mean over capabilities: "
    out += ", ".join(f"{name} {share:.2f}" for share, name in named)
    if np.isfinite(fit.chosen_weight):
        out += f"; a chosen run counts {fit.chosen_weight:g} of another one"
    if fit.trust is not None:
        each = zip(fit.law.world.capabilities, fit.trust, strict=True)
        out += "; trust in the prior: " + ", ".join(f"{name} {t:.2f}" for name, t in each)
    return out


def not_identified(fitted: Fitted, sure: FitIntervals) -> str:
    """`start of a, b; ceiling of a`, or nothing."""
    parts = []
    for word, interval in (("start", sure.start), ("ceiling", sure.ceiling)):
        names = [fitted.world.capabilities[j] for j in np.flatnonzero(~interval.known)]
        if names:
            parts.append(f"{word} of {', '.join(names)}")
    return "; ".join(parts)


def unknown_starts(world: World) -> list[str]:
    """The capabilities whose start the runs of a fitted world do not determine, as its file says it."""
    parts = world.provenance.get("not_identified", "").split("; ")
    starts = [part.removeprefix("start of ") for part in parts if part.startswith("start of ")]
    named = starts[0].split(", ") if starts else []
    return [name for name in named if name in world.capabilities]


def write_table(path: Path, header: Cells, rows: Iterable[Cells]) -> None:
    """A CSV file, whole or not at all; numbers with 7 digits."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(map(shielded, header))
    for row in rows:
        table.writerow(f"{cell:.7g}" if isinstance(cell, float) else shielded(cell) for cell in row)
    write_atomic(path, text.getvalue().encode())


def capability_rows(fit: Fit, sure: FitIntervals, scale: Scale) -> Iterable[list[Any]]:
    """Held-out error of the average, start and bound of each capability in the file's unit, with intervals;
    `not identified` for a bound that no run speaks of."""
    made = compare_columns(fit.average.held_out, fit.law.targets, fit.law.world.capabilities)
    for j, q in enumerate(made):
        bounds: list[Any] = []
        for interval in (sure.start, sure.ceiling):
            if not interval.known[j]:
                bounds += [NOT_IDENTIFIED, "", ""]
                continue
            ends = [scale.cells(v[None])[0, j] for v in interval]
            bounds += [float(ends[0]), float(min(ends[1:])), float(max(ends[1:]))]
        yield [q.capability, q.rows, q.rmse * scale.per_unit, q.spearman, q.r2, *bounds]


def effect_rows(fitted: Fitted, sure: FitIntervals, scale: Scale) -> Iterable[list[object]]:
    """The effect of one more percent of each source on each capability; positive is better."""
    shown = Interval(*(v * scale.per_unit for v in sure.effect))
    for i, source in enumerate(fitted.world.sources):
        for j, capability in enumerate(fitted.world.capabilities):
            ends = [float(v[i, j]) for v in shown]
            yield [source, capability, *ends, int(shown.spans_zero[i, j])]


def write_tables(fit: Fit, sure: FitIntervals, scale: Scale, stem: Path) -> list[Path]:
    """STEM.fit.csv and STEM.effects.csv."""
    paths = [stem.with_name(f"{stem.name}.{word}.csv") for word in ("fit", "effects")]
    write_table(paths[0], CAPABILITY_HEADER, capability_rows(fit, sure, scale))
    write_table(paths[1], EFFECT_HEADER, effect_rows(fit.law, sure, scale))
    return paths
