"""Predictions and what followed, from the step rows of ReAD's logs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.allocators.registry import base_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log

REPORTED = ("mu", "sigma", "reward", "kappa", "calibration")
SMALL_MOVE = 0.5  # |alpha_t - alpha_{t-1}|_1: a quarter of the tokens goes elsewhere


def read_runs(logs: Sequence[Log]) -> list[Log]:
    """The logs of ReAD, `read` with or without settings. Raises RunLogError if there are none or several."""
    named = [log for log in logs if base_name(log.header.allocator) == "read"]
    kinds = sorted({log.header.allocator for log in named})
    if len(kinds) != 1:
        found = sorted({log.header.allocator for log in logs})
        raise RunLogError(f"expected runs of one `read`, with or without settings, found {found}")
    return named


def steps_of(logs: Sequence[Log]) -> pd.DataFrame:
    """One row per step: seed, run, step, mu, sigma, reward, kappa, calibration, move.

    mu, sigma and reward are in points. `move` is |alpha_t - alpha_{t-1}|_1, missing at the first step.
    Raises RunLogError where a step does not report what was predicted.
    """
    lines = []
    for log in logs:
        for seed, logged in log.runs.items():
            before = None
            for row in logged.steps:
                if missing := [key for key in REPORTED if key not in row.report]:
                    where = f"{log.path}: seed {seed}, step {row.step}"
                    raise RunLogError(f"{where}: its report lacks {', '.join(missing)}")
                shares = row.allocation
                move = np.nan if before is None else round(float(np.abs(shares - before).sum()), 9)
                before = shares
                run = f"{log.header.task}.{log.header.budget}"
                line = {"seed": seed, "run": run, "step": row.step, "move": move}
                lines.append({**line, **{key: row.report[key] for key in REPORTED}})
    frame = pd.DataFrame(lines)
    frame[["mu", "sigma", "reward"]] *= 100.0
    return frame


def spearman(a: pd.Series, b: pd.Series) -> float:
    """Rank correlation; 0 where one of the two never changes, so that it tells nothing of the other."""
    return pearson(a.rank(), b.rank())


def pearson(a: pd.Series, b: pd.Series) -> float:
    """Correlation of values in the same order; 0 where one of the two never changes."""
    if a.nunique() < 2 or b.nunique() < 2:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def reversal(run: pd.DataFrame) -> float:
    """Rank correlation of R with minus the R before it: what the noise of the probe between gives away."""
    return spearman(-run["reward"].iloc[:-1], run["reward"].iloc[1:])


def slope(x: pd.Series, y: pd.Series) -> float:
    """Least-squares slope of y on x; 0 where x never changes."""
    return float(np.polyfit(x, y, 1)[0]) if x.nunique() > 1 else 0.0


def statistics(steps: pd.DataFrame) -> dict[str, float]:
    """Everything that is said of the steps of one seed."""
    error = (steps["mu"] - steps["reward"]).abs()
    moved = steps["move"].notna()
    small = moved & (steps["move"] <= SMALL_MOVE)
    moves = [
        spearman((run["mu"] - run["reward"]).abs()[1:], run["move"][1:])
        for _, run in steps.groupby("run")
    ]
    last = steps.loc[steps.groupby("run")["step"].idxmax(), "calibration"]
    within = [spearman(run["mu"], run["reward"]) for _, run in steps.groupby("run")]
    covered = {
        f"covered by {name}": 100.0 * float((error <= factor * steps["sigma"]).mean())
        for name, factor in (("kappa sigma", steps["kappa"]), ("2 sigma", 2.0))
    }
    return {
        "Spearman": spearman(steps["mu"], steps["reward"]),
        "Pearson": pearson(steps["mu"], steps["reward"]),
        "Spearman within a run": float(np.mean(within)),
        "of minus the last R": float(np.mean([reversal(run) for _, run in steps.groupby("run")])),
        "slope": slope(steps["mu"], steps["reward"]),
        "mean mu - R": float((steps["mu"] - steps["reward"]).mean()),
        "error": float(error.mean()),
        "error, small moves": float(error[small].mean()),
        "error, large moves": float(error[moved & ~small].mean()),
        "Spearman of error and move": float(np.mean(moves)),
        "small moves, %": 100.0 * float(small[moved].mean()) if moved.any() else np.nan,
        **covered,
        "dev slope": float(last.mean()),
        "dev slope above 0, %": 100.0 * float((last > 0).mean()),
    }


def promises(case: str, logs: Sequence[Log]) -> list[dict[str, object]]:
    """By task, in points: sum of rewards, r . change on the probe split and on the test split."""
    lines: list[dict[str, object]] = []
    for log in logs:
        r = np.array(log.header.requirement)
        sums: list[Array] = []
        for run in log.runs.values():
            probe = r @ (run.steps[-1].profile - run.start.profile)
            test = r @ run.final.final_change[log.visible]
            rewards = sum(row.report["reward"] for row in run.steps)
            sums.append(100.0 * np.array([rewards, probe, test]))
        names = ("sum of rewards", "gain on probes", "gain on test")
        means = dict(zip(names, np.mean(sums, axis=0).tolist(), strict=True))
        lines.append({"case": case, "task": log.header.task, **means})
    return lines
