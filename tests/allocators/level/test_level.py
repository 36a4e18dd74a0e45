"""`level`: its inference against brute force, its plans in worlds that it must win and must not."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Context, Setup
from readsim.allocators.level import posterior as inference
from readsim.allocators.level.allocator import Level, best_rest, counted_shares, runs_of_pool
from readsim.allocators.level.effects import ALIKE, Bend, effect_classes, growth
from readsim.allocators.level.posterior import (
    LevelPosterior,
    Probed,
    class_weights,
    improvement,
    level_posterior,
)
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.offline_pool import Pool
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.loop import rollout
from readsim.worlds import World
from readsim.worlds.terms.learning_rate import LearningRate
from tests.support.made_setups import clean_world, drive, setup

FIRST, TEACHER = np.array([0.3, 0.4, 0.5]), np.array([0.8, 0.9, 0.7])
OWN = np.eye(3, dtype=np.bool_)
ITEMS = np.full(3, 64.0)


# --- the prior


def test_curves_go_from_nothing_to_one_and_the_bend_stays_inside() -> None:
    shares = np.linspace(0.0, 1.0, 11)
    curves = growth(shares)
    assert curves[[0, -1]].tolist() == [[0.0] * 3, [1.0] * 3]
    assert (np.diff(curves, axis=0) > 0.0).all()
    bend, z = Bend(np.array(0.2), np.array(0.1)), np.linspace(-3.0, 3.0, 61)
    levels = bend.value(z)
    assert levels.min() >= -0.1
    assert levels.max() <= 0.2
    middle = 0.5 * (z[1:] + z[:-1])
    assert np.diff(levels) / np.diff(z) == pytest.approx(bend.slope(middle), abs=0.03)


def test_moments_of_the_classes_by_drawing_them() -> None:
    classes = effect_classes(Bend(TEACHER - FIRST, FIRST), OWN)
    mean, spread = classes.moments
    rng = np.random.default_rng(0)
    v, s = 1, 2
    drawn = rng.choice(6, size=40_000, p=classes.weights[v, s])
    theta = np.array(
        [
            row
            for g in range(6)
            for row in rng.multivariate_normal(
                classes.mean[g, v], classes.spread[g, v], np.count_nonzero(drawn == g)
            )
        ]
    )
    assert theta.mean(axis=0) == pytest.approx(mean[v, s], abs=0.02)
    assert np.cov(theta.T) == pytest.approx(spread[v, s], abs=0.05 * np.abs(spread[v, s]).max())
    assert classes.weights.sum(axis=-1) == pytest.approx(1.0)
    both = classes.spread @ classes.precision
    assert both == pytest.approx(np.broadcast_to(np.eye(3), both.shape), abs=1e-9)
    assert classes.log_volume == pytest.approx(np.linalg.slogdet(classes.spread)[1])


def test_rows_exchange_what_they_know_as_by_enumeration() -> None:
    """Two effects of a source on others, and its own: all classes of all, and of the row, in turn."""
    classes = effect_classes(Bend(TEACHER - FIRST, FIRST), OWN)
    fit = np.random.default_rng(1).normal(size=(3, 3, 6))
    found = class_weights(fit, classes)
    i, others = 0, (1, 2)
    joint = np.zeros((6, 6))
    weights = [classes.weights[j, i] for j in others]
    for row, a, b in product(range(6), repeat=3):
        chance = weights[0][row]
        for w, j, g in zip(weights, others, (a, b), strict=True):
            chance *= ALIKE * (g == row) + (1.0 - ALIKE) * w[g]
            chance *= np.exp(fit[j, i, g])
        joint[a, b] += chance
    joint /= joint.sum()
    assert found[1, i] == pytest.approx(joint.sum(axis=1))
    assert found[2, i] == pytest.approx(joint.sum(axis=0))
    own = classes.weights[0, 0] * np.exp(fit[0, 0])
    assert found[0, 0] == pytest.approx(own / own.sum())


# --- the inference


def test_errors_of_one_run_share_its_first_probe() -> None:
    """The sums of the regression are those with the inverse of I + shared 11' written out."""
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 5))
    for shared in (1.0, inference.SHIFT):
        weight = np.linalg.inv(np.eye(5) + shared)
        rows = inference._Rows(x, t, shared / (1.0 + shared * 5))
        square, cross = inference._summed([rows])
        turned = x.swapaxes(2, 3) @ weight
        assert square == pytest.approx((turned @ x).sum(axis=1))
        assert cross == pytest.approx((turned @ t[..., None])[..., 0].sum(axis=1))


