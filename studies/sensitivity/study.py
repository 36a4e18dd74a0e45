"""The study of ReAD's settings."""

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.stats import benjamini_hochberg, half_width, t_test
from studies.common.study import Drawing, Findings, Rows, Study
from studies.sensitivity.claims import CLAIMS
from studies.sensitivity.differences import differences
from studies.sensitivity.figure import draw
from studies.sensitivity.sweep import cases

# Which settings matter: differences to the default, many at once.

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
        f"Told apart from 0 at a false discovery rate of 10 %: {names or 'none'}."
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
