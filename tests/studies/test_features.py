"""The study of world features: what is measured, what is fitted, and that the fit can fail."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.errors import ConfigError, RunLogError
from readsim.worlds import World, load_world
from studies.features import command
from studies.features.explain import RESPONSES, ceiling_of, explain, slopes_of, standardised
from studies.features.measure import FEATURES, features_of
from studies.features.report import by_dynamics, draw_features, report
from studies.features.sweep import plan_sweep, world_table
from tests.support.made_worlds import made

MAIN = "read - task-static"


# -- features ----------------------------------------------------------------------------------


def simple(**changes: object) -> World:
    """Two sources, exponential gains, additive."""
    return made(
        **{
            "capabilities": ["math", "code"],
            "dynamics": "separable",
            "link": "identity",
            "help": [[0.2, 0.1], [0.0, 0.3]],
            **changes,
        }
    )


def test_features_by_hand() -> None:
    world = simple()
    task = world.task("math")
    found = features_of(world, task, 20_000_000, 4)
    gain, half = 1.0 - np.exp(-2.0), 1.0 - np.exp(-1.0)
    assert found.keys() == FEATURES.keys()
    assert found["spillover"] == pytest.approx((0.1 + 0.0) / 2 / 0.25)
    assert found["harm"] == 0.0
    assert found["saturation"] == pytest.approx(1.0 - (gain - half) / half)
    assert found["order"] == pytest.approx(0.0, abs=1e-9)
    prior = task.requirement
    x = 1.0 - np.exp(-2.0 * prior)
    even = 1.0 - np.exp(-2.0 * np.full(2, 0.5))
    assert found["task mix"] == pytest.approx(100 * ((x - even) @ world.help @ task.weights))
    assert found["headroom"] >= 0.0


def test_noise_lowers_the_signal_and_nothing_else() -> None:
    clear = simple(items=1600.0)
    noisy = simple(items=16.0)
    a, b = (features_of(w, w.task("math"), 20_000_000, 4) for w in (clear, noisy))
    assert a["signal"] == pytest.approx(
        b["signal"] + 1.0
    )  # 100 times the items: a tenth of the noise
    assert {k: v for k, v in a.items() if k != "signal"} == {
        k: v for k, v in b.items() if k != "signal"
    }


def test_order_matters_in_flow_worlds_only() -> None:
    for name, matters in (("forgetting", True), ("conflict", False)):
        world = load_world(name)
        found = features_of(world, world.task(world.task_names[1]), 60_000_000, 4)
        assert (found["order"] > 0.01) == matters
    assert found["harm"] > 0.3


# -- the fit -----------------------------------------------------------------------------------


def made_table(response: np.ndarray, x: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(x, columns=list(FEATURES))
    table.insert(0, "dynamics", np.where(np.arange(len(x)) % 2, "flow", "potential"))
    table["largest share"] = 0.9
    for name in RESPONSES:
        table[name] = response
        table[f"{name} half width"] = 0.1
    table.attrs["seeds"] = 4
    return table


@pytest.mark.extra("sklearn")
def test_what_is_there_is_found() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, len(FEATURES))) * 3.0 + 1.0
    y = 2.0 * x[:, 2] - 1.0 * x[:, 5] + rng.normal(0.0, 0.5, 60)
    found = explain(made_table(y, x), MAIN)
    expected = np.zeros(len(FEATURES))
    expected[2], expected[5] = 2.0 * x[:, 2].std(), -x[:, 5].std()
    np.testing.assert_allclose(found.slopes, expected, atol=0.25)
    assert ((found.low <= found.slopes) & (found.slopes <= found.high)).all()
    assert ((found.low <= 0) & (found.high >= 0)).sum() >= 4
    assert found.linear > 0.97 > found.tree > 0.4
    assert 0.95 < found.share <= 1.0
    assert "saturation" in found.rules
    assert found.predicted == pytest.approx(y, abs=2.5)


@pytest.mark.extra("sklearn")
def test_what_is_not_there_is_not_found() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, len(FEATURES)))
    found = explain(made_table(rng.normal(size=40), x), MAIN)
    assert found.share == 0.0
    assert max(found.linear, found.tree) < 0.1
    text = report(made_table(rng.normal(size=40), x), {MAIN: found})
    assert "explain 0 % of what could be explained" in text


def test_pieces_of_the_fit() -> None:
    x = standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(x, [[-1.0, 0.0], [1.0, 0.0]])  # a constant column says nothing
    rng = np.random.default_rng(2)
    data = rng.normal(size=(30, 3))
    y = 1.0 + data @ np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(slopes_of(data, y), [1.0, -2.0, 0.5])
    # a standard error of 1 (n = 4: t is 3.182) on a variance of 5
    half = np.full(6, 3.182446)
    y = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]) * np.sqrt(5 * 5 / 6)
    assert ceiling_of(y, half, 4) == pytest.approx(0.8, abs=1e-5)


# -- the whole study, small --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.extra("sklearn")
def test_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "LEAST", 5)
    monkeypatch.setattr("studies.features.explain.SHUFFLES", 5)
    monkeypatch.setattr("studies.features.explain.RESAMPLES", 50)
    with pytest.raises(RunLogError, match="not been run"):
        world_table(plan_sweep(5, 2, 2), tmp_path / "worlds")
    command.main(worlds=5, seeds=2, steps=2, out=tmp_path)
    shown = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "worlds.csv")
    assert len(table) == 5
    assert not table.isna().any(axis=None)
    assert (table["largest share"] <= 1.0).all()
    assert "| all | 5 |" in shown
    assert (tmp_path / "features.png").stat().st_size > 5000
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jsonl")}
    text = (tmp_path / "report.md").read_bytes()
    command.main(worlds=5, seeds=2, steps=2, out=tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jsonl")} == before
    assert (tmp_path / "report.md").read_bytes() == text


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="--worlds 3: at least 20"):
        command.main(worlds=3)


@pytest.mark.slow
@pytest.mark.extra("sklearn")
def test_rows_of_the_table_and_the_figure() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, len(FEATURES)))
    table = made_table(x[:, 0], x)
    rows = dict(by_dynamics(table))
    assert rows.keys() == {"all", "flow", "potential"}
    assert rows["all"][0] == "20"
    assert rows["all"][-1] == f"{100 * (x[:, 0] > 0).mean():.0f}"
    explained = {name: explain(table, name) for name in RESPONSES}
    left, right = draw_features(table, explained).axes
    assert [label.get_text() for label in left.get_yticklabels()] == list(FEATURES)
    assert right.get_title().startswith("worlds left out")
