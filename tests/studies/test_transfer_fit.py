"""A world comes back from its own one-hot runs."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import nnls

from readsim.worlds import load_world
from studies.transfer_matrix.fit import bounds_of, non_negative
from studies.transfer_matrix.lab import sim_lab
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.shipped import NANO
from studies.transfer_matrix.world import (
    efficiency_sd,
    matrix_errors,
    mixture_errors,
    pairing,
    world_of,
)
from tests.support.made_transfer import BUDGETS, made, measure, rms, small_world


def test_two_non_negative_unknowns_beside_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        part, ridge = rng.random((2, 3)) * [[1], [-1]], rng.random(2)
        weight, target = rng.random((3, 4)), rng.standard_normal((3, 4))
        found = non_negative(part, ridge, weight, target)
        for j in range(4):
            root = np.sqrt(weight[:, j])
            rows = np.vstack([part.T * root[:, None], np.diag(ridge)])
            best, _ = nnls(rows, np.concatenate([target[:, j] * root, [0, 0]]))
            np.testing.assert_allclose(found[:, j], best, atol=1e-9)


def test_a_world_comes_back_from_its_own_runs(tmp_path: Path) -> None:
    world = small_world()
    measured = measure(sim_lab(world), tmp_path)
    found = world_of(measured, "again", "For: a test.")
    assert found.gain[0] == "exponential"
    for budget in (*BUDGETS, 40_000_000):
        off = found.transfer_matrix(budget) - world.transfer_matrix(budget)
        assert np.abs(off).max() < 0.003
    # mixtures, which it has not seen, two at a budget between those measured
    for shares in np.random.default_rng(1).dirichlet(np.ones(3), 20):
        off = found.static_profile(shares, 9e7) - world.static_profile(shares, 9e7)
        assert np.abs(off).max() < 0.005
    assert mixture_errors(measured, found).fitted < 0.3
    assert mixture_errors(measured, found).linear > 1.0


def test_help_that_turns_into_harm_is_fitted() -> None:
    rows = np.zeros((3, 2, 1, 2))
    rows[:, 0, 0, 1] = [0.06, 0.05, -0.12]
    measured = made(rows, sd=0.01)
    found = world_of(measured, "turning", "For: a test.")
    assert found.help[0, 1] > 0
    assert found.harm[0, 1] > 0
    got = [found.transfer_matrix(b)[0, 1] for b in measured.budgets]
    np.testing.assert_allclose(got, rows[:, 0, 0, 1], atol=0.02)


@pytest.mark.slow
def test_a_noisy_world_comes_back_within_the_noise(tmp_path: Path) -> None:
    world = load_world("read8-llama")
    measured = measure(sim_lab(world), tmp_path, seeds=range(3))
    found = world_of(measured, "again", "For: a test.")
    for b, budget in enumerate(BUDGETS):
        true = world.transfer_matrix(budget)
        assert rms(found.transfer_matrix(budget) - true) < 1.05 * rms(measured.matrix[b] - true)
    errors = matrix_errors(measured, found)
    assert errors.fitted < errors.noise
    mixed = mixture_errors(measured, found)
    assert mixed.fitted < 1.3 * mixed.noise
    assert mixed.fitted < min(mixed.linear, mixed.change)
    assert found.pairing == pytest.approx(world.pairing, abs=0.03)
    assert found.efficiency_sd[0] == pytest.approx(world.efficiency_sd[0], rel=0.5)


def test_variation_between_seeds_is_zero_without_any(tmp_path: Path) -> None:
    measured = measure(sim_lab(small_world()), tmp_path, seeds=(0, 1))
    assert efficiency_sd(measured, small_world()) == 0.0
    assert pairing(measured) == 0.0


def test_the_ceiling_leaves_room_above_the_best_student() -> None:
    change = np.zeros((1, 2, 1, 2))
    change[0, 0, 0, 0], change[0, 1, 0, 1] = 0.55, 0.2  # from .4; the teacher has .9
    bounds = bounds_of(made(change, 0.01))
    np.testing.assert_allclose(bounds.ceiling, [0.97, 0.9])
    found = world_of(made(change, 0.01), "near", "For: a test.")
    np.testing.assert_allclose(found.transfer_matrix(1000), change[0, :, 0], atol=0.02)


# --- the preset


def test_the_shipped_world_is_near_what_was_measured() -> None:
    measured, world = Measured.load(NANO), load_world("nano-measured")
    errors, mixed = matrix_errors(measured, world), mixture_errors(measured, world)
    assert errors.fitted < errors.noise
    assert mixed.fitted < 0.5 * min(mixed.linear, mixed.change)
    own = np.array([world.transfer_matrix(b).diagonal() for b in measured.budgets])
    off = np.abs(measured.matrix.diagonal(axis1=1, axis2=2) - own)
    steady = np.array(measured.capabilities) != "long_context"  # accelerates: no gain family does
    assert off[:, steady].max() < 0.07
    assert off.max() < 0.12
    assert measured.info["command"] in world.provenance["runs"]
