"""The study of Figure 5: a specialist and ReAD on the specialist's target, and on everything else."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.allocators.registry import base_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.comparing import method_of
from readsim.runs.read_logs import Log
from readsim.summary.results import FINAL, results_of
from studies.common.compared import check_one_world, sizes, values_of
from studies.common.figures import draw_forest
from studies.common.study import Drawing, Findings, Rows, Study
from studies.figure5.claims import CLAIMS
from studies.figure5.sweep import READ, SPECIALIST, cases

BOUND = "specialist-bound"


class Pair(NamedTuple):
    """Final scores in points, G targets: of the target (G, N), mean of all others (G, N)."""

    targets: list[str]
    methods: list[str]
    read: tuple[Array, Array]
    specialist: tuple[Array, Array]


def analyse(rows: Rows) -> Findings:
    """Effects, a table and a figure."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    shown: dict[tuple[str, str], Array] = {}
    for whole, logs in rows.items():
        check_one_world(whole, [log.header.world for log in logs])
        for budget, case in sizes(whole, {log.header.budget for log in logs}).items():
            pair = pair_of([log for log in logs if log.header.budget == budget])
            own, others = (r - s for r, s in zip(pair.read, pair.specialist, strict=True))
            effects |= {
                ("never-worse", case): own.min(axis=0),
                ("target-mean", case): own.mean(axis=0),
                ("elsewhere", case): others.mean(axis=0),
                (BOUND, case): (-own).min(axis=0),
            }
            for g, target in enumerate(pair.targets):
                shown[f"{case}: {target}", "its target"] = own[g]
                shown[f"{case}: {target}", "all others"] = others[g]
            lines += _lines(case, budget, pair)
    note = "ReAD minus the specialist, same seeds, final scores; 95 % intervals over seeds."
    figure = draw_forest(shown, "points, ReAD minus specialist", "Simulated worlds", note)
    above = {case: int((v < -1e-9).sum()) for (c, case), v in effects.items() if c == BOUND}
    told = "; ".join(f"{case} {n}" for case, n in above.items())
    counted = (
        "Seeds with ReAD above the specialist on a target "
        f"(without help the one-hot bound allows none): {told}."
    )
    below = sum(float(values.mean()) < 0 for (_, s), values in shown.items() if s == "its target")
    alt = (
        f"ReAD minus specialist on the specialist's target and elsewhere, by world, budget and target. "
        f"On the target ReAD is below in {below} of {len(shown) // 2}."
    )
    table = ("specialists and ReAD, final scores in points", pd.DataFrame(lines))
    drawing = Drawing("Specialists and ReAD", figure, alt)
    return Findings(effects, {"specialists": table}, {"specialists": drawing}, [NOTE, counted])


NOTE = (
    "In a simulated world a specialist is one-hot training on its target with the world's one signal; the "
    "three published ones are methods of `readsim distill`, whose rows --rows reads."
)


def pair_of(logs: Sequence[Log]) -> Pair:
    """The runs of one budget. Raises RunLogError where one of the two, or a run of it, is missing."""
    read = {log.header.allocator for log in logs if base_name(log.header.allocator) == READ}
    if len(read) != 1:
        raise RunLogError(
            f"{logs[0].path.parent}: one kind of ReAD is needed, found {sorted(read)}"
        )
    chosen = [log for log in logs if log.header.allocator in (SPECIALIST, *read)]
    frame, budget = results_of(chosen), logs[0].header.budget
    specialists = {
        log.header.task: log for log in chosen if base_name(log.header.allocator) == SPECIALIST
    }
    tasks = sorted(frame["task"].unique())
    if missing := [task for task in tasks if task not in specialists]:
        raise RunLogError(f"{logs[0].path.parent}: no specialist for task {missing[0]!r}")
    targets = [most_required(specialists[task]) for task in tasks]
    names = [logs[0].header.capabilities[j] for j in logs[0].visible]

    def scores(allocator: str) -> tuple[Array, Array]:
        each = np.array([values_of(frame, budget, allocator, f"{FINAL}{n}") for n in names])
        own = np.array([each[names.index(t), g] for g, t in enumerate(targets)])
        rest = (each.sum(axis=0) - own) / (len(names) - 1)
        return 100.0 * own, 100.0 * rest

    methods = [method_of(specialists[t].header) or SPECIALIST for t in tasks]
    return Pair(targets, methods, scores(read.pop()), scores(SPECIALIST))


def most_required(log: Log) -> str:
    """The visible capability that the task requires most."""
    return log.header.capabilities[log.visible[int(np.argmax(log.header.requirement))]]


def _lines(case: str, budget: int, pair: Pair) -> list[dict[str, object]]:
    return [
        {
            "case": case,
            "budget": budget,
            "target": target,
            "specialist": pair.methods[g],
            "target, specialist": pair.specialist[0][g].mean(),
            "target, ReAD": pair.read[0][g].mean(),
            "others, specialist": pair.specialist[1][g].mean(),
            "others, ReAD": pair.read[1][g].mean(),
        }
        for g, target in enumerate(pair.targets)
    ]


STUDY = Study(
    name="figure5",
    title="Figure 5: specialists on one capability compared with ReAD",
    source="S6, App. D, Figure 5; one-hot bound",
    question="Is ReAD never worse than a specialist on its target, and better elsewhere?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
