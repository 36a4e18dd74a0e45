"""The study of Table 7: the hidden capability under ReAD and the best baseline by what is seen."""

from collections.abc import Sequence

import pandas as pd

from readsim.allocators.registry import base_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.summary.results import FINAL, results_of
from studies.common.compared import check_one_world, is_rival, sizes, values_of
from studies.common.figures import draw_forest
from studies.common.study import Drawing, Findings, Rows, Study
from studies.table7.claims import CLAIMS
from studies.table7.sweep import READ, UNPRICED, cases


def analyse(rows: Rows) -> Findings:
    """Effects, the paper's table with more columns, and a figure."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    shown: dict[tuple[str, str], Array] = {}
    for whole, logs in rows.items():
        check_one_world(whole, [log.header.world for log in logs])
        hidden = hidden_of(whole, logs)
        frame = results_of(logs)
        for budget, case in sizes(whole, set(frame["budget"])).items():
            scores = {
                a: 100.0 * values_of(frame, budget, a, f"{FINAL}{hidden}").mean(axis=0)
                for a in _allocators(whole, frame)
            }
            utility = {a: 100.0 * values_of(frame, budget, a, "utility").mean() for a in scores}
            read = next(a for a in scores if base_name(a) == READ)
            best = max((a for a in scores if is_rival(a)), key=utility.__getitem__)
            effects["not-worse", case] = effects["better", case] = scores[read] - scores[best]
            if UNPRICED in scores:
                effects["price-helps", case] = scores[read] - scores[UNPRICED]
            for a, values in scores.items():
                lines.append(_line(case, a, "best baseline" if a == best else "", scores, utility))
                if a != read:
                    shown[f"{case}: {a}", "ReAD minus it"] = scores[read] - values
    note = "Final score of the hidden capability, ReAD minus each, mean over tasks; 95 % intervals."
    figure = draw_forest(shown, "points of the hidden capability", "Simulated worlds", note)
    worse = sum(float(v.mean()) < 0 for (c, _), v in effects.items() if c == "better")
    alt = (
        f"ReAD minus each other allocator on what is hidden, by world and budget; it is below the best "
        f"baseline in {worse} of {sum(c == 'better' for c, _ in effects)} cases."
    )
    table = ("the hidden capability at the end, points", pd.DataFrame(lines))
    drawing = Drawing("What is hidden, by allocator", figure, alt)
    return Findings(effects, {"hidden": table}, {"hidden": drawing}, [NOTE])


NOTE = (
    "A simulated world has one hidden score. Rates of refusal of safe and of unsafe prompts are shown by "
    "`readsim distill` with XSTest; its hidden score is the mean of both rates, each counted as good."
)


def hidden_of(case: str, logs: Sequence[Log]) -> str:
    """The name of the one hidden capability. Raises RunLogError without it."""
    hidden = logs[0].header.hidden
    if len(hidden) != 1:
        raise RunLogError(
            f"{case}: one hidden capability is needed, these runs have {list(hidden)}"
        )
    return hidden[0]


def _allocators(case: str, frame: pd.DataFrame) -> list[str]:
    names = list(frame["allocator"].unique())
    if sum(base_name(a) == READ for a in names) != 1 or not any(map(is_rival, names)):
        raise RunLogError(f"{case}: one ReAD and a baseline are needed, found {names}")
    return names


def _line(
    case: str, name: str, note: str, scores: dict[str, Array], utility: dict[str, float]
) -> dict[str, object]:
    return {
        "case": case,
        "allocator": name,
        "hidden": scores[name].mean(),
        "utility": utility[name],
        "role": note,
    }


STUDY = Study(
    name="table7",
    title="Table 7: a capability that no probe shows",
    source="S6 RQ4, App. D, Table 7",
    question="Does ReAD harm what it cannot see more than the best baseline does?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