def test_inverses_of_small_blocks() -> None:
    a = np.random.default_rng(3).normal(size=(5, 4, 3, 3))
    spd = a @ a.swapaxes(-1, -2) + 0.1 * np.eye(3)
    inverse, volume = inference._inverse(spd)
    assert inverse == pytest.approx(np.linalg.inv(spd))
    assert volume == pytest.approx(np.linalg.det(spd))


def truth(shares: Array) -> Array:
    """Changes (n, 3): own gains that saturate, and source 2 that harms capability 0."""
    z = 0.4 * growth(shares)[..., 1] @ np.eye(3) - 0.5 * shares[:, 2:3] * np.eye(3)[0]
    return Bend(TEACHER - FIRST, FIRST).value(z)


def test_runs_without_noise_show_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "SLACK", 0.0)
    rng = np.random.default_rng(4)
    steps = np.arange(1, 21)[:, None] / 20
    evidence = [
        Probed((steps * mixture)[None], truth(steps * mixture)[None])
        for mixture in rng.dirichlet([1.0] * 3, 12)
    ]
    found = level_posterior(evidence, FIRST, TEACHER, OWN, 0.0, ITEMS, rounds=6)
    assert found.noise < 0.1
    r, anchor = np.array([0.6, 0.2, 0.2]), np.full(3, 1 / 3)
    ends = rng.dirichlet([1.0] * 3, 20)
    mean, deviation = improvement(found, ends, anchor, r)
    true = (truth(ends) - truth(anchor[None])) @ r
    assert mean == pytest.approx(true, abs=0.004)
    unknown = improvement(level_posterior([], FIRST, TEACHER, OWN, 0.0, ITEMS), ends, anchor, r)
    assert (deviation < 0.3 * unknown[1]).all()
    assert np.abs(unknown[0] - true).mean() > 5 * np.abs(mean - true).mean()


def test_mean_and_deviation_of_an_improvement_by_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "SLACK", 0.0)
    rng = np.random.default_rng(5)
    a = 0.05 * rng.normal(size=(2, 6, 6))
    room = Bend(np.array([0.4, 0.3]), np.array([0.3, 0.5]))
    found = LevelPosterior(0.1 * rng.normal(size=(2, 6)), a @ a.swapaxes(1, 2), room, 1.0)
    end, anchor, r = np.array([0.8, 0.2]), np.array([0.3, 0.7]), np.array([0.7, 0.3])
    mean, deviation = improvement(found, end[None], anchor, r)
    values = np.zeros(100_000)
    for j in range(2):
        theta = rng.multivariate_normal(found.mean[j], found.covariance[j], len(values))
        bend = Bend(room.up[j], room.down[j])
        ends = [bend.value(theta @ growth(c).ravel()) for c in (end, anchor)]
        values += r[j] * (ends[0] - ends[1])
    assert mean[0] == pytest.approx(values.mean(), abs=0.005)
    assert deviation[0] == pytest.approx(values.std(), rel=0.1)


