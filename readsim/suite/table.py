"""The one table of the suite: a row an allocator, best first."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from readsim.allocators.registry import is_oracle
from readsim.arrays import Array, Mask
from readsim.stats import (
    interquartile_mean,
    optimality_gap,
    probability_of_improvement,
    stratified_bootstrap,
)
from readsim.stats.intervals import half_width
from readsim.suite.scores import REFERENCE, Scores
from readsim.summary.lead import used_beside
from readsim.summary.show import Column, fixed
from readsim.summary.table import about_training
from readsim.token_counts import show_tokens

READ = "read"
FEW = 6  # worlds that have a column each, and left-out worlds that the lead names
SIMULATED_WORLDS = (
    "Simulated worlds: no model is trained. `readsim worlds NAME` says where each one's numbers come "
    "from."
)


def suite_table(scores: Scores) -> pd.DataFrame:
    """One row an allocator, by falling IQM.

    iqm, iqm_low, iqm_high          interquartile mean of the scores; 95 % interval over seeds, worlds fixed
    mean, median                    of the scores, the other two aggregates of rliable
    optimality_gap                  mean shortfall of the scores to 1
    over_task_static, over_read     probability of improvement (with _low and _high), on shared scored cases
    worst, worst_case               lowest mean difference to task-static over all cases, in points; where
    negative                        mean drop outside the target, in points
    beside_budget                   tokens of searches and offline pools, as a multiple of the budget
    seconds_per_decision
    scored, cases                   cases behind the scores, and all that it ran on
    """
    rows = [_row(scores, a) for a in range(len(scores.allocators))]
    return pd.DataFrame(rows).sort_values("iqm", ascending=False, ignore_index=True, kind="stable")


def _row(scores: Scores, a: int) -> dict[str, object]:
    name = scores.allocators[a]
    own = ~np.isnan(scores.score[a]).any(axis=0)
    ran = ~np.isnan(scores.difference[a]).any(axis=0)
    values = scores.score[a][:, own]
    row: dict[str, object] = {"allocator": name}
    row |= _with_ends("iqm", values, scores, own, interquartile_mean)
    for of in (np.mean, np.median):
        row[of.__name__] = float(of(values)) if own.any() else np.nan
    row["optimality_gap"] = float(optimality_gap(values)) if own.any() else np.nan
    for column, other in (("over_task_static", REFERENCE), ("over_read", READ)):
        row |= _over(column, scores, a, other)
    mean = scores.difference[a][:, ran].mean(axis=0)
    worst = int(mean.argmin())
    against_itself = name == REFERENCE
    row["worst"] = np.nan if against_itself else float(mean[worst])
    row["worst_case"] = "-" if against_itself else str(np.array(scores.cases)[ran][worst])
    row["negative"] = float(np.nanmean(scores.negative[a][ran]))
    row["beside_budget"] = float(scores.extra[a])
    row["seconds_per_decision"] = float(scores.seconds[a])
    row["scored"], row["cases"] = int(own.sum()), int(ran.sum())
    return row


def _over(column: str, scores: Scores, a: int, other: str) -> dict[str, object]:
    """Probability of improvement over another allocator, missing against itself or without it."""
    if other not in scores.allocators or scores.allocators[a] == other:
        return dict.fromkeys((column, f"{column}_low", f"{column}_high"), np.nan)
    pair = scores.score[[a, scores.allocators.index(other)]]
    shared = np.asarray(~np.isnan(pair).any(axis=(0, 1)))
    return _with_ends(
        column,
        pair[:, :, shared],
        scores,
        shared,
        lambda s: probability_of_improvement(s[0], s[1]),
    )


def improvement_table(scores: Scores) -> pd.DataFrame:
    """Probability that a run of the row's allocator ends above one of the column's, on the cases that both
    were scored in; missing without one, and of an allocator against itself."""
    names, n = scores.allocators, len(scores.allocators)
    chance = np.full((n, n), np.nan)
    for a, b in np.ndindex(n, n):
        pair = scores.score[[a, b]]
        shared = ~np.isnan(pair).any(axis=(0, 1))
        if a != b and shared.any():
            one, other = pair[:, :, shared]
            chance[a, b] = float(probability_of_improvement(one, other))
    return pd.DataFrame(chance, columns=names).assign(allocator=names)[["allocator", *names]]


def _with_ends(
    column: str, values: Array, scores: Scores, own: Mask, statistic: Callable[[Array], Array]
) -> dict[str, object]:
    """A statistic of scores (..., R, own cases) and its interval, missing without a case."""
    names = (column, f"{column}_low", f"{column}_high")
    if not own.any():
        return dict.fromkeys(names, np.nan)
    worlds = [world for world, there in zip(scores.worlds, own, strict=True) if there]
    low, high = stratified_bootstrap(values, statistic, worlds=worlds)
    return dict(zip(names, (float(statistic(values)), float(low), float(high)), strict=True))


def _percent(name: str) -> Callable[[pd.Series], str]:
    return lambda row: fixed(100.0 * row[name], 0)


def _iqm(row: pd.Series) -> str:
    if np.isnan(row["iqm"]):
        return "-"
    return f"{fixed(row['iqm'], 2)} [{fixed(row['iqm_low'], 2)}, {fixed(row['iqm_high'], 2)}]"


def _cases(row: pd.Series) -> str:
    """How many it ran on, and of how many it has scores where these are fewer."""
    scored, cases = row["scored"], row["cases"]
    return str(cases) if scored == cases else f"{scored} of {cases}"


COLUMNS = (
    Column("IQM [95 %]", _iqm, 0),
    Column("P > task-static,\n%", _percent("over_task_static"), 1),
    Column("P >\nread, %", _percent("over_read"), 3),
    Column("worst,\npoints", lambda row: fixed(row["worst"], 1, "+"), 2),
    Column("where", lambda row: str(row["worst_case"]).split(" ", maxsplit=1)[0], 6),
    Column("Neg", lambda row: fixed(row["negative"], 2), 4),
    Column("extra", lambda row: fixed(row["beside_budget"], 1), 3),
    Column("ms a\ndecision", lambda row: fixed(1000.0 * row["seconds_per_decision"], 1), 5),
    Column("cases", _cases, 7),
)


def world_table(scores: Scores) -> pd.DataFrame:
    """A row an allocator, a column a world: mean difference to task-static over its cases and seeds, in
    points, also where there is no score; missing where it did not run. `WORLD_half_width` is that of its
    95 % Student t interval over seeds, each averaged over the cases first; missing with one seed."""
    worlds = np.array(scores.worlds)
    columns: dict[str, object] = {"allocator": scores.allocators}
    for world in dict.fromkeys(scores.worlds):
        by_seed = scores.difference[:, :, worlds == world].mean(axis=-1)
        columns[world] = by_seed.mean(axis=-1)
        columns[f"{world}_half_width"] = half_width(by_seed)
    return pd.DataFrame(columns)


def world_columns(scores: Scores) -> list[Column]:
    """What is shown of `world_table`: nothing of many worlds."""
    worlds = list(dict.fromkeys(scores.worlds))
    shown = worlds if len(worlds) <= FEW else []
    return [Column(name, _points(name), rank) for rank, name in enumerate(shown)]


def _points(name: str) -> Callable[[pd.Series], str]:
    def text(row: pd.Series) -> str:
        half = row[f"{name}_half_width"]
        return fixed(row[name], 2, "+") + ("" if np.isnan(half) else f" ± {fixed(half, 2)}")

    return text


def unscored_worlds(scores: Scores) -> list[str]:
    """Worlds with cases that have no score, and which: `drift (all 2 cases)`, `ideal (math at 20M)`."""
    found = []
    for world in dict.fromkeys(scores.worlds):
        own = np.array([name == world for name in scores.worlds])
        flat = [scores.cases[c].split(" ")[-2:] for c in np.flatnonzero(own & ~scores.scored)]
        which = ", ".join(f"{task} at {show_tokens(int(budget))}" for task, budget in flat)
        if len(flat) == own.sum():
            which = f"all {len(flat)} cases" if len(flat) > 1 else "its only case"
        if flat:
            found.append(f"{world} ({which})")
    return found


def left_out_lines(scores: Scores, most: int | None = None) -> list[str]:
    """Which cases have no score and why, at most so many worlds by name; nothing if all have one."""
    found = unscored_worlds(scores)
    if not found:
        return []
    shown = found[:most]
    if rest := len(found) - len(shown):
        shown.append(f"{rest} more worlds, named below the table")
    why = (
        "There uniform and the best static mixture end less than a quarter of a point apart, so a share of "
        "the way between them says nothing."
    )
    return [f"Left out of the scores: {'; '.join(shown)}. {why}"]


def suite_notes(scores: Scores) -> list[str]:
    """What was left out, and what the columns are."""
    seeds, cases = scores.score.shape[1:]
    worlds = len(dict.fromkeys(scores.worlds))
    about = (
        f"{worlds} worlds, {cases} cases (world, task, budget), {seeds} seeds. The score of a run is how far "
        "it gets from uniform (0) to the best static mixture that is known for the case (1)."
    )
    middle = (
        "IQM is the mean of the middle half of the scores of all cases and seeds. "
        "Intervals are bootstrapped over seeds, with the worlds fixed; with few seeds they are "
        "somewhat too short."
    )
    same, also = (
        ("the same cases", ", left out or not") if unscored_worlds(scores) else ("all cases", "")
    )
    others = (
        "P is the chance that a run ends above a run of the other allocator (ties count half), "
        f"averaged over {same}. Worst is the lowest mean difference to task-static, and Neg the "
        f"mean drop outside the target, in points, both over all cases{also}. Extra counts the tokens "
        "of searches and pools, as a multiple of the budget."
    )
    return [*left_out_lines(scores), about, middle, others, *about_training(scores.allocators)]


def top_lines(table: pd.DataFrame, scores: Scores) -> list[str]:
    """Which rule that does not know the worlds scores highest, how far from 1, and whether it is apart."""
    fair = table[[not is_oracle(name) for name in table["allocator"]]]
    known = fair[fair["iqm"].notna()]
    if known.empty:
        return [
            "No allocator has a score.",
            *left_out_lines(scores, FEW),
        ]
    top = known.iloc[0]
    text = (
        f"{top['allocator']} scores highest of all that do not know the world: {_iqm_in_words(top)} of the "
        f"way from uniform (0) to the best static mixture (1), over {int(scores.scored.sum())} cases and "
        f"{scores.score.shape[1]} seeds. It {used_beside(float(top['beside_budget']))}."
    )
    left = left_out_lines(scores, FEW)
    if len(known) < 2:
        return [text, *left]
    second = known.iloc[1]
    apart = "below it" if second["iqm_high"] < top["iqm_low"] else "not clearly apart from it"
    after = f"Next is {second['allocator']} with {_iqm_in_words(second)}; its interval is {apart}."
    return [text, after, *left]


def _iqm_in_words(row: pd.Series) -> str:
    return f"{fixed(row['iqm'], 2)} (95 % interval {fixed(row['iqm_low'], 2)} to {fixed(row['iqm_high'], 2)})"
