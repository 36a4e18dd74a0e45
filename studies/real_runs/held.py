"""Fit to one half of a pair's real runs, forecast the other, and judge the claims."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from scipy.stats import spearmanr

from readsim.arrays import Array
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from studies.common.claim import judge
from studies.common.show import show_verdicts
from studies.real_runs.claims import CLAIMS, PAIRS
from studies.real_runs.forecast import Forecast, fit_runs, regression
from studies.real_runs.rows import RealRun, RealTable, read_table

KEPT = Path(__file__).parent
PEAK, LATE = 0.05, 0.1
LEAST = 3  # held runs of a budget, and runs to fit


def main(
    pair: Annotated[
        str, typer.Option(help="The table of this pair beside the study is read.")
    ] = "nano",
    table: Annotated[Path | None, typer.Option(help="This table is read instead.")] = None,
) -> None:
    """Fit to half of a pair's real runs, forecast the other half."""
    console = Terminal()
    effects, frame = compare(read_table(table or KEPT / f"{pair}.csv"), pair)
    case = pair if pair in PAIRS else PAIRS[0]
    verdicts = [judge(c, case, effects[c.id]) for c in CLAIMS if c.id in effects]
    show_verdicts(console, f"real runs of {pair}", verdicts)
    console.print(frame.round(3).to_string(index=False), markup=False)
    console.print(
        f"{len(frame)} held runs: scores off by {frame['error'].mean():.1f} points (regression "
        f"{frame['regression'].mean():.1f}), {frame['inside'].mean():.0%} inside their 95 % interval; rank "
        f"correlation over all budgets {frame.attrs['rank']:.2f}"
    )
    slope, error = frame.attrs["recency"]
    console.print(
        f"late tokens of its own source add {slope:+.1f} points to a score beyond the forecast, from none of "
        f"them to all (standard error {error:.1f}; schedules only)"
    )


def compare(table: RealTable, name: str) -> tuple[dict[str, Array], pd.DataFrame]:
    """Effects by claim, and one row a held run: errors in points, share of scores inside their interval.

    The frame's `attrs["rank"]` is `rank_of` all held runs. Raises ConfigError for too few runs.
    """
    seen, held = table.part(held=False), table.part(held=True)
    if min(len(seen.runs), len(held.runs)) < LEAST:
        raise ConfigError(
            f"{len(seen.runs)} runs to fit, {len(held.runs)} held: at least {LEAST} each"
        )
    forecast = fit_runs(seen, f"{name}-half")
    made = [forecast.scores(run.tokens) for run in held.runs]
    plain = regression(seen, [run.tokens for run in held.runs])
    measured = np.array([run.final for run in held.runs])
    value = np.array([each.value for each in made])
    inside = np.array(
        [
            (e.low <= run.final) & (run.final <= e.high)
            for e, run in zip(made, held.runs, strict=True)
        ]
    ).mean(axis=1)
    off, off_plain = (100.0 * np.abs(p - measured).mean(axis=1) for p in (value, plain))
    frame = pd.DataFrame(
        {
            "run": [run.name for run in held.runs],
            "seed": [run.seed for run in held.runs],
            "kind": [run.kind for run in held.runs],
            "budget": [run.budget for run in held.runs],
            "error": off,
            "regression": off_plain,
            "inside": inside,
        }
    )
    frame.attrs["rank"] = rank_of(held, value)
    frame.attrs["recency"] = recency(held, forecast, measured - value)
    effects: dict[str, Array] = {
        "error-held": 3.5 - off,
        "cover-held": inside - 0.92,
        "above-linear": off_plain - off,
        "peaks": np.array([_peaks(run) - 0.2 for run in table.runs]),
    }
    if ranks := _ranks(held, value):
        effects["rank-held"] = np.array(ranks)
    if orders := _orders(frame):
        effects["order-matters"] = np.array(orders)
    return effects, frame


def recency(held: RealTable, forecast: Forecast, missed: Array) -> tuple[float, float]:
    """Slope and standard error, in points, of what a forecast missed (n, K) on how much more of a
    capability's own source the late tokens had than all: weights fall e-fold in LATE of the counted tokens.

    Two-phase runs, and capabilities that have a source of their name.
    """
    own = [(held.sources.index(c), j) for j, c in enumerate(held.capabilities) if c in held.sources]
    x, y = [], []
    for run, errors in zip(held.runs, missed, strict=True):
        if run.kind == "two-phase":
            tokens = forecast.counted(run.tokens)
            total = tokens.sum()
            left = 1.0 - np.cumsum(tokens.sum(axis=1)) / total
            late = np.exp(-left / LATE) @ tokens
            more = late / late.sum() - tokens.sum(axis=0) / total
            x += [more[i] for i, _ in own]
            y += [errors[j] for _, j in own]
    if not x:
        return float("nan"), float("nan")
    shares, points = np.array(x), 100.0 * np.array(y)
    slope = float(shares @ points / (shares @ shares))
    error = float(np.sqrt(((points - slope * shares) ** 2).mean() / (shares @ shares)))
    return slope, error


def _peaks(run: RealRun) -> float:
    """Share of capabilities whose best probe is more than PEAK above the last."""
    return float((run.probed.max(axis=0) - run.probed[-1] > PEAK).mean())


def _ranks(held: RealTable, value: Array) -> list[float]:
    """One number a budget: `rank_of` its runs."""
    out = []
    for budget in held.budgets:
        at = [n for n, run in enumerate(held.runs) if run.budget == budget]
        if len(at) >= LEAST:
            out.append(rank_of(replace(held, runs=tuple(held.runs[n] for n in at)), value[at]))
    return out


def rank_of(held: RealTable, value: Array) -> float:
    """Mean over tasks of the Spearman correlation of foretold (n, K) and measured utility."""
    measured = np.array([run.final for run in held.runs])
    weights = [held.weights(task) for task in held.tasks]
    return float(np.mean([spearmanr(value @ w, measured @ w).statistic for w in weights]))


def _orders(frame: pd.DataFrame) -> list[float]:
    """One number a budget that has both kinds: error of schedules minus error of static shares."""
    is_schedule = frame["kind"] == "two-phase"
    out = []
    for _, rows in frame.groupby("budget"):
        ordered = is_schedule[rows.index]
        if ordered.any() and not ordered.all():
            out.append(float(rows[ordered]["error"].mean() - rows[~ordered]["error"].mean()))
    return out
