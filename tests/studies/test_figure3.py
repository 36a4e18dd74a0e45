"""The study of Figure 3: areas, trends, and tokens to match with what is censored."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from studies.figure3.claims import CLAIMS
from studies.figure3.study import STUDY, analyse, area, match, matches, trend
from tests.support.made_logs import effects_in, final_row, write_comparison, write_log

BUDGETS = (20_000_000, 40_000_000, 80_000_000, 160_000_000)
X = np.log2(np.array(BUDGETS))


def test_areas_and_trends_are_numpys() -> None:
    rng = np.random.default_rng(0)
    curves = rng.random((3, 2, 4))
    x = np.array([1.0, 2.0, 3.5, 4.0])
    for index in np.ndindex(3, 2):
        curve = curves[index]
        fine = np.linspace(1.0, 4.0, 60_001)
        assert area(x, curves)[index] == pytest.approx(np.interp(fine, x, curve).mean(), abs=1e-4)
        assert trend(x, curves)[index] == pytest.approx(np.polyfit(x, curve, 1)[0])


def test_matching_a_level() -> None:
    x, curve = np.array([0.0, 1.0, 2.0]), np.array([10.0, 20.0, 15.0])
    assert match(x, curve, 15.0) == (0.5, False, False)
    assert match(x, curve, 20.0) == (1.0, False, False)
    assert match(x, curve, 9.0) == (0.0, True, False)
    assert match(x, curve, 10.0) == (0.0, True, False)
    assert match(x, curve, 21.0) == (2.0, False, True)


def test_a_rival_that_needs_twice_the_tokens() -> None:
    ours = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    found = matches(X, ours, ours - 1.0)
    np.testing.assert_allclose(found.doublings, 1.0)
    assert not found.below.any()
    assert not found.never.any()
    np.testing.assert_allclose(matches(X, ours, ours + 0.5).doublings, -0.5)
    hopeless = matches(X, ours, 0.0 * ours)
    assert hopeless.never.all()
    np.testing.assert_allclose(hopeless.doublings[:, 0, 0], [2.0, 1.0])
    perfect = matches(X, ours, 0.0 * ours + 9.0)
    assert perfect.below.all()
    np.testing.assert_allclose(perfect.doublings[:, 0, 0], [-1.0, -2.0])


def straight_logs(folder: Path) -> Path:
    """ReAD gains 3 points a doubling from 43, one-hot 2 from 44 (utilities the other way round)."""
    for n, budget in enumerate(BUDGETS):
        for name, start, slope in (("one-hot", 0.44, 0.02), ("read", 0.43, 0.03)):
            rows = []
            for seed in (0, 1):
                score = start + slope * n + 0.01 * seed
                rows.append(final_row(seed, 1.0 - score, [score, 0.2, 0.2]))
            write_log(folder, rows, allocator=name, task="math", budget=budget, seeds=[0, 1])
    return folder


def test_effects_by_hand(tmp_path: Path) -> None:
    found = analyse({"made": read_logs(straight_logs(tmp_path))})
    effects = effects_in(found)
    # differences by budget: -1, 0, 1, 2
    np.testing.assert_allclose(effects["area-above"], 0.5)
    np.testing.assert_allclose(effects["area-above-utility"], -0.5)
    np.testing.assert_allclose(effects["above-everywhere"], -1.0)
    np.testing.assert_allclose(effects["best-trend"], 1.0)
    # at 40M one-hot is level; ReAD's score at 80M takes it half a doubling more
    np.testing.assert_allclose(effects["fewer-tokens"], 0.25)
    table = found.tables["tokens-to-match"][1]
    assert table.to_dict("records") == [
        {
            "case": "made",
            "rival": "one-hot",
            "task": "math",
            "factor": pytest.approx(2**0.25),
            "never": 0.0,
            "below": 0.0,
        }
    ]
    assert "ReAD 52.5, highest read 52.5" in found.figures["budgets-made"].alt


def test_the_most_frugal_rival_counts(tmp_path: Path) -> None:
    straight_logs(tmp_path)
    for budget in BUDGETS:
        rows = [final_row(seed, 0.1, [0.1, 0.2, 0.2]) for seed in (0, 1)]
        write_log(tmp_path, rows, allocator="uniform", task="math", budget=budget, seeds=[0, 1])
    effects = effects_in(analyse({"made": read_logs(tmp_path)}))
    np.testing.assert_allclose(effects["fewer-tokens"], 0.25)
    np.testing.assert_allclose(effects["area-above"], 0.5)


def test_what_is_refused(tmp_path: Path) -> None:
    write_comparison(tmp_path / "a", ["one-hot", "read"])
    with pytest.raises(RunLogError, match="at least 3"):
        analyse({"a": read_logs(tmp_path / "a")})
    write_comparison(tmp_path / "b", ["one-hot", "uniform"], budgets=BUDGETS)
    with pytest.raises(RunLogError, match="one read"):
        analyse({"b": read_logs(tmp_path / "b")})
    write_comparison(tmp_path / "c", ["read", "oracle-static"], budgets=BUDGETS)
    with pytest.raises(RunLogError, match="nothing to compare"):
        analyse({"c": read_logs(tmp_path / "c")})
    write_comparison(tmp_path / "d", ["one-hot", "read"], budgets=BUDGETS)
    (tmp_path / "d" / "runs" / "read.code.40000000.jsonl").unlink()
    with pytest.raises(RunLogError, match="read on code with budget 40000000"):
        analyse({"d": read_logs(tmp_path / "d")})


def test_expectations_name_cases_that_are_run(tmp_path: Path) -> None:
    names = {case.name for case in STUDY.cases(range(2), tmp_path)}
    for claim in CLAIMS:
        assert names == {*claim.holds, *claim.fails}
