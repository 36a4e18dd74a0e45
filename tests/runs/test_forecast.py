"""The forecast of one run: its interval holds what it says it holds, and its figure shows it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError
from readsim.plots.forecast import draw_forecast, inside
from readsim.plots.style import save, sober
from readsim.runs.forecast import foretell, interval
from readsim.worlds import load_world

BUDGET, STEPS, ITEMS = 100_000, 5, 200


def test_the_interval_is_the_textbook_one_of_a_next_observation() -> None:
    low, high = interval(np.array([2.0]), np.array([1.0]), np.array([0.0]), 5)
    half = 2.776445 * np.sqrt(1.2)  # t_4, s = 1
    assert np.allclose([low, high], [[2 - half], [2 + half]])
    wider = interval(np.array([2.0]), np.array([1.0]), np.array([3.0]), 5)
    assert np.allclose(wider[1] - 2.0, 2.776445 * np.sqrt(1.2 + 9.0))


def test_it_covers_runs_of_the_same_world() -> None:
    world = load_world("nano-measured")
    told = foretell(world, "math", BUDGET, STEPS, "task-static", seeds=16, test_items=ITEMS)
    task = world.task("math")
    again = [
        foretell(world, "math", BUDGET, STEPS, "greedy-last", seeds=2, probe_items=n)
        for n in (16, 4096)
    ]
    assert again[0].seed_sd.sum() > again[1].seed_sd.sum()  # probes move this allocator

    draws = np.random.default_rng(5)
    true = told.mean[:-1]
    rate = draws.standard_normal((4000, len(true))) * told.seed_sd[:-1]
    seen = draws.binomial(ITEMS, (true + rate).clip(0, 1)) / ITEMS
    shares = inside(told.low[:-1], told.high[:-1], seen).mean(axis=0)
    assert (np.abs(shares - 0.95) < 0.025).all()
    whole = task.utility(seen)
    assert np.mean((told.low[-1] <= whole) & (whole <= told.high[-1])) == pytest.approx(
        0.95, abs=0.02
    )


def test_fewer_items_and_an_error_of_the_world_widen_it() -> None:
    assert _width(50) > 1.8 * _width(200)
    assert _width(200, 0.05) > 1.5 * _width(200)


def _width(items: int, world_sd: float = 0.0) -> float:
    told = foretell(
        load_world("nano-measured"),
        "average",
        BUDGET,
        STEPS,
        "uniform",
        seeds=4,
        test_items=items,
        world_sd=world_sd,
    )
    return float((told.high - told.low)[:-1].mean())


def test_without_noise_it_is_a_point() -> None:
    world = replace(load_world("nano-measured"), efficiency_sd=np.zeros(8))
    told = foretell(world, "average", BUDGET, STEPS, "uniform", seeds=3, test_items=0)
    assert np.allclose(told.low, told.high)
    assert told.names[-1] == "utility"
    table = told.table()
    assert list(table["scores"]) == list(told.names)


def test_what_cannot_be_foretold_is_refused() -> None:
    world = load_world("nano-measured")
    with pytest.raises(ReadsimError, match=r"past the horizon of world 'nano-measured' \(135000"):
        foretell(world, "average", 136_000, STEPS, "uniform")
    with pytest.raises(ConfigError, match="seeds = 1: expected a number of at least 2"):
        foretell(world, "average", BUDGET, STEPS, "uniform", seeds=1)
    with pytest.raises(ConfigError, match=r"world_sd = -1\.0: expected a number of at least 0"):
        foretell(world, "average", BUDGET, STEPS, "uniform", world_sd=-1.0)


def test_the_figure_marks_what_is_outside(tmp_path: Path) -> None:
    mean = np.array([50.0, 60.0, 70.0])
    measured = np.array([51.0, 80.0, 69.0])
    with sober():
        figure = draw_forecast(
            ["math", "code", "utility"], mean, mean - 5, mean + 5, measured, np.full(3, 2.0)
        )
        save(figure, tmp_path / "forecast")
    [panel] = figure.axes
    colours = [label.get_color() for label in panel.get_yticklabels()]
    assert colours[0] == colours[2] != colours[1]
    widths = [bar.get_width() for bar in panel.patches]  # type: ignore[attr-defined]
    assert widths == [10.0, 10.0, 10.0]
    assert any(
        "2 of 3 measurements are inside" in t.get_text().replace("\n", " ") for t in figure.texts
    )
    assert (tmp_path / "forecast.pdf").stat().st_size > 2000
    assert (tmp_path / "forecast.png").stat().st_size > 5000
