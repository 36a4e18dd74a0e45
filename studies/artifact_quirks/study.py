"""The study of the public code's traps."""

from collections.abc import Sequence

import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.summary.results import results_of
from studies.artifact_quirks.claims import CLAIMS
from studies.artifact_quirks.sweep import DEFAULT, QUIRKS, REPEATED, cases
from studies.common.compared import check_one_world, values_of
from studies.common.figures import draw_forest
from studies.common.study import Drawing, Findings, Rows, Study

# What each switch costs: utility without it minus with it, seed by seed.

NAMES = {allocator: name for name, allocator in QUIRKS.items()}


def analyse(rows: Rows) -> Findings:
    """Effects, a table and a figure."""
    effects: dict[tuple[str, str], Array] = {}
    lines = []
    for case, logs in rows.items():
        utility = _utilities(case, logs)
        default = utility.pop(DEFAULT)
        for name, values in utility.items():
            cost = default - values
            effects[name, case] = cost
            lines.append(
                {"case": case, "switch": name, "utility": values.mean(), "cost": cost.mean()}
            )
        lines.append({"case": case, "switch": "none", "utility": default.mean(), "cost": 0.0})
    worst = max(effects, key=lambda key: float(effects[key].mean()))
    note = (
        "Mean over tasks of each seed, 95 % intervals over seeds; the dotted line is ReAD without "
        "any. Repeated prompts are another world, in which every allocator would end lower."
    )
    figure = draw_forest(effects, "points of utility that it costs", "Simulated worlds", note)
    alt = (
        f"What each trap costs ReAD, by world. The dearest is {worst[0]} in {worst[1]}: "
        f"{effects[worst].mean():.1f} points."
    )
    table = ("what each trap costs, points", pd.DataFrame(lines))
    drawing = Drawing("Cost of each trap", figure, alt)
    return Findings(effects, {"quirks": table}, {"quirks": drawing}, [NOTE])


NOTE = (
    "Not simulated: dropped generations that are not charged (only student tokens are budgeted here), a "
    "dev split that is the test split (no rule here picks by the test split), absolute scores learnt as "
    "differences (the requirement is given here), two bandits that disagree with one seed (readsim's "
    "streams are recorded)."
)


def _utilities(case: str, logs: Sequence[Log]) -> dict[str, Array]:
    """Name of the switch -> utility (N,) in points, mean over tasks; the default's under its own."""
    again = [log for log in logs if log.header.world.endswith(REPEATED)]
    plain = [log for log in logs if not log.header.world.endswith(REPEATED)]
    if not plain:
        raise RunLogError(f"{case}: no runs in a world with fresh prompts")
    check_one_world(case, [log.header.world for log in plain])
    check_one_world(case, [log.header.world for log in again])
    frame = results_of(plain)
    budgets = sorted(frame["budget"].unique())
    if len(budgets) > 1:
        raise RunLogError(f"{case}: budgets {budgets}, expected one")
    known = [a for a in frame["allocator"].unique() if a in NAMES or a == DEFAULT]
    if DEFAULT not in known or len(known) < 2:
        raise RunLogError(f"{case}: {DEFAULT!r} and one of its switches are needed, found {known}")
    wanted = [DEFAULT, *(a for a in QUIRKS.values() if a in known)]
    out = {NAMES.get(a, a): _mean(frame, budgets[0], a) for a in wanted}
    if again:
        out[REPEATED] = _mean(results_of(again), budgets[0], DEFAULT)
    return out


def _mean(frame: pd.DataFrame, budget: int, allocator: str) -> Array:
    out: Array = 100.0 * values_of(frame, budget, allocator, "utility").mean(axis=0)
    return out


STUDY = Study(
    name="artifact_quirks",
    title="Traps of the public code, one switch each",
    source="the public code, read after our defaults were frozen",
    question="What does each trap of the public code cost?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
