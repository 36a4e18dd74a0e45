"""The study of Figure 4."""

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.stats import half_width
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens
from studies.common.compared import READ, compared, place
from studies.common.figures import draw_dots
from studies.common.study import Drawing, Findings, Rows, Study
from studies.figure4.claims import CLAIMS
from studies.figure4.sweep import COMPONENTS, MENDS, cases

# What each component of ReAD is worth: the utility that is lost without it.


def analyse(rows: Rows) -> Findings:
    """Effects, a table by budget, and a figure per case."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    mended: list[dict[str, object]] = []
    figures: dict[str, Drawing] = {}
    for case, logs in rows.items():
        grid = compared(logs)
        worth = worth_of(grid)
        effects |= {(claim, case): values for claim, values in effects_of(worth).items()}
        lines += [{"case": case, **line} for line in _lines(grid, worth)]
        gains = gains_of(grid)
        effects |= {(claim, case): values.mean(axis=0) for claim, values in gains.items()}
        mended += [{"case": case, **line} for line in _lines(grid, gains, "mend")]
        figures[f"components-{case.replace('/', '-')}"] = _draw(case, grid, worth)
    table = ("utility of ReAD minus that of ReAD without a component, points", pd.DataFrame(lines))
    tables = {"components": table}
    if mended:
        title = "utility of ReAD with a mend minus that without, points"
        tables["mends"] = (title, pd.DataFrame(mended))
    return Findings(effects, tables, figures)


def worth_of(grid: Grid) -> dict[str, Array]:
    """Component -> utility of ReAD minus that without it (B, N); `uniform` is the uniform allocation.

    Raises RunLogError if ReAD or all of them are missing.
    """
    utility, names = grid.by_seed("utility"), grid.allocators
    ours = utility[:, names.index(READ) if READ in names else place(names, READ)]
    without = {name: f"{READ}-no-{name}" for name in COMPONENTS} | {"uniform": "uniform"}
    out = {
        component: ours - utility[:, names.index(name)]
        for component, name in without.items()
        if name in names
    }
    if not out:
        raise RunLogError(f"no ablation of ReAD: the allocators are {', '.join(names)}")
    return out


def gains_of(grid: Grid) -> dict[str, Array]:
    """Mend -> utility with it minus ReAD's (B, N); `visible-price-negative`: Neg without minus with it."""
    utility, names = grid.by_seed("utility"), grid.allocators
    read = names.index(READ)
    out = {
        mend: utility[:, names.index(name)] - utility[:, read]
        for mend, name in MENDS.items()
        if name in names
    }
    if (priced := MENDS["visible-price"]) in names:
        harm = grid.by_seed("negative")
        out["visible-price-negative"] = harm[:, read] - harm[:, names.index(priced)]
    return out


def effects_of(worth: dict[str, Array]) -> dict[str, Array]:
    """Claim -> one effect per seed (N,); a component that was not run is not judged."""
    out = {name: values.mean(axis=0) for name, values in worth.items()}
    if {"identification", "adaptation", "interaction"} <= set(out):
        two = np.stack([out["identification"], out["adaptation"]])
        smaller = two[int(two.mean(axis=-1).argmin())]
        out["two-matter-most"] = smaller - out["interaction"]
    return out


def _lines(
    grid: Grid, worth: dict[str, Array], called: str = "component"
) -> list[dict[str, object]]:
    out = []
    for name, values in worth.items():
        line: dict[str, object] = {called: name}
        means = [*values, values.mean(axis=0)]
        for title, seeds in zip([*map(show_tokens, grid.budgets), "mean"], means, strict=True):
            line[title] = f"{seeds.mean():+.2f} ± {float(half_width(seeds)):.2f}"
        out.append(line)
    return out


def _draw(case: str, grid: Grid, worth: dict[str, Array]) -> Drawing:
    values = np.stack(list(worth.values()), axis=1)
    names = ["uniform allocation" if name == "uniform" else f"no {name}" for name in worth]
    figure = draw_dots(
        values,
        names,
        [f"{show_tokens(budget)} tokens" for budget in grid.budgets],
        "utility lost (points)",
        f"Simulated world {case}",
        f"Utility of ReAD minus that of ReAD without the component, mean over "
        f"{len(grid.tasks)} tasks, paired by seed.",
    )
    means = {name: float(v.mean()) for name, v in worth.items()}
    most = max(means, key=lambda name: means[name])
    alt = f"Utility lost without each component of ReAD in {case}, mean over budgets: " + ", ".join(
        f"{name} {value:+.2f}" for name, value in means.items()
    )
    return Drawing(f"Components of ReAD in {case}", figure, f"{alt} points. Largest: {most}.")


STUDY = Study(
    name="figure4",
    title="Figure 4: what each component of ReAD is worth",
    source="S6, Figure 4",
    question="Which component of ReAD matters most?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