def test_noise_is_learnt() -> None:
    rng = np.random.default_rng(6)
    shares = np.arange(1, 21)[:, None] / 20 * np.array([0.5, 0.3, 0.2])
    for factor in (0.1, 10.0):
        sd = np.sqrt(factor * FIRST * (1 - FIRST) * 0.15 / 64)
        error = sd * (rng.normal(size=(6, 20, 3)) - rng.normal(size=(6, 1, 3)))
        runs = Probed(np.broadcast_to(shares, (6, 20, 3)), truth(shares) + error)
        found = level_posterior([runs], FIRST, TEACHER, OWN, 0.0, ITEMS, rounds=6)
        assert found.noise == pytest.approx(factor, rel=0.5)


# --- the plan


def test_the_search_finds_the_top_of_a_concave_hill() -> None:
    top = np.array([0.55, 0.3, 0.15, 0.0])
    starts = np.concatenate([np.full((1, 4), 0.25), np.eye(4)])
    found = best_rest(lambda a: -((a - top) ** 2).sum(axis=1), starts)
    assert found == pytest.approx(top, abs=0.05)
    assert found.sum() == pytest.approx(1.0)


def test_runs_of_a_pool_are_told_apart_and_repeated_items_are_left_out() -> None:
    rate = LearningRate("linear", end=0.0)
    made = setup((0.5, 0.5), learning_rate=rate, budget=1_000, steps=2)
    pool = Pool(
        profile=np.zeros((5, 2)),
        budget_left=np.array([1.0, 0.5, 1.0, 0.5, 1.0]),
        history=np.zeros((5, 0)),
        allocation=np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]),
        change=np.array([[0.1, 0.0], [0.1, 0.2], [0.0, 0.0], [0.3, 0.0], [9.0, 9.0]]),
        tokens=np.full(5, 500.0),
        parent=np.array([0, 1, 2, 3, 0]),
    )
    [runs] = runs_of_pool(pool, made)
    assert runs["shares"][0] == pytest.approx(np.array([[0.75, 0.0], [0.75, 0.25]]))
    assert runs["change"][0] == pytest.approx(np.array([[0.1, 0.0], [0.2, 0.2]]))
    assert runs["shares"][1, -1] == pytest.approx([0.5, 0.5])
    all_ = counted_shares(made, np.array([0.0, 0.5]), np.array([500.0, 500.0]))
    assert all_.sum() == pytest.approx(1.0)
    two = Pool(
        np.zeros((6, 1)),
        np.tile([1.0, 0.5], 3),
        np.zeros((6, 0)),
        np.ones((6, 1)),
        np.arange(6.0)[:, None],
        np.full(6, 10.0),
        parent=np.array([0, 0, 1, 1, 0, 0]),
        run=np.array([0, 0, 1, 1, 2, 2]),
    )
    [steps] = runs_of_pool(two, made)
    assert steps["change"][:, :, 0].tolist() == [[0, 1], [2, 5]]  # the third is the first again
    short = pool._replace(budget_left=np.ones(5), parent=None)
    [starts] = runs_of_pool(short, made)
    assert starts["shares"].shape == (5, 1, 2)  # interventions at the start: a run each
    first_three: Any = [part[:3] for part in pool[:6]]
    odd = Pool(*first_three)
    assert [len(runs["shares"]) for runs in runs_of_pool(odd, made)] == [1, 1]


def harmed() -> World:
    """Half of the requirement is on a skill that the other source harms far more than it gains."""
    return clean_world(
        capabilities=["a", "b"],
        start=[0.4, 0.4],
        help=[[0.3, 0.0], [0.0, 0.05]],
        harm=[[0.0, 0.0], [0.6, 0.0]],
        scale_tokens=[2e7, 2e7],
        tasks={"t": {"requirement": {"a": 0.5, "b": 0.5}}},
    ).replace(items=np.full(2, 256.0))


def ends(world: World, name: str) -> float:
    rows, _ = rollout([DistillEnv(world, "t", 20_000_000, steps=8)], load_allocator(name), [0])
    return float(rows[-1]["utility"])


