"""The table of a comparison: differences and intervals against scipy.stats, and how it is shown."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from readsim.arrays import Array
from readsim.cli.output import Terminal
from readsim.errors import ConfigError, RunLogError
from readsim.stats import half_width
from readsim.summary import print_table, results, summarise, to_markdown
from readsim.summary.grid import make_grid
from readsim.summary.show import BLANK, COLUMNS, best, fixed
from tests.support.made_logs import FULL, write_comparison


def frame_of(utility: Array, names: tuple[str, ...], **fields: Any) -> pd.DataFrame:
    """The runs with the utilities (A, R, tasks) and nothing else of interest."""
    columns = ("on_target", "off_target", "negative", "negative_floor", "harmful")
    rows = [
        {
            "world": "made",
            "task": f"task-{t}",
            "budget": 1000,
            "steps": 4,
            "allocator": name,
            "seed": r,
            "utility": utility[a, r, t],
            **dict.fromkeys((*columns, "significant_drops"), 0.0),
            "student_tokens": 1000,
            "search_tokens": 0,
            "offline_tokens": 0,
            "final:math": 0.5,
            **fields,
        }
        for a, name in enumerate(names)
        for r in range(utility.shape[1])
        for t in range(utility.shape[2])
    ]
    return pd.DataFrame(rows)


def column(table: pd.DataFrame, allocator: str, name: str) -> float:
    return float(table.loc[table["allocator"] == allocator, name].iloc[0])


def shown(table: pd.DataFrame, notes: list[str], width: int) -> str:
    out = io.StringIO()
    print_table(Terminal(file=out, width=width), table, notes)
    return out.getvalue()


def test_missing_runs_are_named() -> None:
    frame = frame_of(np.zeros((2, 2, 2)), ("a", "b"))
    gone = (frame["allocator"] == "b") & (frame["task"] == "task-1") & (frame["seed"] == 1)
    with pytest.raises(RunLogError, match=r"b on task-1 with budget 1000 \(seeds 1\)"):
        summarise(frame[~gone])
    with pytest.raises(RunLogError, match="more than once"):
        summarise(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(RunLogError, match="no runs"):
        summarise(frame.iloc[:0])


def test_many_missing_cells_are_counted() -> None:
    frame = frame_of(np.zeros((3, 1, 4)), ("a", "b", "c"))
    with pytest.raises(RunLogError, match="and 1 more cells"):
        make_grid(frame[(frame["allocator"] == "a") | (frame["task"] < "task-1")])


# -- intervals and differences -----------------------------------------------------------------

VALUES = arrays(np.float64, st.integers(2, 12), elements=st.floats(0.0, 1.0))


@given(VALUES)
def test_half_width_is_that_of_a_t_test(values: Array) -> None:
    if np.ptp(values) < 1e-6:
        assert half_width(values) == pytest.approx(0.0, abs=1e-5)
        return
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert values.mean() - half_width(values) == pytest.approx(interval.low)
    assert values.mean() + half_width(values) == pytest.approx(interval.high)


def test_one_value_has_no_interval() -> None:
    assert np.isnan(half_width(np.ones((3, 1)))).all()


def test_differences_are_those_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    utility = rng.uniform(0.3, 0.6, (3, 5, 4))
    table, _ = summarise(frame_of(utility, ("greedy", "read", "task-static")))
    by_seed = 100.0 * utility.mean(axis=-1)
    for a, name in enumerate(("greedy", "read")):
        paired = stats.ttest_rel(by_seed[a], by_seed[2]).confidence_interval(0.95)
        mean, half = (column(table, name, f"difference{end}") for end in ("", "_half_width"))
        assert mean - half == pytest.approx(paired.low)
        assert mean + half == pytest.approx(paired.high)
        alone = stats.t.interval(0.95, 4, by_seed[a].mean(), stats.sem(by_seed[a]))
        assert column(table, name, "utility") == pytest.approx(by_seed[a].mean())
        assert column(table, name, "utility_half_width") == pytest.approx((alone[1] - alone[0]) / 2)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3))
def test_what_a_seed_shares_cancels_in_differences(seed: int, seeds: int, tasks: int) -> None:
    rng = np.random.default_rng(seed)
    utility = rng.uniform(0.3, 0.6, (2, seeds, tasks))
    luck = rng.uniform(0.0, 0.3, (1, seeds, tasks))
    names = ("read", "task-static")
    plain, _ = summarise(frame_of(utility, names))
    shifted, _ = summarise(frame_of(utility + luck, names))
    for name in ("difference", "difference_half_width"):
        np.testing.assert_allclose(plain[name], shifted[name], atol=1e-9)
    # and an allocator does not differ from itself
    assert column(plain, "task-static", "difference") == 0.0
    if seeds > 1:
        assert column(plain, "task-static", "difference_half_width") == 0.0


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_the_table_does_not_depend_on_the_order_of_runs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = frame_of(rng.uniform(size=(3, 2, 3)), ("uniform", "task-static", "oracle-static"))
    mixed = frame.iloc[rng.permutation(len(frame))]
    (first, notes), (second, same_notes) = summarise(frame), summarise(mixed)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert notes == same_notes


def test_share_of_the_gap() -> None:
    means = {"uniform": 0.40, "oracle-static": 0.50, "read": 0.48, "random": 0.35}
    utility = np.array(list(means.values()))[:, None, None] + np.zeros((4, 2, 2))
    table, _ = summarise(frame_of(utility, tuple(means)))
    shares = {"uniform": 0.0, "oracle-static": 1.0, "read": 0.8, "random": -0.5}
    for name, share in shares.items():
        assert column(table, name, "gap_closed") == pytest.approx(share)


def test_a_gap_that_is_none_or_not_resolved_is_said() -> None:
    names = ("uniform", "oracle-static")
    table, notes = summarise(frame_of(np.full((2, 2, 1), 0.4), names))
    assert table["gap_closed"].isna().all()
    assert "there is no gap" in " ".join(notes)
    noisy = np.array([[0.4, 0.5], [0.6, 0.4]])[:, :, None]
    table, notes = summarise(frame_of(noisy, names))
    assert table["gap_closed"].notna().all()
    assert "not resolved" in " ".join(notes)


def test_what_cannot_be_computed_is_missing_and_said() -> None:
    table, notes = summarise(frame_of(np.zeros((2, 1, 1)), ("uniform", "random")))
    blank = ["utility_half_width", "difference", "difference_half_width", "gap_closed"]
    assert table[[*blank, "seconds_per_decision"]].isna().all(axis=None)
    said = " ".join(notes)
    for reason in (
        "task-static is not among",
        "oracle-static is not among",
        "there is one",
        "No dec",
    ):
        assert reason in said
    assert "nan" not in shown(table, notes, 100).lower()


def test_losses_are_not_points() -> None:
    utility = -np.array([[[2.0]], [[3.0]]])
    frame = frame_of(utility, ("task-static", "read"), unit="loss", **{"final:math": -2.0})
    table, notes = summarise(frame)
    assert column(table, "read", "utility") == -3.0
    assert set(table["unit"]) == {"loss"}
    assert "loss" in notes[0]


def test_scores_below_zero_are_points() -> None:
    """Chance-corrected scores fall below 0; the unit is what the logs declare, whatever the sign."""
    frame = frame_of(np.array([[[-0.2]]]), ("read",), unit="score", **{"final:math": -0.2})
    table, notes = summarise(frame)
    assert column(table, "read", "utility") == pytest.approx(-20.0)
    assert set(table["unit"]) == {"points"}
    assert "points" in notes[0]
    undeclared, _ = summarise(frame.drop(columns="unit"))
    assert set(undeclared["unit"]) == {"points"}


def test_tokens_beside_the_budget() -> None:
    frame = frame_of(np.zeros((1, 2, 1)), ("grid",), search_tokens=2500, offline_tokens=500)
    table, _ = summarise(frame)
    assert table["beside_budget"].tolist() == [3.0]


# -- timings -----------------------------------------------------------------------------------


def test_policies_trained_in_simulation_are_said() -> None:
    plain = summarise(frame_of(np.zeros((2, 1, 2)), ("task-static", "uniform")))[1]
    names = ("task-static", "trained+path=mine.safetensors")
    notes = summarise(frame_of(np.zeros((2, 1, 2)), names))[1]
    assert "simulated worlds" not in " ".join(plain)
    assert "trained+path=mine.safetensors: trained in simulated worlds before all runs" in notes[-1]


def test_seconds_are_over_all_decisions_that_were_timed(tmp_path: Path) -> None:
    frame = frame_of(np.zeros((2, 2, 3)), ("grid", "read"))
    rows = [("read", 0, 4.0), ("read", 1, 2.0), ("read", 2, 0.0), ("grid", 0, 0.0), ("x", 0, 9.0)]
    timings = pd.DataFrame(
        [
            {"allocator": a, "task": f"task-{t}", "budget": 1000, "seconds": s, "decisions": 8}
            for a, t, s in rows
        ]
    )
    path = tmp_path / "timings.csv"
    timings.to_csv(path, index=False)
    table, _ = summarise(frame, path)
    assert column(table, "read", "seconds_per_decision") == 6.0 / 16.0
    assert np.isnan(column(table, "grid", "seconds_per_decision"))
    timings.drop(columns="seconds").to_csv(path, index=False)
    with pytest.raises(ConfigError, match="no column seconds"):
        summarise(frame, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        summarise(frame, tmp_path / "none.csv")


# -- as text -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, list[str]]:
    return summarise(results(write_comparison(tmp_path_factory.mktemp("made"), FULL)))


@pytest.mark.parametrize("width", [30, 45, 60, 80, 100, 200])
def test_numbers_are_whole_at_any_width(
    summary: tuple[pd.DataFrame, list[str]], width: int
) -> None:
    table, notes = summary
    text = shown(table, notes, width)
    lines = text.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    kept = [c for c in COLUMNS if any(c.header.splitlines()[-1] in line for line in lines[:4])]
    assert kept[0].header == "utility"
    for _, row in table.iterrows():
        [line] = [x for x in lines if row["allocator"] in x and all(c.text(row) in x for c in kept)]
        assert line.split()[0] == row["allocator"]
    assert ("Left out" in text) == (len(kept) < 8)


def test_order_of_rows_and_markdown(summary: tuple[pd.DataFrame, list[str]]) -> None:
    table, _ = summary
    assert table["allocator"].tolist() == list(FULL) * 2
    lines = to_markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| 20M | one-hot | ")


def test_only_a_sure_winner_is_pointed_out() -> None:
    names = ("task-static", "read", "oracle-static")
    sure = np.array([[0.40, 0.41, 0.42], [0.44, 0.46, 0.45], [0.9, 0.9, 0.9]])[:, :, None]
    table, notes = summarise(frame_of(sure, names))
    assert best(table) == "read"
    assert "| **read** |" in to_markdown(table)
    unsure = sure - np.array([[0.0, 0.0, 0.0], [0.0, 0.06, 0.0], [0.0, 0.0, 0.0]])[:, :, None]
    assert best(summarise(frame_of(unsure, names))[0]) is None
    assert best(summarise(frame_of(sure[:, :1], names))[0]) is None
    assert best(summarise(frame_of(sure[:2][::-1], names[:2]))[0]) is None
    out = io.StringIO()
    print_table(Terminal(file=out, width=100, force_terminal=True), table, notes)
    [line] = [x for x in out.getvalue().splitlines() if "read" in x and "0." in x]
    assert "\x1b[1m" in line


def test_names_are_shown_as_they_are() -> None:
    table, notes = summarise(frame_of(np.zeros((1, 1, 1)), ("[red]a|b:C",)))
    assert "[red]a|b:C" in shown(table, notes, 100)
    assert "\\[red\\]a\\|b:C" in to_markdown(table)


def test_number() -> None:
    assert fixed(-0.001, 2, "+") == "0.00"
    assert fixed(1.005, 1, "+") == "+1.0"
    assert fixed(-2.5, 1) == "-2.5"
    assert fixed(float("nan"), 2) == BLANK
