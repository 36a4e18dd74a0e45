"""The study of Table 2: On, Off, Neg, margins, and the bound."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs
from studies.table2.claims import CLAIMS
from studies.table2.study import analyse
from studies.table2.sweep import BOUND, METHODS
from tests.support.made_logs import effects_in, write_comparison

SMALL, LARGE = 20_000_000, 150_000_000


def seeds_of(frame: pd.DataFrame, budget: int, method: str) -> dict[str, Array]:
    """Each column of one method at one budget, by seed."""
    return {
        column: np.asarray(frame[column].unstack("seed").loc[(budget, method)], dtype=float)
        for column in map(str, frame.columns)
    }


def from_logs(logs: list[Log]) -> pd.DataFrame:
    """Means over tasks of what the logs hold, a row (budget, allocator, seed), in points."""
    lines = []
    for log in logs:
        target = int(np.argmax(log.header.requirement))
        for row in log.finals:
            rest = np.delete(100 * row.final_change, target)
            lines.append(
                {
                    **{key: getattr(log.header, key) for key in ("budget", "allocator")},
                    "seed": row.seed,
                    "on": 100 * row.final_change[target],
                    "off": rest.mean(),
                    "neg": np.clip(-rest, 0, None).mean(),
                    "worst": max(0.0, -rest.min()),
                    "utility": 100 * row.utility,
                }
            )
    return pd.DataFrame(lines).groupby(["budget", "allocator", "seed"]).mean()


def test_effects_are_those_of_pandas(tmp_path: Path) -> None:
    write_comparison(tmp_path, [*METHODS, BOUND])
    logs = read_logs(tmp_path)
    findings = analyse({"made": logs})
    effects = effects_in(findings)
    frame = from_logs(logs)
    at = {name: seeds_of(frame, LARGE, name) for name in (*METHODS, BOUND)}
    np.testing.assert_allclose(
        effects["single-strong-on-target"], at["one-hot"]["on"] - at["task-static"]["on"]
    )
    for claim, first, second in (
        ("single-harms-more", "one-hot", "read"),
        ("static-harms-less", "one-hot", "task-static"),
    ):
        np.testing.assert_allclose(effects[claim], at[first]["neg"] - at[second]["neg"])
    np.testing.assert_allclose(effects["read-keeps-target"], at["read"]["on"] / at["one-hot"]["on"])
    spared = min(
        (at[name]["neg"] for name in ("one-hot", "task-static", "greedy", "grid")),
        key=lambda values: float(values.mean()),
    )
    np.testing.assert_allclose(effects["read-harms-least"], spared - at["read"]["neg"])
    margins = []
    for budget in (SMALL, LARGE):
        by = {name: seeds_of(frame, budget, name)["utility"] for name in METHODS}
        others = (by[name] for name in ("uniform", "task-static", "greedy", "grid"))
        margins.append(by["read"] - max(others, key=lambda values: float(values.mean())))
    np.testing.assert_allclose(effects["read-first"], np.minimum(*margins))
    np.testing.assert_allclose(effects["margin-grows"], margins[1] - margins[0])
    np.testing.assert_allclose(
        effects["above-static-bound"], at["read"]["utility"] - at[BOUND]["utility"]
    )
    np.testing.assert_allclose(
        effects["greedy-behind"], at["read"]["utility"] - at["greedy"]["utility"]
    )
    assert {claim.id for claim in CLAIMS} == set(effects)
    spill = findings.tables["spillover"][1].set_index(["budget", "method"])
    means = frame.groupby(["budget", "allocator"]).mean().loc[LARGE]
    for column, name in (("On", "on"), ("Off", "off"), ("Neg", "neg"), ("worst", "worst")):
        for method in METHODS:
            assert spill[column][("150M", method)] == pytest.approx(means[name][method])
    # the made logs have a standard error of .01: noise alone shows 1 / sqrt(2 pi) points
    assert spill["noise"][("150M", "read")] == pytest.approx(1 / np.sqrt(2 * np.pi))


def test_shares_of_the_bound(tmp_path: Path) -> None:
    write_comparison(tmp_path, [*METHODS, BOUND])
    table = analyse({"made": read_logs(tmp_path)}).tables["utility"][1].set_index("method")
    assert table.at["uniform", "150M bound"] == "0.00"
    assert table.at[BOUND, "150M bound"] == "1.00"
    assert table.at["task-static", "20M vs static"] == "+0.00 ± 0.00"


def test_one_budget_and_no_bound_say_less(tmp_path: Path) -> None:
    write_comparison(tmp_path, METHODS, budgets=[LARGE])
    judged = {claim for claim, _ in analyse({"made": read_logs(tmp_path)}).effects}
    assert {claim.id for claim in CLAIMS} - judged == {"margin-grows", "above-static-bound"}


@pytest.mark.parametrize("absent", ["one-hot", "uniform", "task-static", "greedy", "grid", "read"])
def test_missing_methods_are_named(tmp_path: Path, absent: str) -> None:
    write_comparison(tmp_path, [name for name in METHODS if name != absent])
    with pytest.raises(RunLogError, match=f"one {absent}"):
        analyse({"made": read_logs(tmp_path)})
