"""The study of Tables 1 and 4-6: profiles of specialists, of all students, and of one student."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError, UnknownNameError
from readsim.runs.read_logs import Log
from readsim.summary.results import FINAL
from readsim.token_counts import show_tokens
from readsim.worlds import World, load_world
from studies.common.compared import by_task, compared, place
from studies.common.figures import draw_dots
from studies.common.study import Drawing, Findings, Rows, Study
from studies.common.worlds import ISOLATED
from studies.tables.claims import CLAIMS
from studies.tables.judging import Profiles, effects_of, order_effects, over_specialists
from studies.tables.sweep import ONE_RUN, WORLDS, cases

TEACHER, STUDENT = "teacher", "student"
SIGNALS = (
    "A simulated world has one training signal: read8 worlds pass through the paper's Logit-KD scores, so "
    "one-hot is that baseline, the strongest on average; the other five appear with real runs, by their "
    "manifest."
)


def analyse(rows: Rows) -> Findings:
    """Effects, one table a reading, and a figure per case."""
    profiles = {case: found for case, logs in rows.items() if (found := profiles_of(logs))}
    effects: dict[tuple[str, str], Array] = {}
    figures: dict[str, Drawing] = {}
    for case, found in profiles.items():
        effects |= {(claim, case): value for claim, value in effects_of(found).items()}
        figures[f"margins-{case.replace('/', '-')}"] = _draw(case, found)
    effects |= order_effects(profiles)
    for case, logs in rows.items():
        if case not in profiles:
            effects[("specialist-can-be-beaten", case)] = over_specialists(compared(logs))
    tables = {
        "profiles": (
            "final score of the student trained for the column's capability, points",
            _table(profiles),
        ),
        "all-students": (
            "final score of every student on every capability, points",
            _students(profiles),
        ),
    }
    return Findings(effects, tables, figures, [SIGNALS])


def profiles_of(logs: Sequence[Log]) -> Profiles | None:
    """The profiles of one world's runs; None for runs of static bounds only.

    Raises RunLogError for runs that are missing or tasks without a capability of their own.
    """
    methods = {log.header.allocator for log in logs}
    if "oracle-static" in methods:
        return None
    grid = compared([log for log in logs if log.header.allocator != ONE_RUN])
    alone = [log for log in logs if log.header.allocator == ONE_RUN]
    names = [name for name in logs[0].header.capabilities if name in grid.tasks]
    if len(names) < len(grid.tasks):
        raise RunLogError(f"tasks {grid.tasks}: each must be named after a capability")
    order = [grid.tasks.index(name) for name in names]
    students = np.stack([by_task(grid, FINAL + name) for name in names], axis=-1)[..., order, :]
    one = None
    if alone:
        single = compared(alone)
        if (single.budgets, single.seeds) != (grid.budgets, grid.seeds):
            raise RunLogError(f"{ONE_RUN} has other budgets or seeds than {grid.allocators}")
        one = np.stack([single.by_seed(FINAL + name)[:, 0] for name in names], axis=-1)
    place(grid.allocators, "read")
    return Profiles(grid.budgets, grid.allocators, names, students, one, world_of(logs[0]))


def world_of(log: Log) -> World | None:
    """The preset whose teacher and student a log's are; None for other made worlds and real runs."""
    name = log.header.world
    try:
        return load_world(WORLDS[0] if name == ISOLATED else name)
    except (UnknownNameError, OSError):
        return None


def _known(profiles: Profiles) -> dict[str, Array]:
    """Teacher and student by capability, in points, where the world is known."""
    world = profiles.world
    if world is None:
        return {}
    places = [world.capabilities.index(name) for name in profiles.names]
    return {TEACHER: 100 * world.ceiling[places], STUDENT: 100 * world.start[places]}


def _table(found: Mapping[str, Profiles]) -> pd.DataFrame:
    """Table 1's layout: a row per method, a column a capability; mean and standard deviation over seeds."""
    lines: list[dict[str, object]] = []
    for case, profiles in found.items():
        for b, budget in enumerate(profiles.budgets):
            about = {"case": case, "budget": show_tokens(budget)}
            for name, values in _known(profiles).items():
                texts = [f"{value:.2f}" for value in values]
                lines.append(
                    {**about, "method": name, **dict(zip(profiles.names, texts, strict=True))}
                )
            rows = dict(zip(profiles.methods, profiles.diagonal[b], strict=True))
            if profiles.one is not None:
                rows["read, one run, r even"] = profiles.one[b]
            for name, values in rows.items():
                texts = [_mean_sd(column) for column in values.T]
                lines.append(
                    {**about, "method": name, **dict(zip(profiles.names, texts, strict=True))}
                )
    return pd.DataFrame(lines)


def _mean_sd(values: Array) -> str:
    """`17.32 ± 0.41`, the standard deviation with n - 1."""
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


def _students(found: Mapping[str, Profiles]) -> pd.DataFrame:
    """The full matrices: a row per case, budget, method and target."""
    lines: list[dict[str, object]] = []
    for case, profiles in found.items():
        mean = profiles.students.mean(axis=2)
        for b, m, t in np.ndindex(mean.shape[:3]):
            about = {"case": case, "budget": profiles.budgets[b], "method": profiles.methods[m]}
            scores = dict(zip(profiles.names, mean[b, m, t].tolist(), strict=True))
            lines.append({**about, "target": profiles.names[t], **scores})
    return pd.DataFrame(lines)


def _draw(case: str, profiles: Profiles) -> Drawing:
    ahead = profiles.ahead()
    titles = [f"{show_tokens(budget)}, a run a column" for budget in profiles.budgets]
    panels = list(np.swapaxes(ahead, 1, 2))
    also = ""
    if (single := profiles.one_ahead()) is not None:
        titles += [f"{show_tokens(budget)}, one run" for budget in profiles.budgets]
        panels += list(np.swapaxes(single, 1, 2))
        also = " One run: r is even."
    figure = draw_dots(
        np.stack(panels),
        profiles.names,
        titles,
        "ReAD - best one-hot (points)",
        f"Simulated world {case}",
        f"Final score of the capability by ReAD minus that of the best specialist for it.{also}",
    )
    mean = ahead.mean(axis=1)
    b, j = np.unravel_index(int(mean.argmin()), mean.shape)
    where = f"{profiles.names[j]} at {show_tokens(profiles.budgets[b])}"
    alt = (
        f"ReAD minus the best specialist by capability in {case}: ahead in {int((mean > 0).sum())} of "
        f"{mean.size} cells; least {mean.min():+.1f} points, on {where}."
    )
    return Drawing(f"ReAD and specialists in {case}", figure, alt)


STUDY = Study(
    name="tables",
    title="Tables 1, 4-6: capability profiles",
    source="S6, App. D, Tables 1 and 4 to 6",
    question="Is ReAD best in every column, and where is it furthest ahead?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
