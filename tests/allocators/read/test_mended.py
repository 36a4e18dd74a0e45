"""ReAD's estimates mended: each setting does what it says, beside a reference."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Context, Setup, Transition
from readsim.allocators.read import ensemble
from readsim.allocators.read.allocator import (
    ReAD,
    lower_improvement,
    predicted_harm,
    row_groups,
)
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.offline_pool import Pool, collect_pool
from readsim.envs.reward import RewardConfig
from readsim.errors import CapabilityMissingError, ConfigError, ReadsimError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.testing import check_allocator
from readsim.testing.backend_checks import same
from readsim.worlds import random_world
from tests.support.helpers import SMALL, WORLD, allocations, decisions

DRAWN = {"permutation equivariance": "pool allocations and first weights are drawn by place"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "mend",
    [
        {"variant": "mended"},
        {"target": "level", "penalty": "predicted"},
        {"shares": True, "rescale": True, "ensemble.own_weight": 4.0, "ensemble.refit": True},
        {"pool": 0, "target": "level", "rule": "improvement"},
    ],
    ids=str,
)
def test_they_keep_an_allocators_promises(mend: dict[str, Any]) -> None:
    settings = {**SMALL, "ensemble.steps": 20, "ensemble.stages": 1, **mend}
    check_allocator(lambda: ReAD(**settings), examples=1, expected_failures=DRAWN)


def made(**settings: Any) -> tuple[ReAD, Setup, Any]:
    read = ReAD(**{**SMALL, **settings})
    env = DistillEnv(WORLD, "skill_0", 1_000_000, steps=8)
    env.reset(seed=0)
    setup = setup_for(env, read, 0)
    return read, setup, read.init(setup)


def at(setup: Setup, **changed: Any) -> Context:
    h = setup.history * (len(setup.sources) + len(setup.capabilities) + 2)
    context = Context(setup, 0, np.full(4, 0.3), 1.0, np.zeros(h), setup.prior)
    return replace(context, **changed)


def test_levels_are_learned_as_a_function_of_the_tokens_alone() -> None:
    """The rows are sums over a run, and a step is worth the difference of two levels."""
    read, setup, _ = made(target="level", persistent=True)
    pool = collect_pool(random_world(0, capabilities=4), DistillEnv(WORLD).episode, 40, 3)
    x, y = read._pool_rows(setup, pool)
    assert pool.run is not None
    for run in np.unique(pool.run):
        rows = np.flatnonzero(pool.run == run)
        trained = np.cumsum(pool.allocation[rows] * pool.tokens[rows, None], axis=0)
        np.testing.assert_allclose(x[rows], trained / setup.budget)
        np.testing.assert_allclose(
            y[rows], np.cumsum(pool.change[rows], axis=0) @ setup.requirement, atol=1e-12
        )
    read, setup, state = made(target="level", persistent=True)
    fitted, moves = state["ensemble"], np.eye(4)
    state = {**state, "spent": np.array([0.1, 0.0, 0.2, 0.0])}
    said = ensemble.predict_members(fitted, state["spent"] + moves / setup.steps)[..., 0]
    now = ensemble.predict_members(fitted, state["spent"][None])[..., 0]
    mu, _ = read._predict(state, at(setup), moves)
    np.testing.assert_allclose(mu, (said - now).mean(axis=0), atol=1e-12)
    elsewhere, _ = read._predict(state, at(setup, profile=np.full(4, 0.9), budget_left=0.1), moves)
    np.testing.assert_array_equal(mu, elsewhere)


def test_own_levels_are_since_the_first_probe() -> None:
    read, setup, state = made(target="level", persistent=True)
    seen: list[Array] = []

    def noted(config: Any, fitted: Any, x: Array, y: Array) -> Any:
        seen.append(np.append(x, y))
        return fitted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "add_row", noted)
        profile: Array = np.full(4, 0.3)
        used: Array = np.zeros(4)
        for step, share in enumerate(np.eye(4)[[0, 2, 2]]):
            change: Array = np.array([0.01, 0.02, 0.03, 0.04]) * (step + 1)
            context = at(setup, step=step, profile=profile)
            outcome = Transition(context, share, 0.0, change, profile + change, 125_000, None)
            state = read.update(state, outcome)
            profile, used = profile + change, used + share / 8
            level = setup.requirement @ (profile - 0.3)
            np.testing.assert_allclose(seen[-1], np.append(used, level), atol=1e-12)


def test_shares_are_the_tokens_so_far_at_the_end_of_the_context() -> None:
    read, setup, state = made(shares=True)
    plain, _, _ = made()
    spent = np.array([0.0, 0.25, 0.0, 0.5])
    rows = read._rows(at(setup), np.eye(4), spent)
    assert np.array_equal(rows[:, :-4], plain._rows(at(setup), np.eye(4)))
    assert np.array_equal(rows[:, -4:], np.tile(spent, (4, 1)))
    assert len(state["ensemble"]["x_mean"]) == rows.shape[1]
    rows_of_run = decisions(rollout([DistillEnv(WORLD, steps=4)], read, [0]).rows)
    assert len(rows_of_run) == 4


def test_the_predicted_price_is_on_all_that_is_visible_and_blind_to_noise() -> None:
    """Unit weights, the drop of the mean and not the mean of the drop."""
    change = np.array([[[0.1, -0.2]], [[-0.1, -0.4]], [[0.0, 0.0]]])  # M 3, A 1, V 2
    np.testing.assert_allclose(predicted_harm(change, 0.5), [0.5 * (0.0 + 0.2)])
    read, setup, state = made(penalty="predicted", price=2.0)
    moves = np.eye(4)
    said = ensemble.predict_members(state["ensemble"], read._rows(at(setup), moves))
    drops = np.maximum(-said[..., 1:].mean(axis=0), 0.0).sum(axis=1)
    assert drops.max() > 0
    mu, _ = read._predict(state, at(setup), moves)
    price = 2.0 * RewardConfig().spill
    np.testing.assert_allclose(mu, said[..., 0].mean(axis=0) - price * drops, atol=1e-12)
    free, _, kept = made(penalty="predicted", interaction=False)
    said = ensemble.predict_members(kept["ensemble"], free._rows(at(setup), moves))
    unpriced, _ = free._predict(kept, at(setup), moves)
    np.testing.assert_allclose(unpriced, said[..., 0].mean(axis=0), atol=1e-12)


def test_an_improvement_has_to_be_sure_and_else_the_requirement_is_played() -> None:
    gains = np.array([[0.0, 1.0, 3.0], [0.0, 1.0, -1.0], [0.0, 1.0, 1.0]])
    np.testing.assert_allclose(lower_improvement(gains, 1.0), [0.0, 1.0, 1.0 - 2.0])
    careful, setup, state = made(rule="improvement", kappa=1e6)
    np.testing.assert_array_equal(careful.select(state, at(setup)), setup.prior)
    bold, _, same_state = made(rule="improvement", kappa=0.0)
    greedy, _, _ = made(kappa=0.0)
    np.testing.assert_array_equal(
        bold.select(same_state, at(setup)), greedy.select(same_state, at(setup))
    )


def test_rescaling_multiplies_own_rewards_by_a_positive_slope_only() -> None:
    seen: list[float] = []
    keep = ensemble.add_row

    def noted(config: Any, fitted: Any, x: Array, y: Array) -> Any:
        seen.append(float(y))
        return keep(config, fitted, x, y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "add_row", noted)
        rows = decisions(
            rollout([DistillEnv(WORLD, steps=20)], ReAD(**SMALL, rescale=True), [0]).rows
        )
    scale = 1.0
    for learned, row in zip(seen, rows, strict=True):
        assert learned == pytest.approx(scale * row["report"]["reward"])
        slope = row["report"]["calibration"]
        scale = slope if slope > 0 else scale
    assert scale != 1.0


def test_measurements_of_one_training_count_once_however_long_it_was() -> None:
    n, parent, run = 12, np.repeat([0, 1], 6), np.repeat(np.arange(4), 3)
    empty = np.zeros((n, 1))
    pool = Pool(empty, np.ones(n), np.zeros((n, 0)), empty, empty, np.ones(n))
    assert row_groups(pool, by_run=True)[0] is None
    np.testing.assert_array_equal(row_groups(pool, by_run=True)[1], np.ones(n))
    groups, weight = row_groups(pool._replace(parent=parent), by_run=False)
    np.testing.assert_array_equal(groups, parent)
    np.testing.assert_allclose(weight, 1 / 6)
    # Two measurements of each of two trainings of three steps.
    _, weight = row_groups(pool._replace(parent=parent, run=run), by_run=False)
    np.testing.assert_allclose(weight, 1 / 2)
    alone, _ = row_groups(pool._replace(run=run), by_run=False)
    assert alone is None
    together, _ = row_groups(pool._replace(run=run), by_run=True)
    np.testing.assert_array_equal(together, run)


def at_start(setup: Setup, size: int) -> Pool:
    """Short trainings from the start, as a real pool has them."""
    rng = np.random.default_rng(0)
    return Pool(
        0.3 + 0.01 * rng.standard_normal((size, 4)),
        np.ones(size),
        np.zeros((size, setup.history * 10)),
        rng.dirichlet(np.ones(4), size),
        0.01 * rng.standard_normal((size, 4)),
        np.full(size, 125_000.0),
        np.arange(size) % 8,
        np.arange(size),
    )


def test_a_pool_of_the_start_does_not_blind_it_to_the_rest_of_the_run() -> None:
    """After own rows the predictions depend on the budget that is left, as Eq. (8) has it."""
    read, setup, _ = made()
    setup = replace(setup, transitions=lambda size: at_start(setup, size))
    state = read.init(setup)
    for step in range(6):
        left = 1.0 - step / 8
        context = at(setup, step=step, budget_left=left)
        share = np.eye(4)[step % 4]
        gain = np.full(4, 0.1 * left)
        state = read.update(state, Transition(context, share, 0.0, gain, gain, 125_000, None))
    early, _ = read._predict(state, at(setup, budget_left=1.0), np.eye(4))
    late, _ = read._predict(state, at(setup, budget_left=0.4), np.eye(4))
    assert np.abs(early - late).max() > 1e-3
    blind = ReAD("no-history", **SMALL, budget=False)
    assert not blind.init(setup)["ensemble"]["anew"]  # nothing in its context says where it is


def test_levels_from_the_start_alone_are_said_to_be_unsafe() -> None:
    read, setup, _ = made(target="level")
    with pytest.warns(UserWarning, match="end after 13% of the budget"):
        read.init(replace(setup, transitions=lambda size: at_start(setup, size)))
    unknown = replace(setup, transitions=lambda size: at_start(setup, size)._replace(run=None))
    with pytest.raises(CapabilityMissingError, match="which of its rows are one run"):
        read.init(unknown)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(target="level", persistent=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("persistent=true+pool=0", "pool = 0"),
        ("rescale=true+target=level", "target = 'level' has none"),
        ("target=levels", "level"),
        ("rule=lower", "improvement"),
        ("penalty=none", "measured"),
        ("ensemble.own_weight=0", "own_weight"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name: str, said: str) -> None:
    with pytest.raises(ReadsimError, match=said):
        load_allocator(f"read+{name}")


@pytest.mark.parametrize("mend", ["penalty=predicted", "target=level", "rule=improvement"])
def test_each_learns_from_the_run_alone_where_there_is_no_pool(mend: str) -> None:
    env = DistillEnv(WORLD, "skill_1", 20_000_000, steps=4)
    rows, _ = rollout([env], load_allocator(f"read+pool=0+{mend}"), [0])
    assert len([row for row in rows if row["kind"] == "step"]) == 4


def test_repairs_belong_to_the_papers_rule() -> None:
    for mend in ({"target": "level"}, {"rule": "improvement"}, {"penalty": "predicted"}):
        with pytest.raises(ConfigError, match="repair = 'residual' is of target 'reward'"):
            ReAD(repair="residual", **mend)


def test_the_mended_variant_is_its_three_settings() -> None:
    env = [DistillEnv(WORLD, steps=4) for _ in range(2)]
    named, spelled = (
        rollout([one], read, [1]).rows
        for one, read in zip(
            env,
            (
                ReAD("mended", **SMALL),
                ReAD(**SMALL, persistent=True, target="level", rule="improvement"),
            ),
            strict=True,
        )
    )
    assert same(allocations(named), allocations(spelled))
