"""How sure the differences of a comparison's table are."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from readsim.stats import holm, paired, power
from readsim.summary import summarise
from readsim.summary.show import COLUMNS
from tests.summary.test_table import column, frame_of


def test_tests_are_corrected_over_the_whole_table() -> None:
    rng = np.random.default_rng(3)
    names = ("task-static", "greedy", "grid", "read")  # as they are shown
    utility = rng.uniform(0.3, 0.6, (4, 6, 2)) + np.array([0.0, 0.0, 0.1, 0.2])[:, None, None]
    frame = frame_of(utility, names)
    other = frame_of(rng.permutation(utility), names)
    table, notes = summarise(pd.concat([frame, other.assign(budget=2000)]))
    by_seed = 100.0 * utility.mean(axis=-1)
    expected = [stats.ttest_rel(by_seed[a], by_seed[0]).pvalue for a in (1, 2, 3)]
    np.testing.assert_allclose(table["p_value"][1:4], expected)
    tested = table["p_value"].notna()
    assert tested.sum() == 6
    np.testing.assert_allclose(table["p_holm"][tested], holm(table["p_value"].to_numpy()[tested]))
    for a in (1, 2, 3):
        report = paired(utility[a], utility[0])
        assert table["p_sign_flip"][a] == report.p_sign_flip
        assert table["pairing"][a] == pytest.approx(report.pairing)
        assert table["difference_sd"][a] == pytest.approx(100.0 * report.sd)
        found = power(table["detectable"][a], table["difference_sd"][a], 6)
        assert found == pytest.approx(0.8)
    assert "correction for the 6 tests" in " ".join(notes)
    for _, row in table.iterrows():
        assert COLUMNS[1].text(row).startswith("* ") == (row["p_holm"] < 0.05)
    assert (table["p_holm"] < 0.05).any()
    assert notes[-1].startswith("Seeds: 6 show a true difference to task-static of ")
    assert "half of it takes 18" in notes[-1]


def test_without_spread_a_difference_is_exact() -> None:
    means = {"uniform": 0.4, "read": 0.5, "task-static": 0.4}
    utility = np.array(list(means.values()))[:, None, None] + np.zeros((3, 4, 1))
    table, notes = summarise(frame_of(utility, tuple(means)))
    assert column(table, "read", "p_value") == 0.0
    assert column(table, "uniform", "p_value") == 1.0
    assert column(table, "read", "p_sign_flip") == 2 / 2**4
    assert np.isnan(column(table, "task-static", "p_value"))
    assert not any(note.startswith("Seeds:") for note in notes)
