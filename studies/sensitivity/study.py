"""The study of ReAD's settings."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from readsim.allocators.registry import base_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.plots.style import BLACK, GREY, VERMILION, Box, footnote, panels, room_for, short
from readsim.runs.read_logs import Log
from readsim.stats import benjamini_hochberg, half_width, t_test
from readsim.summary.results import results_of
from studies.common.study import Drawing, Findings, Rows, Study
from studies.sensitivity.claims import CLAIMS
from studies.sensitivity.sweep import cases

DEFAULT = "default"
# claim -> the setting whose difference to the default is the effect, and its sign
ASKED = {
    "exploration": ("kappa=0", -1.0),
    "more-exploration": ("kappa=2", 1.0),
    "decay": ("kappa_decay=1.0", -1.0),
    "price": ("interaction=false", -1.0),
    "history": ("history=false", -1.0),
    "steps": ("T=5", -1.0),
    "pool": ("pool=0", -1.0),
}


def draw(shown: Mapping[str, Mapping[str, Array]]) -> Figure:
    """A panel per case; red where the interval leaves 0 out."""
    most = max(len(found) for found in shown.values())
    names = [name for found in shown.values() for name in found]
    box = Box(1.9, 0.16 * most + 0.2, left=room_for(names) + 0.1, right=0.15, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.35)
    figure, axes = panels(len(shown), box, columns=3, margins=margins)
    for axis, (case, found) in zip(axes, shown.items(), strict=True):
        for n, values in enumerate(found.values()):
            half, mean = float(np.nan_to_num(half_width(values))), float(values.mean())
            colour = VERMILION if abs(mean) > half > 0 else BLACK
            axis.errorbar(mean, -n, xerr=half, fmt="o", color=colour, ms=3.5, lw=1.0)
        axis.axvline(0.0, color=GREY, lw=0.8)
        axis.set_yticks(-np.arange(len(found)), [short(name) for name in found])
        axis.set_ylim(0.4 - len(found), 0.6)
        axis.set_title(case)
        axis.set_xlabel("utility minus default's (points)")
    footnote(
        figure,
        "Simulated worlds",
        "One setting changed at a time; paired by seed, mean over tasks; bars are 95 % intervals, not "
        "corrected; red: 0 is outside. T: number of decisions.",
    )
    return figure


def setting_of(log: Log, steps: int) -> str:
    """`default`, `T=5` for another number of steps, or what stands behind `read+`."""
    if log.header.steps != steps:
        return f"T={log.header.steps}"
    return log.header.allocator.partition("+")[2] or DEFAULT


def usual_steps(logs: Sequence[Log]) -> int:
    """The number of steps that most logs have; the larger of two."""
    counts = Counter(log.header.steps for log in logs)
    return max(counts, key=lambda steps: (counts[steps], steps))


def differences(logs: Sequence[Log]) -> dict[str, Array]:
    """Setting -> utility minus that of the default in points, mean over tasks, one number per seed.

    Raises RunLogError without runs of `read` as it is, or where the runs of a setting are not the same
    tasks, budgets and seeds.
    """
    read = [log for log in logs if base_name(log.header.allocator) == "read"]
    if not read:
        found = sorted({log.header.allocator for log in logs})
        raise RunLogError(f"expected runs of `read` and `read+setting=value`, found {found}")
    steps = usual_steps(read)
    parts = [results_of([log]).assign(setting=setting_of(log, steps)) for log in read]
    frame = pd.concat(parts, ignore_index=True)
    keys = ["budget", "task", "seed"]
    by_run = frame.set_index(["setting", *keys])["utility"]
    if DEFAULT not in by_run.index.get_level_values("setting"):
        raise RunLogError(f"no runs of `read` with its defaults at {steps} steps")
    if twice := by_run.index[by_run.index.duplicated()].tolist():
        raise RunLogError(f"two runs of {twice[0]}")
    wide = by_run.unstack("setting")
    if wide.isna().to_numpy().any():
        place = wide.isna().stack()
        raise RunLogError(f"no run of {place.index[place.to_numpy()][0]}")
    by_seed = 100.0 * wide.groupby("seed").mean()
    names = sorted(by_seed.columns.drop(DEFAULT), key=_place)
    return {name: (by_seed[name] - by_seed[DEFAULT]).to_numpy() for name in names}


def _place(name: str) -> tuple[int, str]:
    """By name, numbers of steps last and by number."""
    return (int(name[2:]), "") if name.startswith("T=") else (0, name)


def analyse(rows: Rows) -> Findings:
    """Effects, one table, one figure. Raises RunLogError for a case with the default alone."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    shown: dict[str, dict[str, Array]] = {}
    for case, logs in rows.items():
        found = shown[case] = differences(logs)
        if not found:
            raise RunLogError(f"{case}: expected runs of `read+setting=value` as well as `read`")
        for claim, (setting, sign) in ASKED.items():
            if setting in found:
                effects[claim, case] = sign * found[setting]
        lines += _lines(case, found)
    frame = pd.DataFrame(lines)
    clear = frame[frame["q"] <= 0.1]
    names = ", ".join(f"{c}: {s}" for c, s in zip(clear["case"], clear["setting"], strict=True))
    alt = (
        "Difference in final utility to ReAD's default for each changed setting, a panel per case. "
        f"Significant at a false discovery rate of 10 %: {names or 'none'}."
    )
    figure = Drawing("ReAD with one setting changed", draw(shown), alt)
    title = "utility minus the default's, points; q: Benjamini-Hochberg within the case"
    return Findings(effects, {"settings": (title, frame)}, {"settings": figure})


def _lines(case: str, found: dict[str, Array]) -> list[dict[str, object]]:
    p = np.array([t_test(values) for values in found.values()])
    q = benjamini_hochberg(p) if np.isfinite(p).all() else np.full(len(p), np.nan)
    return [
        {
            "case": case,
            "setting": setting,
            "difference": float(values.mean()),
            "+-": float(half_width(values)),
            "q": float(q[n]),
        }
        for n, (setting, values) in enumerate(found.items())
    ]


STUDY = Study(
    name="sensitivity",
    title="Sensitivity: ReAD's settings, one at a time",
    source="S3.3, S5, S6, Eqs. (8) to (11)",
    question="Which of ReAD's settings change what it reaches, and do they do what they are for?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)