def test_offline_runs_show_harm_and_the_plan_leaves_it() -> None:
    world = harmed()
    static, found, best = (
        ends(world, name) for name in ("task-static", "level+runs=8", "oracle-static")
    )
    assert found > static + 0.5 * (best - static)


def test_order_is_not_in_its_model() -> None:
    """The second skill needs the first: the best schedule changes course, the plan does not."""
    world = clean_world(
        capabilities=["a", "b"],
        start=[0.3, 0.3],
        help=[[0.5, 0.0], [0.0, 0.5]],
        scale_tokens=[5e6, 2e7],
        tasks={"t": {"requirement": {"a": 0.1, "b": 0.9}}},
    ).replace(
        dynamics="flow",
        gates=({"capability": "b", "needs": "a", "threshold": 0.5, "width": 0.02, "low": 0.0},),
    )
    planned, best = (ends(world, name) for name in ("level+runs=8", "oracle-planning"))
    assert planned < best - 0.02


def test_much_caution_is_task_static() -> None:
    played, _ = drive(Level(caution=50.0), told(), [(0.3, 0.4, 0.5), (0.3, 0.41, 0.5)])
    assert played == pytest.approx(np.tile([0.6, 0.2, 0.2], (2, 1)))


@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_the_plan_may_have_the_targets_part_first(kind: str) -> None:
    """With much caution the plan is the prior, so that it is `target-first`, in tokens times rate."""
    chosen = told(learning_rate=LearningRate(kind), steps=10)
    played, _ = drive(Level(caution=50.0, order="first"), chosen, [(0.3, 0.4, 0.5)] * 10)
    counted = chosen.paces @ played / chosen.paces.sum()
    assert counted == pytest.approx(chosen.prior)
    assert (np.diff(played[:, 0]) <= 1e-9).all()
    assert np.count_nonzero((played[:, 0] > 1e-9) & (played[:, 0] < 1 - 1e-9)) <= 1
    if kind == "constant":
        assert played == pytest.approx(load_allocator("target-first").plan(chosen))  # type: ignore[attr-defined]


def told(**fields: Any) -> Setup:
    return setup((0.6, 0.2, 0.2), teacher=TEACHER, **fields)


def test_what_is_told_of_a_plan_is_of_its_end() -> None:
    chosen = told()
    level = Level(caution=0.0)
    state = level.init(chosen)
    context = Context(chosen, 0, FIRST, 1.0, np.zeros(0), chosen.prior)
    shares, mean, deviation = level.outlook(state, context)
    assert mean > 0.0
    assert deviation > 0.0
    found = level.posterior(state, context)
    again = improvement(found, shares[None], chosen.prior, chosen.requirement)
    assert (mean, deviation) == pytest.approx((again[0][0], again[1][0]))


def test_one_source_and_negated_losses() -> None:
    one = setup((1.0,), teacher=np.array([0.9]))
    assert drive(Level(), one, [(0.3,)] * 3)[0].tolist() == [[1.0]] * 3
    losses = setup((0.5, 0.3, 0.2), teacher=np.array([-1.0] * 3), scores=False)
    played, _ = drive(Level(), losses, [(-3.0, -2.0, -2.5), (-2.9, -2.0, -2.6)])
    assert played.sum(axis=1) == pytest.approx(1.0)


def test_what_it_needs_and_refuses() -> None:
    assert Level().needs == {"teacher"}
    assert Level(runs=2).needs == {"teacher", "transitions"}
    asked = (
        "level+runs=2",
        "level",
        "read",
        "read+persistent=true+pool=41",
        "level+runs=3+floor=0.01",
    )
    assert [load_allocator(name).whole_runs(20) for name in asked] == [2, 0, 0, 3, 3]
    with pytest.raises(CapabilityMissingError, match="teacher"):
        Level().init(setup())
    with pytest.raises(CapabilityMissingError, match="offline pool"):
        Level(runs=2).init(told())
    for bad in ({"runs": -1}, {"caution": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            load_allocator("level", bad)
