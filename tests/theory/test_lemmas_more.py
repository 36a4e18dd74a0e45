"""Edges of the lemmas' checks: scales, ties, intervals, indices."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory import Verdict, diagnostics
from readsim.theory.lemmas import (
    greedy_blocks,
    inert,
    one_hot_bound,
    spillover,
    static_dominance,
    tokens,
    vertex,
)
from readsim.worlds import Task, World, load_world, optimum
from tests.support.strategies import BUDGET, few, grids, shares, tasks, worlds
from tests.worlds.test_flow import flow_world

# ----------------------------------------------------------------- static dominance, one-hot bound, spillover


@few
@given(worlds(("separable", "potential")), st.data())
def test_no_schedule_beats_the_split_in_any_order_free_world(
    world: World, data: st.DataObject
) -> None:
    """Broken lines, infinite slopes at 0, harm and single sources included."""
    result = static_dominance.check(world, data.draw(tasks(world)), BUDGET, draws=5)
    assert result.verdict is Verdict.HOLDS, result.row()


def test_schedules_have_the_intervals_of_the_split() -> None:
    """In a world that forgets, the same constant split in 2 intervals ends elsewhere than in 20."""
    world = load_world("forgetting")
    task = world.task("analyst")
    best = optimum(world, task, 20e6, spend_all=False)
    for blocks in static_dominance.block_schedules(len(world.sources), 20e6):
        assert len(blocks) == 20
        assert np.sum(blocks, axis=1) == pytest.approx(np.full(20, 1e6))
    constant = [best.allocation * 1e6] * 20
    assert static_dominance.excess(world, task, 20e6, [constant]) == pytest.approx(0.0, abs=1e-12)
    two = [best.allocation * 10e6] * 2
    assert abs(static_dominance.excess(world, task, 20e6, [two])) > 1e-4


@pytest.mark.parametrize("name", ["analyst", "balanced"])
def test_planning_is_worth_something_to_those_who_forget(name: str) -> None:
    """Blocks, greedy and random schedules alone miss it: the planned one has to be among them."""
    world = load_world("forgetting")
    assert static_dominance.check(world, world.task(name), 20e6).statistic > 3e-3


def test_block_schedules_turn_at_each_part() -> None:
    blocks = np.array(static_dominance.block_schedules(2, 20.0))
    assert sorted(blocks[:, :, 0].sum(axis=1)) == pytest.approx([5, 5, 10, 10, 15, 15])
    assert (blocks.max(axis=2) == 1.0).all()
    assert {tuple(b[0]) for b in blocks} == {(1.0, 0.0), (0.0, 1.0)}


def test_the_greedy_policy_looks_at_what_it_has_done() -> None:
    """Two equal saturating sources: it alternates, which a policy without memory would not."""
    world = flow_world(
        dynamics="potential",
        start=np.full(2, 0.3),
        ceiling=np.full(2, 0.9),
        gain=("exponential",) * 2,
        help=0.4 * np.eye(2),
    )
    task = Task("both", np.full(2, 0.5), np.full(2, 0.5))
    plan = np.array(static_dominance.greedy_schedule(world, task, BUDGET, 6))
    assert plan.sum(axis=0) == pytest.approx(np.full(2, BUDGET / 2))
    assert (plan[0::2] != plan[1::2]).all()


def test_forced_spending_harms_and_l1_compares_with_the_free_optimum() -> None:
    world = flow_world(
        dynamics="potential",
        help=0.1 * np.eye(2),
        harm=np.array([[0.0, 0.02], [0.02, 0.0]]),
        scale_tokens=np.full(2, BUDGET / 10),
        link="identity",
        start=np.full(2, 0.5),
        gain=("exponential", "exponential"),
        horizon=1.1 * BUDGET,
    )
    task = Task("both", np.full(2, 0.5), np.full(2, 0.5))
    assert static_dominance.check(world, task, BUDGET).verdict is Verdict.HOLDS
    short = static_dominance.greedy_schedule(world, task, BUDGET)[:5]
    ends = float(task.utility(world.profile_after(short)))
    assert ends > optimum(world, task, BUDGET).utility + 0.01
    assert static_dominance.excess(world, task, BUDGET, [short]) <= 1e-9
    waste = spillover.check(world, task, BUDGET)
    assert waste.verdict is Verdict.FAILS
    assert waste.detail["lambda"] < 0 < waste.detail["spent"] < 1
    more = optimum(world, task, 1.001 * BUDGET).utility - optimum(world, task, BUDGET).utility
    assert waste.detail["lambda"] * BUDGET == pytest.approx(more / 0.001, rel=0.01)
    tiny = spillover.check(world, task, 1.0)
    assert tiny.verdict is Verdict.HOLDS
    assert tiny.detail["lambda"] > 0
    assert tiny.detail["spent"] == pytest.approx(1.0)


def test_the_sign_of_lambda_needs_concave_returns() -> None:
    """Behind a link with a floor the worst is over at some point: stopping early wins, lambda > 0."""
    world = flow_world(
        dynamics="potential",
        help=0.3 * np.eye(2),
        harm=np.array([[0.0, 0.4], [0.4, 0.0]]),
        scale_tokens=np.full(2, BUDGET / 10),
    )
    waste = spillover.check(world, Task("both", np.full(2, 0.5), np.full(2, 0.5)), BUDGET)
    assert waste.statistic > 1e-3
    assert waste.detail["lambda"] > 0
    assert waste.detail["spent"] < 1


def test_the_specialist_of_a_capability_is_the_source_of_its_name() -> None:
    """Sources and capabilities in another order, other numbers: indices must not be mixed up."""
    world = flow_world(
        dynamics="potential", sources=("b", "a"), help=np.array([[0.0, 0.3], [0.2, 0.0]])
    )
    assert one_hot_bound.own_capability(world) == [(0, 1), (1, 0)]
    assert one_hot_bound.check(world, BUDGET).verdict is Verdict.HOLDS
    leads = one_hot_bound.lead(world, np.array([1.0, 0.0]), BUDGET)
    whole = world.static_profile(np.array([0.0, 1.0]), BUDGET)[0]
    assert leads == pytest.approx([0.0, world.start[0] - whole])


# ----------------------------------------------------------------- vertices, greedy blocks


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1e-7, 1e-3, 1.0]))
def test_the_programme_has_no_scale(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    local, r, prices = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4)), np.full(4, 3.0)
    value, mixture = vertex.linear_programme(local, r, prices)
    small, _ = vertex.linear_programme(size * local, r, prices)
    assert small / size == pytest.approx(value, abs=1e-8)
    change = mixture @ local
    assert float(change @ r + np.minimum(change, 0) @ prices) == pytest.approx(value, abs=1e-8)
    points = rng.dirichlet(np.full(5, 0.5), 300) @ local
    assert (points @ r + np.minimum(points, 0) @ prices).max() <= value + 1e-8
    verdicts = {vertex.check(f * local, r, prices, "").verdict for f in (1.0, size)}
    assert len(verdicts) == 1


def test_no_change_at_all_is_no_reward() -> None:
    result = vertex.check(np.zeros((2, 1)), np.ones(1), np.ones(1), "flat")
    assert result.verdict is Verdict.HOLDS
    assert result.statistic == 0.0


@few
@given(grids((3, 6), -60, 60))
def test_the_dynamic_programme_is_brute_force_on_any_returns(rows: Array) -> None:
    table = np.column_stack([np.zeros(3), rows])
    curves = [lambda b, row=row: float(row[round(b)]) for row in table]
    splits = [c for c in product(range(7), repeat=3) if sum(c) == 6]
    best = max(sum(table[i, n] for i, n in enumerate(c)) for c in splits)
    assert greedy_blocks.best_of_blocks(curves, 6.0, 6) == pytest.approx(best, abs=1e-12)
    assert greedy_blocks.greedy(curves, 6.0, 6) <= best + 1e-12


# ----------------------------------------------------------------- inert terms, labels and tokens


def test_a_slope_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="not aligned"):
        inert.effective_kappa(1.0, float("nan"))
    assert inert.calibrated_choice(np.array([0.3]), np.ones(1), 2.0, slope=-1.0) == 0


@few
@given(shares(4), st.lists(st.integers(1, 900), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_realised_shares_are_those_asked_for(wanted: Array, means: list[int], seed: int) -> None:
    lengths = np.array(means, dtype=np.float64)
    labels = tokens.label_shares(wanted, lengths)
    assert tokens.token_shares(labels, lengths) == pytest.approx(wanted)
    got = tokens.realised_shares(labels, lengths, 10_000, np.random.default_rng(seed))
    assert (np.abs(got - wanted) <= 7 * tokens.share_sd(labels, lengths, 10_000) + 1e-3).all()


def test_the_standard_error_is_that_of_repeated_draws() -> None:
    labels, lengths = np.array([0.2, 0.5, 0.3]), np.array([50.0, 10.0, 5.0])
    rng = np.random.default_rng(0)
    drawn = np.array([tokens.realised_shares(labels, lengths, 400, rng) for _ in range(2000)])
    assert drawn.std(axis=0) == pytest.approx(tokens.share_sd(labels, lengths, 400), rel=0.06)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_lengths_that_are_refused(bad: float) -> None:
    for shares_of in (tokens.label_shares, tokens.token_shares):
        with pytest.raises(ConfigError, match="lengths"):
            shares_of(np.full(2, 0.5), np.array([1.0, bad]))


# ----------------------------------------------------------------- diagnostics

BUDGETS = np.array([20e6, 80e6, 150e6])


def test_the_bias_is_that_of_selection_on_the_same_seeds() -> None:
    """chk C5, C21: 8 targets, the 3 strongest, as in the paper."""
    rng, runs = np.random.default_rng(0), 3000
    select, test = 5e-10 * BUDGETS + 1.0 * rng.normal(size=(2, runs, 8, 3))
    paper = [
        diagnostics.diminishing_share(s, BUDGETS, strongest=3, per_token=False) for s in select
    ]
    same = [diagnostics.split_share(s, s, BUDGETS, strongest=3) for s in select]
    split = [
        diagnostics.split_share(s, t, BUDGETS, strongest=3)
        for s, t in zip(select, test, strict=True)
    ]
    assert 0.82 < np.mean(paper) < 0.88
    assert np.mean(same) > 0.82
    assert np.mean(split) == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ConfigError, match="same targets"):
        diagnostics.split_share(select[0], test[0][:4], BUDGETS, strongest=3)


def test_exact_lines_are_ties_and_short_windows_count() -> None:
    lines = np.outer(np.linspace(0.5, 1.5, 200) * 1e-9, BUDGETS)
    assert diagnostics.diminishing_share(lines, BUDGETS) == 0.5
    assert diagnostics.diminishing_share(np.zeros((4, 3)), BUDGETS) == 0.5
    # chk C4: b / (b + 1000) is concave and gains more in the longer window all the same
    curve = (BUDGETS / 1e6 / (BUDGETS / 1e6 + 1000))[None]
    assert diagnostics.diminishing_share(curve, BUDGETS) == 1.0
    assert diagnostics.diminishing_share(curve, BUDGETS, per_token=False) == 0.0


def test_drops_of_nothing_and_of_many_sd() -> None:
    assert diagnostics.mean_drop(np.zeros(0), 0.1) == 0.0
    deep = -1.0 + 0.1 * np.random.default_rng(0).normal(size=20_000)
    assert diagnostics.mean_drop(deep, 0.1) == pytest.approx(1 - 0.03989, abs=0.003)
