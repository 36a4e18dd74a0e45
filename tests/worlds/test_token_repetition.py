"""Finite pools and shared gain curves: what tokens are worth before any gain is computed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, WorldError
from readsim.worlds import World, load_world, optimum
from readsim.worlds.files import world_from_dict, world_to_dict
from readsim.worlds.token_repetition import REPEATS, unique_slope, unique_worth
from tests.support import plain

POOL = np.array([2e6, np.inf])


def shared(**changes: Any) -> World:
    """Three sources on two curves: the first two are substitutes on curve 0."""
    fields: dict[str, Any] = {
        "name": "shared",
        "sources": ["a", "b", "c"],
        "capabilities": ["one", "two"],
        "dynamics": "potential",
        "start": 0.3,
        "ceiling": 0.9,
        "feeds": [[1.0, 0.0], [0.5, 0.25], [0.0, 1.0]],
        "gain": ["log", "hill"],
        "scale_tokens": [2e7, 1e7],
        "help": [[0.2, 0.05], [0.0, 0.3]],
        "harm": [[0.0, 0.02], [0.01, 0.0]],
    }
    return world_from_dict(fields | changes)


@given(st.floats(0, 1e9), st.floats(1e3, 1e9))
def test_a_repeat_is_worth_less_and_never_nothing(tokens: float, pool: float) -> None:
    b, p = np.array([tokens]), np.array([pool])
    worth = float(unique_worth(b, p)[0])
    assert worth == pytest.approx(plain.worth(tokens, pool), rel=1e-12)
    assert 0 <= worth <= min(tokens, pool * (1 + REPEATS)) * (1 + 1e-12)
    more = float(unique_worth(b * 1.01, p)[0])
    assert more >= worth
    assert 0 < float(unique_slope(b, p)[0]) <= 1 or tokens / pool > 1e3


def test_the_slope_is_the_derivative_and_meets_the_pool_smoothly() -> None:
    pool = np.full(5, 1e6)
    b = np.array([0.2, 0.999, 1.001, 3.0, 40.0]) * 1e6
    step = 1.0
    numeric = (unique_worth(b + step, pool) - unique_worth(b - step, pool)) / (2 * step)
    assert unique_slope(b, pool) == pytest.approx(numeric, rel=1e-5)


def test_without_a_pool_nothing_changes() -> None:
    b = np.array([0.0, 1.0, 1e12])
    endless = np.full(3, np.inf)
    assert np.array_equal(unique_worth(b, endless), b)
    assert np.array_equal(unique_slope(b, endless), np.ones(3))


@given(st.lists(st.floats(0, 1e8), min_size=3, max_size=3), st.booleans())
def test_shared_curves_equal_the_plain_equations(tokens: list[float], finite: bool) -> None:
    world = shared(pool_tokens=[1e6, "unlimited", 3e6]) if finite else shared()
    assert world.profile_after([np.array(tokens)]) == pytest.approx(
        plain.potential(world, tokens), rel=1e-9, abs=1e-12
    )


def test_own_curves_written_as_feeds_are_the_same_world() -> None:
    base = load_world("finite-pools")
    other = base.replace(feeds=np.eye(8))
    tokens = np.linspace(0, 4e7, 8)
    assert np.allclose(
        base.profile_after([tokens]), other.profile_after([tokens]), rtol=0, atol=1e-12
    )
    task = base.task("math")
    a, b = (optimum(w, task, 20e6) for w in (base, other))
    assert a.utility == pytest.approx(b.utility, abs=1e-9)


@pytest.mark.parametrize("pools", [None, [1e6, "unlimited", 3e6]])
def test_the_optimum_uses_exact_slopes(pools: list[Any] | None) -> None:
    world = shared(pool_tokens=pools) if pools else shared()
    task = world.task("one")
    best = optimum(world, task, 3e7)
    draws = np.random.default_rng(0).dirichlet(np.ones(3), 4000)
    sampled = task.utility(world.static_profile(draws, 3e7))
    assert best.utility >= sampled.max() - 1e-12
    model = world.potential
    x = np.array([0.4e6, 2e6, 9e6]) * world.rate()
    step = np.eye(3) * x * 1e-6
    numeric = (model.latent(x + step) - model.latent(x - step)) / (2e-6 * x[:, None])
    assert model.latent_slope(x) == pytest.approx(numeric, rel=1e-5, abs=1e-12)


def test_flow_with_pools_does_not_depend_on_how_a_stretch_is_cut() -> None:
    base = load_world("finite-pools")
    flow = base.replace(dynamics="flow", name="cut")
    tokens = np.linspace(1e6, 3e7, 8)
    whole = base.profile_after([tokens])
    assert flow.profile_after([tokens * 0.3, tokens * 0.7]) == pytest.approx(whole, abs=1e-12)
    shares = tokens / tokens.sum()
    assert flow.static_profile(shares, float(tokens.sum())) == pytest.approx(whole, abs=1e-12)


def test_repeating_a_small_pool_brings_less_than_fresh_tokens() -> None:
    scarce, plenty = load_world("finite-pools"), load_world("read8-llama")
    budget = 150e6
    lost = plenty.transfer_matrix(budget) - scarce.transfer_matrix(budget)
    assert (np.diag(lost) > 0).all()
    within = np.minimum(scarce.pool_tokens, 1e6)
    assert np.array_equal(scarce.profile_after([within]), plenty.profile_after([within]))


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_files(suffix: str, tmp_path: Any) -> None:
    from readsim.worlds import save_world

    world = shared(pool_tokens=[1e6, "unlimited", 3e6])
    save_world(world, tmp_path / f"w.{suffix}")
    again = load_world(tmp_path / f"w.{suffix}")
    assert world_to_dict(again) == world_to_dict(world)
    env = DistillEnv(again, "one", 1_000_000)
    env.reset(seed=0)
    env.step(np.array([1.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feeds": [[1.0, -0.5]] * 3}, "feeds = -0.5: values must be >= 0"),
        ({"feeds": [[1.0, 0.0]] * 2}, "feeds: shape"),
        ({"feeds": 3.0}, "feeds: expected a matrix"),
        ({"feeds": [[1.0], [1.0], [1.0]]}, "scale_tokens: shape"),
        ({"help": [[0.1, 0.1]] * 3}, "help: shape"),
        ({"dynamics": "flow"}, "shared gain curves need"),
        ({"link": "identity", "horizon": 1e6}, "shared gain curves need"),
        ({"pool_tokens": 0.0}, "pool_tokens = 0.0: values must be > 0"),
        ({"pool_tokens": [1.0, 2.0]}, "pool_tokens: shape"),
    ],
)
def test_malformed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorldError, match=message):
        shared(**changes)


def test_knees_belong_to_own_curves() -> None:
    with pytest.raises(ConfigError, match="share gain curves"):
        shared().knees()
