"""Figure 2's study: both diagnostics against a recomputation, and what they must refuse."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from studies.figure2 import returns
from studies.figure2.study import STUDY
from studies.figure2.sweep import linear
from tests.support.made_one_hot import BUDGETS, SD, one_hot_logs

SEEDS = tuple(range(7))  # two a budget; the seventh is left over


def test_effects_by_hand(tmp_path: Path) -> None:
    change = one_hot_logs(tmp_path)
    effects = STUDY.findings({"made": read_logs(tmp_path)}).effects
    found = {key: np.asarray(values) for key, values in effects.items()}
    one, two = np.zeros((4, 2)), np.zeros((4, 2))  # gains in both windows, by target and replicate
    for i in range(4):
        for n in range(2):
            one[i, n] = change[1, i, i, 2 + n] - change[0, i, i, n]
            two[i, n] = change[2, i, i, 4 + n] - change[1, i, i, 2 + n]
    fall = one / 60e6 - two / 70e6
    scale = one.mean() / 60e6
    for n in range(2):
        here, there = (sorted(range(4), key=lambda i: -one[i, m])[:3] for m in (n, 1 - n))
        paper = np.mean([one[i, n] - two[i, n] for i in here])
        split = np.mean([fall[i, n] for i in there]) / scale
        assert found["saturates-paper", "made"][n] == pytest.approx(paper)
        assert found["saturates", "made"][n] == pytest.approx(fall[:, n].mean() / scale)
        assert found["saturates-split", "made"][n] == pytest.approx(split)
        assert found["selection-bias", "made"][n] == 100 * (int(paper > 0) - int(split > 0))
    for n in range(7):
        drops = [
            [max(0.0, -change[b, i, j, n]) for i in range(4) for j in range(4) if i != j]
            for b in (0, 2)
        ]
        floor = 100 * SD / np.sqrt(2 * np.pi)
        assert found["harm-raw", "made"][n] == pytest.approx(np.mean(drops[1]))
        assert found["harm", "made"][n] == pytest.approx(np.mean(drops[1]) - floor)
        growth = np.mean(drops[1]) - np.mean(drops[0])
        assert found["harm-grows", "made"][n] == pytest.approx(growth)


def test_selection_makes_straight_gains_look_bent() -> None:
    rng = np.random.default_rng(0)
    line = np.array([1.0, 4.0, 7.5])[:, None, None]
    own = line + rng.standard_normal((3, 8, 4000))
    windows = returns.Windows(np.diff(own, axis=0), np.array([60e6, 70e6]))
    assert (returns.as_the_paper(windows) > 0).mean() > 0.7
    split = returns.falls(windows)["split"]
    assert (split > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_a_concave_curve_is_seen_without_noise() -> None:
    own = np.sqrt(np.array([20.0, 80.0, 150.0]))[:, None, None] * np.arange(1.0, 5.0)[None, :, None]
    windows = returns.Windows(np.diff(own + np.zeros((3, 4, 2)), axis=0), np.array([60e6, 70e6]))
    assert all((values > 0).all() for values in returns.falls(windows).values())


@pytest.mark.parametrize(
    ("budgets", "seeds", "message"),
    [(BUDGETS[:2], 7, "three budgets"), (BUDGETS, 5, "six seeds")],
)
def test_too_little_is_refused(
    tmp_path: Path, budgets: tuple[int, ...], seeds: int, message: str
) -> None:
    one_hot_logs(tmp_path, budgets, seeds)
    with pytest.raises(RunLogError, match=message):
        STUDY.findings({"made": read_logs(tmp_path)})


def test_a_missing_target_is_named(tmp_path: Path) -> None:
    one_hot_logs(tmp_path)
    (tmp_path / "runs" / "one-hot.code.80000000.jsonl").unlink()
    with pytest.raises(RunLogError, match="80000000, 'code'"):
        STUDY.findings({"made": read_logs(tmp_path)})


def test_the_made_world_is_straight() -> None:
    world = linear(1000)
    one, two = (world.profile_after([np.eye(8)[0] * b]) - world.start for b in (20e6, 150e6))
    assert two[0] == pytest.approx(7.5 * one[0])
    assert two[0] == pytest.approx(0.08)
    assert not two[1:].any()
