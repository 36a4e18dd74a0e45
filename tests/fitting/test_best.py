"""The best mixture beside uniform."""

import numpy as np
import pytest

from readsim.fitting.best import best_beside
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
