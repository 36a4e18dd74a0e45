"""The best mixture beside uniform."""

import numpy as np
import pytest
from rich.console import Console

from readsim.cli.best import show_best
from readsim.fitting.best import Mixture, best_beside
from readsim.worlds import optimum
from tests.support.made_fits import known_world


def test_a_world_without_runs_has_the_optimum_beside_uniform_and_no_interval() -> None:
    world = known_world(losses=False)
    task = world.task("average")
    best, uniform = best_beside(world, None, task, 1e6)
    assert best.utility == pytest.approx(optimum(world, task, 1e6).utility)
    assert uniform.ahead == pytest.approx(best.utility - uniform.utility)
    assert uniform.ahead >= 0.0
    assert np.isnan([best.low, best.half, best.measured]).all()
    assert uniform.tokens == pytest.approx(np.full(3, 1e6 / 3))


def test_a_run_that_the_best_mixture_is_not_ahead_of_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = known_world(losses=False)
    nothing = (float("nan"), float("nan"))
    rows = [
        Mixture(name, np.full(3, 1.0), 0.5, *nothing, ahead, 0.0029, measured)
        for name, ahead, measured in (
            ("best", 0.0, nothing[0]),
            ("uniform", 0.01, nothing[0]),
            ("nearest measured run", -0.0002, 0.642),
        )
    ]
    monkeypatch.setattr("readsim.cli.best.best_beside", lambda *_: rows)
    show_best(Console(width=200), world, None, world.task("average"), 3.0)
    said = capsys.readouterr().out
    assert "utility 50.00, measured 64.20; best is not ahead: -0.02 ± 0.29" in said
    assert "utility 50.00; best is ahead by +1.00 ± 0.29" in said
