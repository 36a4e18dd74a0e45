"""From 64 one-hot runs to a world, and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.plots.labels import label_points
from readsim.plots.style import BLUE, FAINT, VERMILION, Box, footnote, panels
from readsim.runs.read_logs import Log
from readsim.worlds import World, load_world
from studies.common.study import Case, Drawing, Findings, Rows, Study
from studies.sim_to_real.claims import CLAIMS, EARLIER, NANO
from studies.sim_to_real.predictors import (
    CONSTANT,
    LAW,
    LINEAR,
    WORLD,
    Predictor,
    law,
    of_seed,
    predictors,
)
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.shipped import NANO as SHIPPED
from studies.transfer_matrix.world import world_of

KEPT = Path(__file__).parent / "nano"
CHOSEN, STATIC, EVEN = "chosen", "task-static", "uniform"
PLAIN = ("uniform", "task-static", "one-hot")


def draw_predicted(frame: pd.DataFrame) -> Figure:
    """One panel a predictor; on the dotted line the prediction is right."""
    box = Box(2.9, 3.0, left=0.5, right=0.1, top=0.25, bottom=0.42)
    figure, axes_of = panels(2, box, margins=Box(0, 0, 0, 0, 0, 0.25))
    values = frame[["measured", LINEAR, WORLD]].to_numpy()
    low, high = values.min() - 4.0, values.max() + 4.0
    for axes, name, colour in zip(axes_of, (WORLD, LINEAR), (VERMILION, BLUE), strict=True):
        points = frame[[name, "measured"]].to_numpy()
        axes.plot([low, high], [low, high], color=FAINT, lw=0.8, ls=(0, (1, 2)), zorder=0)
        axes.plot(points[:, 0], points[:, 1], "o", color=colour, ms=4)
        axes.set_xlim(low, high)
        axes.set_ylim(frame["measured"].min() - 3.0, frame["measured"].max() + 3.0)
        label_points(axes, points, list(frame["allocation"]), [colour] * len(frame), NOTHING)
        axes.set_title(f"predicted by: {name}")
        axes.set_xlabel("predicted gain of utility (points)")
    axes_of[0].set_ylabel("measured gain (points)")
    footnote(
        figure,
        "Across: a simulated world; up: real training",
        "Static allocations, mean over seeds, test split. None was fitted to; one-hot was at 30K and 90K.",
    )
    return figure


NOTHING = np.zeros((0, 4))


class Runs(NamedTuple):
    """Static runs at one budget: A allocations, N seeds. change (A, N, K); weights (K,) of the task."""

    names: list[str]
    shares: Array
    change: Array
    budget: int
    weights: Array


def compare_predictors(measured: Measured, world: World, rows: Rows) -> Findings:
    """`measured` are the earlier runs that `world` was fitted to; `rows` the ones to be predicted."""
    found = {**predictors(measured, world), LAW: law(measured)}
    earlier = {name: _earlier_error(p, measured) for name, p in found.items()}
    effects = {("error-unseen", EARLIER): earlier[LINEAR] - earlier[WORLD]}
    lines: list[dict[str, object]] = [
        *_between_seeds(measured),
        *({"rows": EARLIER, "predictor": n, "error": e.mean()} for n, e in earlier.items()),
    ]
    tables, figures = {}, {}
    for case, logs in rows.items():
        runs = runs_of(case, logs)
        error = {name: _errors(p, runs) for name, p in found.items()}
        rank = {name: _ranks(p, runs, world) for name, p in found.items() if name != CONSTANT}
        for name in found:
            ranked = rank[name].mean() if name in rank else float("nan")
            line = {"predictor": name, "error": error[name].mean(), "Spearman": ranked}
            lines.append({"rows": case, **line})
        utility = 100.0 * runs.change @ runs.weights
        at = {name: utility[n] for n, name in enumerate(runs.names)}
        effects |= {
            ("error-unseen", case): error[LINEAR] - error[WORLD],
            ("rank-unseen", case): rank[WORLD] - rank[LINEAR],
            ("rank-positive", case): rank[WORLD],
            ("above-uniform", case): at[CHOSEN] - at[EVEN],
            ("not-below-task-static", case): at[CHOSEN] - at[STATIC],
        }
        stem = "".join(c if c.isalnum() else "-" for c in case).strip("-")
        frame = _mixtures(runs, found)
        tables[f"mixtures-{stem}"] = (f"{case}: gain of utility, points", frame)
        figures[f"predicted-{stem}"] = _draw(case, frame)
    tables["errors"] = (
        "errors in points (root mean square over capabilities), ranks",
        pd.DataFrame(lines),
    )
    return Findings(effects, tables, figures, [NOTE])


NOTE = (
    "Predictors learn from one-hot runs only. Between seeds: from one seed's one-hot runs to the other's; "
    "there the rows are the other seed's own, and constant is their mean."
)


def runs_of(case: str, logs: Sequence[Log]) -> Runs:
    """Raises RunLogError for shares that change, several budgets, and a missing allocation or seed."""
    found: dict[str, tuple[Array, dict[int, Array]]] = {}
    for log in logs:
        each = np.array([row.allocation for row in log.steps])
        if np.ptp(each, axis=0).max() > 1e-6:
            raise RunLogError(f"{log.path}: its shares change, expected a static allocation")
        name = log.header.allocator.rpartition("=")[2]
        found[name] = (each[0], {row.seed: row.final_change for row in log.finals})
    budgets = {log.header.budget for log in logs}
    if len(budgets) != 1:
        raise RunLogError(f"{case}: budgets {sorted(budgets)}, expected one")
    if missing := [name for name in (CHOSEN, *PLAIN) if name not in found]:
        raise RunLogError(f"{case}: no runs of {missing[0]!r}")
    seeds = sorted(found[CHOSEN][1])
    for name, (_, changes) in found.items():
        if sorted(changes) != seeds:
            raise RunLogError(f"{case}: {name!r} has seeds {sorted(changes)}, {CHOSEN!r} {seeds}")
    names = [CHOSEN, *PLAIN, *sorted(set(found) - {CHOSEN, *PLAIN})]
    return Runs(
        names,
        np.array([found[name][0] for name in names]),
        np.array([[found[name][1][seed] for seed in seeds] for name in names]),
        budgets.pop(),
        np.array(logs[0].header.requirement),
    )


def _rms(off: Array, axis: int | tuple[int, ...] = -1) -> Array:
    out: Array = 100.0 * np.sqrt(np.mean(off**2, axis=axis))
    return out


def _earlier_error(predict: Predictor, measured: Measured) -> Array:
    """(m,) one number an earlier mixture."""
    return _rms(predict(measured.shares, measured.spent) - measured.mixed)


def _between_seeds(measured: Measured) -> list[dict[str, object]]:
    seeds = sorted({run["seed"] for run in measured.info["runs"]})
    s, b = len(measured.sources), len(measured.budgets)
    shares, tokens = np.tile(np.eye(s), (b, 1)), np.repeat(np.array(measured.budgets, float), s)
    errors: dict[str, list[float]] = {}
    for seed in seeds[:2]:
        other = seeds[1] if seed == seeds[0] else seeds[0]
        truth = of_seed(measured, other).matrix.reshape(b * s, -1)
        half = of_seed(measured, seed)
        for name, predict in predictors(half, world_of(half, "half", "")).items():
            off = float(_rms(predict(shares, tokens) - truth, axis=(0, 1)))
            errors.setdefault(name, []).append(off)
    return [
        {"rows": "between seeds", "predictor": name, "error": float(np.mean(each))}
        for name, each in errors.items()
    ]


def _predicted(predict: Predictor, runs: Runs) -> Array:
    return predict(runs.shares, np.full(len(runs.names), float(runs.budget)))


def _errors(predict: Predictor, runs: Runs) -> Array:
    """(N,) one number per seed."""
    return _rms(_predicted(predict, runs)[:, None] - runs.change, axis=(0, 2))


def _ranks(predict: Predictor, runs: Runs, world: World) -> Array:
    """(N,): mean over tasks of the Spearman correlation over allocations."""
    guess = _predicted(predict, runs)
    weights = [world.task(name).weights for name in world.task_names]
    return np.array(
        [
            np.mean([spearmanr(guess @ w, runs.change[:, n] @ w).statistic for w in weights])
            for n in range(runs.change.shape[1])
        ]
    )


def _mixtures(runs: Runs, found: Mapping[str, Predictor]) -> pd.DataFrame:
    """Gains of the task's utility."""
    measured = 100.0 * runs.change @ runs.weights
    columns = {
        name: 100.0 * _predicted(found[name], runs) @ runs.weights for name in (LINEAR, WORLD)
    }
    spread = measured.std(axis=1, ddof=1) if measured.shape[1] > 1 else np.nan
    frame = pd.DataFrame({"allocation": runs.names, "measured": measured.mean(axis=1)})
    return frame.assign(**{"sd of seeds": spread, **columns})


def _draw(case: str, frame: pd.DataFrame) -> Drawing:
    best = frame["allocation"].tolist()[int(frame["measured"].to_numpy().argmax())]
    off = (frame[WORLD] - frame["measured"]).abs().mean()
    alt = (
        f"Predicted against measured gain of utility of {len(frame)} static allocations in {case}. "
        f"{best} is best; the fitted world is {off:.1f} points off on average, the mean of the one-hot "
        f"rows {(frame[LINEAR] - frame['measured']).abs().mean():.1f}."
    )
    return Drawing(f"Predicted and measured in {case}", draw_predicted(frame), alt)


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """The real runs that are kept here; `studies.sim_to_real.measure` makes them again."""
    return [Case(NANO, (), KEPT)]


def analyse(rows: Rows) -> Findings:
    """With the earlier runs and the shipped world."""
    return compare_predictors(Measured.load(SHIPPED), load_world("nano-measured"), rows)


STUDY = Study(
    name="sim_to_real",
    title="Simulated to real: the pair nano",
    source="ours",
    question="Does a world fitted to a few real runs predict others, and is the best allocation in it good?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=3,
)
