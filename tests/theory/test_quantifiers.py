"""Worlds in which a statement is false in one corner only, which must fail; true ones that must hold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError
from readsim.theory import Result, Verdict, calibration, gains, marginals, mixture, readout, regret
from readsim.theory.adversary import find_worst, hard_points
from readsim.theory.witness import Decision
from readsim.worlds import Task, optimum
from readsim.worlds.world import World
from tests.support.strategies import BUDGET
from tests.theory.test_gains import two


class Shown:
    """A student by formulas: E[update] from (allocation, rate), scores, and their gradients at 0."""

    def __init__(
        self,
        update: Callable[[Array, float], Array] | None = None,
        scores: Callable[[Array], Array] | None = None,
    ) -> None:
        self.update, self.scores = update, scores

    def parameters(self) -> Array:
        return np.zeros(3)

    def directions(self) -> Array:
        return np.eye(3)

    def readouts(self, parameters: Array) -> Array:
        assert self.scores is not None
        return self.scores(parameters)

    def readout_gradients(self) -> Array:
        return np.eye(2, 3)

    def expected_update(self, weights: Array, rate: float, updates: int = 1) -> Array:
        assert self.update is not None
        return self.update(weights, rate * updates)


def bowed(a: Array, h: float) -> Array:
    """A mixture of directions, and an error of second order."""
    return h * a + 0.1 * h**2 * np.array([a[0] * a[1], a[1] ** 2, 0.0])


def above(share: float) -> Callable[[Array, float], Array]:
    return lambda a, h: bowed(a, h) * (0.5 if a.max() > share else 1.0)


UPDATES: dict[str, tuple[bool, Callable[[Array, float], Array]]] = {
    "second order": (True, bowed),
    "linear": (True, lambda a, h: h * a),
    "first-order error of 1e-7": (True, lambda a, h: bowed(a, h) + 1e-7 * h * a**2),
    "reversed at one-hots": (False, lambda a, h: bowed(a, h) * (-1.0 if a.max() == 1 else 1.0)),
    "clipped above .85": (False, above(0.85)),
    "clipped above .95": (False, above(0.95)),
    "clipped above .999": (False, above(0.999)),
    "off on an edge": (False, lambda a, h: bowed(a, h) * (1.2 if a[2] == 0 else 1.0)),
    "residual above the update": (False, lambda a, h: h * a + 400 * h**2 * a[0] * a[1]),
    "first-order error of 1e-3": (False, lambda a, h: bowed(a, h) + 1e-3 * h * a**2),
}


@pytest.mark.parametrize("name", UPDATES)
def test_linear_updates(name: str) -> None:
    true, update = UPDATES[name]
    found = mixture.check(Shown(update), name)
    assert found.verdict is (Verdict.HOLDS if true else Verdict.FAILS), found.row()


def test_the_size_of_a_departure_is_relative_to_the_update() -> None:
    found = mixture.check(Shown(lambda a, h: h * (a + 1e-2 * a[0] * a[1])), "x").effect
    assert found is not None
    # at (1/2, 1/2, 0): 1e-2 / 4 in each of three entries, over an update of 1
    assert found.size == pytest.approx(0.25e-2 * np.sqrt(3), rel=0.02)


SCORES: dict[str, tuple[bool, Callable[[Array], Array]]] = {
    "smooth": (True, lambda p: np.array([np.tanh(p[0]) + p[2] ** 2, np.expm1(p[1])])),
    "|t|^1.5": (True, lambda p: np.array([p[0] + abs(p[0]) ** 1.5, p[1]])),
    "error of 1e-7": (True, lambda p: np.array([p[0] + 1e-7 * abs(p[2]), p[1]])),
    "kink": (False, lambda p: np.array([p[0] + p[2] ** 2, p[1] + 0.1 * abs(p[2])])),
    "kink in a small one": (
        False,
        lambda p: np.array([p[0] + p[0] ** 2, p[1] + 1e-4 * abs(p[2]) + p[2] ** 2]),
    ),
    "kink beside theta": (False, lambda p: np.array([p[0], p[1] + 0.1 * max(p[2] - 0.05, 0.0)])),
    "jump beside theta": (False, lambda p: np.array([p[0], p[1] + 0.01 * (p[2] > 0.03)])),
}


@pytest.mark.parametrize("name", SCORES)
def test_local_readout(name: str) -> None:
    true, scores = SCORES[name]
    found = readout.check(Shown(scores=scores), name)
    assert found.verdict is (Verdict.HOLDS if true else Verdict.FAILS), found.row()


# ----------------------------------------------------------------- Assumption 4.4

B = 100.0


def saturating(b: Array) -> float:
    return float(0.2 * (1 - np.exp(-b / 30)).sum())


def drifting(after: float) -> gains.Utility:
    """What is fed after a part of the budget is worth half."""

    def utility(schedule: Sequence[Array]) -> float:
        worth, spent = np.zeros(3), 0.0
        for part in schedule:
            total = float(part.sum())
            early = min(max(after * B - spent, 0.0), total) / total if total else 0.0
            worth += part * (early + 0.5 * (1 - early))
            spent += total
        return saturating(worth)

    return utility


def alone(curve: Callable[[float], float]) -> gains.Utility:
    """The third source has another curve."""

    def utility(schedule: Sequence[Array]) -> float:
        b = np.sum(schedule, axis=0)
        return saturating(b[:2]) + curve(float(b[2]))

    return utility


FALSE_GAINS: dict[str, tuple[str, gains.Utility]] = {
    "peaks at half": (
        "nondecreasing",
        alone(lambda b: 0.1 * min(b, 50) / 50 - 0.06 * max(b - 50, 0) / 50),
    ),
    "peaks at .97": ("nondecreasing", alone(lambda b: min(b, 97) / 970 - 0.01 * max(b - 97, 0))),
    "doubles late": ("concave", alone(lambda b: 0.001 * b + 0.001 * max(b - 70, 0))),
    "flat start": ("concave", alone(lambda b: 0.2 * (1 - np.exp(-max(b - 2, 0) / 30)))),
    "flat below .003": ("concave", alone(lambda b: 0.2 * (1 - np.exp(-max(b - 0.3, 0) / 30)))),
    "drift at .7": ("order-free", drifting(0.7)),
    "drift at .9": ("order-free", drifting(0.9)),
    "mixing pays": ("order-free", lambda s: sum(float(p.prod()) ** (1 / 3) for p in s) / 100),
    "late interaction": (
        "adds up",
        lambda s: saturating(b := np.sum(s, axis=0)) + 0.01 * (max(b[0] - 80, 0) * b[1] > 0),
    ),
    "three together": ("adds up", lambda s: float(np.sum(s, axis=0).prod()) * 1e-6),
}


def parts(results: list[Result]) -> dict[str, Result]:
    return {r.statement.rpartition(": ")[2]: r for r in results}


@pytest.mark.parametrize("name", FALSE_GAINS)
def test_gains_that_break_one_part(name: str) -> None:
    broken, utility = FALSE_GAINS[name]
    found = parts(gains.check(utility, 3, B, name))
    assert found[broken].verdict is Verdict.FAILS, found[broken].row()


def test_gains_that_hold() -> None:
    found = gains.check(lambda s: saturating(np.sum(s, axis=0)), 3, B, "true")
    assert {r.verdict for r in found} == {Verdict.HOLDS}


def test_the_size_of_a_loss_is_in_points_and_says_where() -> None:
    effect = parts(gains.check(FALSE_GAINS["peaks at half"][1], 3, B, "x"))["nondecreasing"].effect
    assert effect is not None
    assert effect.size == pytest.approx(6.0)
    assert effect.where == "source 2 at 1 of the budget, alone"


# ----------------------------------------------------------------- Proposition 4.5


def logistic(tops: tuple[float, float, float]) -> World:
    return World(
        name="logistic",
        dynamics="potential",
        link="logistic",
        sources=("a", "b", "c"),
        capabilities=("x", "y", "z"),
        start=np.full(3, 0.5),
        floor=np.zeros(3),
        harm=np.zeros((3, 3)),
        ceiling=np.ones(3),
        help=np.diag(tops),
        gain=("exponential",) * 3,
        scale_tokens=np.full(3, BUDGET / 60),
    )


def test_saturated_slopes_have_no_ratio_to_judge() -> None:
    """All curves are flat at the end: their slopes are 0 but for rounding, and so is what is lost."""
    world = logistic((4.0, 3.0, 3.5))
    task = Task("t", np.full(3, 1 / 3), np.full(3, 1 / 3))
    assert marginals.check(world, task, BUDGET).verdict is Verdict.HOLDS
    even = marginals.check(world, task, BUDGET, np.full(3, 1 / 3))
    assert even.verdict is Verdict.HOLDS
    assert even.effect is not None
    assert even.effect.size < 1e-4


def test_a_subset_of_sources() -> None:
    """Eq. (14) on {pool a, pool b}: optimal there, not in the whole world."""
    world = World(
        name="three",
        dynamics="separable",
        link="identity",
        sources=("a", "b", "c"),
        capabilities=("x", "y", "z"),
        start=np.full(3, 0.2),
        floor=np.zeros(3),
        harm=np.zeros((3, 3)),
        ceiling=np.full(3, 0.99),
        help=np.diag([0.3, 0.2, 0.5]),
        gain=("exponential", "hill", "log"),
        scale_tokens=np.full(3, BUDGET / 3),
        horizon=BUDGET,
    )
    task = Task("t", np.full(3, 1 / 3), np.full(3, 1 / 3))
    found = marginals.check(world, task, BUDGET, among=("a", "b"))
    assert found.verdict is Verdict.HOLDS
    shares = found.detail["shares"]
    assert shares[2] == 0
    assert marginals.check(world, task, BUDGET, shares).verdict is Verdict.FAILS
    assert marginals.check(world, task, BUDGET, shares, among=("a", "b")).verdict is Verdict.HOLDS
    grid = np.linspace(0, 1, 2001)
    line = np.stack([grid, 1 - grid, 0 * grid], axis=1)
    best = line[np.argmax(task.utility(world.static_profile(line, BUDGET)))]
    np.testing.assert_allclose(shares, best, atol=1e-3)
    whole = optimum(world, task, BUDGET).allocation
    with pytest.raises(ConfigError, match="shares outside"):
        marginals.check(world, task, BUDGET, whole, among=("a", "b"))
    with pytest.raises(UnknownNameError, match="source"):
        marginals.check(world, task, BUDGET, among=("a", "q"))


@pytest.mark.parametrize("second", [0.02, 0.1, 0.4])
def test_the_clause_on_single_capabilities(second: float) -> None:
    world = two(("exponential", "exponential"), (0.4, second))
    task = Task("t", np.full(2, 0.5), np.full(2, 0.5))
    assert marginals.check_moreover(world, task, BUDGET).verdict is Verdict.HOLDS


def test_the_clause_fails_for_slow_starts() -> None:
    """Behind a logistic link a small move loses, a large one wins."""
    world = logistic((0.03, 0.04, 0.03)).replace(
        start=np.full(3, 0.005), scale_tokens=np.full(3, BUDGET)
    )
    task = Task("t", np.full(3, 1 / 3), np.full(3, 1 / 3))
    assert marginals.check_moreover(world, task, BUDGET).verdict is Verdict.FAILS


# ----------------------------------------------------------------- over runs: calibration and regret


def runs_of(count: int, wrong: Sequence[int], steps: int = 10) -> list[Decision]:
    """Beliefs that are right, but in the named runs at one step, where the played arm was overrated."""
    out = []
    for seed in range(count):
        for step in range(steps):
            mu, sigma, q = np.array([0.3, 0.1, 0.2]), np.full(3, 0.05), np.array([0.3, 0.1, 0.2])
            if seed in wrong and step == seed % steps:
                q = np.array([0.0, 0.1, 0.35])
            out.append(Decision(seed, step, mu, sigma, q, 0, 1.0))
    return out


@pytest.mark.parametrize("count", [4, 8, 40])
def test_one_breach_in_every_run_fails(count: int) -> None:
    decisions = runs_of(count, range(count))
    short, _ = regret.check(decisions, "x")
    assert short.detail["steps"] == pytest.approx(0.1)  # a tenth of the steps, all of the runs
    assert (short.statistic, short.verdict) == (1.0, Verdict.FAILS)
    assert short.effect is not None
    assert short.effect.size == pytest.approx(25.0)
    assert calibration.check(decisions, "x").verdict is Verdict.FAILS


def test_few_runs_without_a_breach_decide_nothing() -> None:
    assert calibration.runs_needed(0.1) == 29
    for count, verdict in ((28, Verdict.UNDECIDED), (29, Verdict.HOLDS)):
        assert regret.check(runs_of(count, []), "x")[0].verdict is verdict
        assert calibration.check(runs_of(count, []), "x").verdict is verdict


def test_limits_are_those_of_the_binomial() -> None:
    from scipy.stats import binom

    low, high = calibration.share_interval(3, 20)
    assert binom.sf(2, 20, low) == pytest.approx(0.05)
    assert binom.cdf(3, 20, high) == pytest.approx(0.05)
    assert calibration.share_interval(0, 5)[0] == 0.0
    assert calibration.share_interval(5, 5)[1] == 1.0


def test_no_width_around_a_wrong_mean() -> None:
    wrong = [
        Decision(s, 0, np.array([1.0, 0.0]), np.zeros(2), np.array([0.0, 1.0]), 0, 1.0)
        for s in range(30)
    ]
    assert [r.verdict for r in regret.check(wrong, "x")] == [Verdict.FAILS] * 2
    right = [d._replace(q=d.mu) for d in wrong]
    assert [r.verdict for r in regret.check(right, "x")] == [Verdict.HOLDS] * 2


# ----------------------------------------------------------------- the search


@pytest.mark.parametrize("size", [1, 2, 5, 32])
def test_hard_points_have_all_corners_and_edges(size: int) -> None:
    found = hard_points(size)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found.min() >= 0
    assert {tuple(e) for e in np.eye(size)} <= {tuple(row) for row in found}
    if size > 1:
        assert ((found > 0).sum(axis=1) == 2).sum() >= 10


def test_a_climb_finds_a_narrow_peak() -> None:
    goal = np.array([0.62, 0.0, 0.38, 0.0])

    def near(points: Array) -> Any:
        return -np.abs(points - goal).sum(axis=1)

    _, value = find_worst(near, hard_points(4, 8), rounds=60)
    assert value > -0.02
