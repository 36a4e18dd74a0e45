"""A4.1, A4.2, P4.3 and L9 where parameters are: on the toy pair, with their negative cases (PT1, PT2)."""

from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError
from readsim.theory import Verdict, mixture, order_effects, readout, transfer
from readsim.toy import ToyBackend, ToyConfig
from readsim.worlds import load_world
from tests.test_backend_contract import simulated
from tests.test_flow import flow_world


def toy(**changes: Any) -> ToyBackend:
    made = ToyBackend(ToyConfig(**{"sampled": False, **changes}))
    made.reset(0)
    return made


@pytest.mark.parametrize("rule", ["sgd", "momentum"])
def test_pt1_affine_rules_superpose_at_second_order(rule: str) -> None:
    found = mixture.check(toy(optimiser=rule), rule)
    assert found.verdict is Verdict.HOLDS
    assert found.statistic == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("rule", "rate"), [("sign", 0.01), ("adam", 0.01), ("clip", 0.05)])
def test_pt1_negative_rules_that_are_not_linear(rule: str, rate: float) -> None:
    found = mixture.check(toy(optimiser=rule), rule, rate=rate)
    assert found.verdict is Verdict.FAILS
    assert found.statistic == pytest.approx(1.0, abs=0.15)
    whole = transfer.check(toy(optimiser=rule), rule, rate=rate)[0]
    assert whole.verdict is Verdict.FAILS


def test_warm_adam_lies_between() -> None:
    cold = toy(optimiser="adam", learning_rate=0.01)
    before = mixture.check(cold, "cold", rate=0.01).statistic
    cold.run_interval(0, np.ones(4) / 4, 5000)
    assert mixture.check(cold, "warm", rate=0.01).statistic > before + 0.2


def test_one_update_of_sgd_is_the_assumption_itself() -> None:
    made, alpha = toy(), np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(
        made.expected_update(alpha, 0.3), 0.3 * alpha @ made.directions(), atol=1e-15
    )


def test_superposition_by_hand() -> None:
    def square(a: Array) -> Array:
        return a**2

    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    got = mixture.superposition_residual(square, a, b, 0.25)
    np.testing.assert_allclose(got, [0.0625 - 0.25, 0.5625 - 0.75])


# ----------------------------------------------------------------- A4.2


def test_smooth_scores_have_a_second_order_remainder() -> None:
    assert readout.check(toy(), "smooth").verdict is Verdict.HOLDS


def test_negative_greedy_accuracy_is_a_step_function() -> None:
    made = toy(items=16)
    assert readout.check(made, "greedy", readout=made.accuracies).verdict is Verdict.FAILS


def test_remainder_by_hand() -> None:
    def cubes(t: Array) -> Array:
        return np.array([t[0] ** 2 + t[1]])

    got = readout.taylor_remainder(
        cubes, np.array([1.0, 5.0]), np.array([[2.0, 1.0]]), np.array([0.5, 3.0])
    )
    np.testing.assert_allclose(got, [0.25])


# ----------------------------------------------------------------- P4.3


def test_the_decomposition_holds_for_sgd() -> None:
    whole, ratio, bound = transfer.check(toy(), "sgd")
    assert [r.verdict for r in (whole, ratio, bound)] == [Verdict.HOLDS] * 3


def test_pt2_small_one_hot_runs_tend_to_g() -> None:
    made = toy()
    local = transfer.local_matrix(made.readout_gradients(), made.directions(), 1.0)
    here, theta = made.readouts(made.theta), made.parameters()
    for h, tolerance in ((1e-2, 3e-3), (1e-4, 3e-5)):
        small = [made.readouts(theta + made.expected_update(e, h)) - here for e in np.eye(4)]
        np.testing.assert_allclose(np.array(small) / h, local, atol=tolerance)
    assert np.abs(local - local.T).max() > 5e-3  # so that an index swap would show


def test_pt2_in_the_simulator() -> None:
    world = load_world("read8-llama")
    slope = world.transfer_matrix(1.0)
    errors = [np.abs(world.transfer_matrix(b) / b - slope).max() for b in (4e5, 2e5, 1e5)]
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2.0, abs=0.2)


def test_momentum_moves_in_other_directions_than_the_gradients() -> None:
    _, ratio, bound = transfer.check(toy(optimiser="momentum"), "momentum")
    assert ratio.verdict is Verdict.FAILS
    assert bound.verdict is Verdict.HOLDS  # with eps_mix as large as it is


def test_blocks_of_parameters_do_not_touch_each_other() -> None:
    apart = toy(trunks=(0, 0, 1, 1))
    local = transfer.local_matrix(apart.readout_gradients(), apart.directions(), 1.0)
    assert np.abs(local[:2, 2:]).max() == 0.0
    assert np.abs(local[2:, :2]).max() == 0.0
    assert np.abs(local[0, 1]) > 1e-3
    shared = toy()
    local = transfer.local_matrix(shared.readout_gradients(), shared.directions(), 1.0)
    assert np.abs(local[:2, 2:]).min() > 1e-6


def test_pieces_by_hand() -> None:
    gradients, directions = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, -1.0]])
    got = transfer.local_matrix(gradients, directions, 0.5)
    np.testing.assert_allclose(got, [[5.5], [-1.0]])
    bound = transfer.error_bound(np.array([2.0]), 0.25, np.array([3.0]), 4.0)
    np.testing.assert_allclose(bound, [0.5 + 6.0])


def test_curvature_is_the_second_derivative_along_the_way() -> None:
    class Quadratic:
        def parameters(self) -> Array:
            return np.zeros(2)

        def directions(self) -> Array:
            return np.eye(2)

        def readouts(self, parameters: Array) -> Array:
            return np.array([1.5 * parameters[0] ** 2 - parameters[1] ** 2])

        def readout_gradients(self) -> Array:
            return np.zeros((1, 2))

        def expected_update(self, weights: Array, rate: float, updates: int = 1) -> Array:
            return rate * updates * weights

    made = Quadratic()
    np.testing.assert_allclose(transfer.curvature(made, np.array([2.0, 0.0])), [3.0], rtol=1e-6)
    np.testing.assert_allclose(transfer.curvature(made, np.array([0.0, 2.0])), [2.0], rtol=1e-6)
    assert transfer.curvature(made, np.zeros(2)).tolist() == [0.0]
    # Dp = 1.5 (h)^2 against L/2 h^2 = 1.5 h^2: the bound is met with equality, but for its slack
    ratio = transfer.bound_ratio(made, np.array([1.0, 0.0]), 0.1, 1)
    assert ratio == pytest.approx(1 / 1.1, rel=1e-4)


@pytest.mark.parametrize("check", [mixture.check, readout.check, transfer.check])
def test_a_backend_without_parameters_is_said_by_name(check: Any) -> None:
    with pytest.raises(CapabilityMissingError, match=r"needs parameters.*SimBackend"):
        check(simulated(), "simulator")


def test_one_capability() -> None:
    made = toy(names=("only",))
    assert mixture.check(made, "one").statistic == np.inf  # nothing to mix: the residual is 0
    assert transfer.check(made, "one")[2].verdict is Verdict.HOLDS
    (gap,) = order_effects.check(order_effects.of_toy(made), 1, 10, "one")
    assert gap.verdict is Verdict.HOLDS


# ----------------------------------------------------------------- L9 (PT4)


def test_order_effects_of_gradient_descent_are_of_second_order() -> None:
    exact, order = order_effects.check(order_effects.of_toy(toy()), 4, 10, "sgd")
    assert exact.verdict is Verdict.FAILS
    assert order.verdict is Verdict.HOLDS
    assert order.statistic == pytest.approx(2.0, abs=0.2)


def test_carried_momentum_makes_them_first_order() -> None:
    _, order = order_effects.check(order_effects.of_toy(toy(optimiser="momentum")), 4, 10, "m")
    assert order.statistic == pytest.approx(1.0, abs=0.1)


def test_pt4_none_without_state_and_second_order_with_it() -> None:
    for name in ("read8-llama", "conflict"):
        world = load_world(name)
        s = len(world.sources)
        found = order_effects.check(order_effects.of_world(world), s, 4e6, name)
        assert [r.verdict for r in found] == [Verdict.HOLDS]
    gate = flow_world("gate")
    exact, order = order_effects.check(order_effects.of_world(gate), 2, 1e6, "gate")
    assert exact.verdict is Verdict.FAILS
    assert order.statistic == pytest.approx(2.0, abs=0.3)
