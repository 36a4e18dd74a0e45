"""The reward ensemble: what a user may rely on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.allocators.read import mlp
from readsim.allocators.read.bootstrap import bootstrap_counts
from readsim.allocators.read.ensemble import (
    EnsembleConfig,
    EnsembleState,
    add_row,
    fit_ensemble,
    predict_members,
    predict_reward,
)
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.tree_file import load_tree, save_tree

SMALL = EnsembleConfig(members=3, hidden=8, stages=2, steps=20, batch=16)


def rows(n: int, d: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Inputs (n, d) and a noisy smooth reward of them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x, np.tanh(x[:, 0]) + 0.5 * x[:, 1] + 0.1 * rng.standard_normal(n)


def same(a: EnsembleState, b: EnsembleState) -> bool:
    """Equal to the last bit."""
    return a.keys() == b.keys() and all(
        np.array_equal(np.array(x), np.array(y))
        for x, y in zip(a.values(), b.values(), strict=True)
    )


def test_one_row_at_a_time_is_the_output_layer_of_all_rows() -> None:
    x, y = rows(60)
    state = fit_ensemble(SMALL, x[:40], y[:40], 7)
    for i in range(40, 60):
        state = add_row(SMALL, state, x[i], y[i])
    assert state["rows"] == 60
    inputs = np.append((x - state["x_mean"]) * state["x_scale"], np.ones((60, 1)), axis=1)
    z = mlp.features(state["hidden"], inputs.astype(np.float32), SMALL.hidden).astype(np.float64)
    target = (y - state["y_mean"]) / state["y_scale"]
    counts = bootstrap_counts(7, 0, 60, SMALL.members)
    for k in range(SMALL.members):
        gram = (z[k] * counts[k][:, None]).T @ z[k] + np.diag(state["penalty"])
        expected = np.linalg.solve(gram, z[k].T @ (counts[k] * target))
        np.testing.assert_allclose(state["output"][k, :, 0], expected, rtol=1e-4, atol=1e-5)


def test_a_run_does_not_depend_on_other_runs() -> None:
    data = [rows(70, seed=s) for s in range(3)]

    def alone(s: int) -> EnsembleState:
        x, y = data[s]
        state = fit_ensemble(SMALL, x[:50], y[:50], s)
        for i in range(50, 70):
            state = add_row(SMALL, state, x[i], y[i])
        return state

    together = [fit_ensemble(SMALL, x[:50], y[:50], s) for s, (x, y) in enumerate(data)]
    for i in range(50, 70):
        together = [
            add_row(SMALL, state, x[i], y[i]) for state, (x, y) in zip(together, data, strict=True)
        ]
        for state in together:
            predict_reward(state, data[0][0])
    assert all(same(state, alone(s)) for s, state in enumerate(together))
    x, y = data[0]
    assert not np.array_equal(
        fit_ensemble(SMALL, x, y, 0)["output"], fit_ensemble(SMALL, x, y, 1)["output"]
    )


def test_states_do_not_change_and_share_nothing_with_the_caller() -> None:
    x, y = rows(9)
    state = fit_ensemble(SMALL, x, y, 0)
    saved = {k: np.array(v) for k, v in state.items()}
    add_row(SMALL, state, x[0], 1.0)
    predict_reward(state, x)
    x[:], y[:] = np.nan, np.nan
    assert all(np.array_equal(saved[k], np.array(v)) for k, v in state.items())
    assert fit_ensemble(SMALL, *rows(50), 0)["kept_x"].base is None  # a pool is not kept in memory


def test_state_survives_a_checkpoint(tmp_path: Path) -> None:
    x, y = rows(30)
    for state in (
        fit_ensemble(SMALL, x, y, 2**80),
        fit_ensemble(SMALL, x[:3], y[:3], 0),
        fit_ensemble(SMALL, x, y, 0, anew=True),
    ):
        save_tree(tmp_path / "state.npz", state)
        loaded: EnsembleState = load_tree(tmp_path / "state.npz")
        assert same(add_row(SMALL, loaded, x[5], 0.5), add_row(SMALL, state, x[5], 0.5))


def test_identical_members_leave_the_floor() -> None:
    x, y = rows(40)
    state = fit_ensemble(replace(SMALL, sigma_floor=0.2), x, y, 0)
    state["hidden"][:] = state["hidden"][0]
    state["output"][:] = state["output"][0]
    np.testing.assert_allclose(predict_reward(state, x)[1], 0.2 * y.std(), rtol=1e-12)


def test_mean_and_deviation_are_those_of_the_members() -> None:
    x, y = rows(40)
    state = fit_ensemble(replace(SMALL, sigma_floor=0.0), x, y, 0)
    each = []
    for k in range(SMALL.members):
        one: EnsembleState = {
            **state,
            "hidden": state["hidden"][[k, k]],
            "output": state["output"][[k, k]],
        }
        each.append(predict_reward(one, x)[0])
    mu, sigma = predict_reward(state, x)
    np.testing.assert_allclose(mu, np.mean(each, axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sigma, np.std(each, axis=0, ddof=1), rtol=1e-6)


def test_shift_and_scale_of_the_reward() -> None:
    # Multiples of 1/64 and powers of two: the standardised rewards are the same to the last bit.
    x, y = rows(128)
    y = np.round(64 * y) / 64
    last = np.round(64 * np.sin(3.0)) / 64
    mu, sigma = predict_reward(add_row(SMALL, fit_ensemble(SMALL, x, y, 0), x[0], last), x)
    shifted = predict_reward(add_row(SMALL, fit_ensemble(SMALL, x, y + 8, 0), x[0], last + 8), x)
    np.testing.assert_allclose(shifted[0], mu + 8, rtol=1e-12)
    assert np.array_equal(shifted[1], sigma)
    scaled = predict_reward(add_row(SMALL, fit_ensemble(SMALL, x, 4 * y, 0), x[0], 4 * last), x)
    assert np.array_equal(scaled[0], 4 * mu)
    assert np.array_equal(scaled[1], 4 * sigma)


@given(st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_order_of_candidates_does_not_matter(order: list[int]) -> None:
    x, y = rows(20)
    state = fit_ensemble(SMALL, x, y, 0)
    mu, sigma = predict_reward(state, x[:12])
    mu_again, sigma_again = predict_reward(state, x[:12][order])
    np.testing.assert_allclose(mu_again, mu[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sigma_again, sigma[order], rtol=1e-4, atol=1e-6)


def test_before_the_first_row() -> None:
    state = fit_ensemble(SMALL, np.zeros((0, 4)), np.zeros(0), 0)
    mu, sigma = predict_reward(state, rows(5)[0])
    assert np.array_equal(mu, np.zeros(5))
    assert np.array_equal(sigma, np.ones(5))


@given(st.integers(0, 2**64), st.integers(1, 6), st.booleans())
@settings(max_examples=30, deadline=None)
def test_few_rows(seed: int, n: int, twice: bool) -> None:
    x, y = rows(6, seed=seed % 1000)
    if twice:  # the same row again and again
        x[:], y[:] = x[0], y[0]
    config = replace(SMALL, batch=1 + seed % 20)
    state = fit_ensemble(config, np.zeros((0, 4)), np.zeros(0), seed)
    for i in range(n):
        state = add_row(config, state, x[i], y[i])
    mu, sigma = predict_reward(state, np.concatenate([x, 100 * x]))
    assert np.isfinite(mu).all()
    assert np.isfinite(sigma).all()
    assert (sigma >= state["floor"]).all()
    assert state["floor"] > 0
    if n == 1 or twice:
        np.testing.assert_allclose(mu, y[0], atol=1e-9)


def test_without_a_pool_all_is_fitted_anew_at_powers_of_two() -> None:
    x, y = rows(40)
    state = fit_ensemble(SMALL, x[:0], y[:0], 4)
    refits = []
    for i in range(40):
        new = add_row(SMALL, state, x[i], y[i])
        if new["hidden"] is not state["hidden"]:
            refits.append(i + 1)
            whole = fit_ensemble(SMALL, x[: i + 1], y[: i + 1], 4)
            kept = {"kept_x": x[: i + 1], "kept_y": y[: i + 1, None]}
            assert same(new, {**whole, **kept, "kept_weight": np.ones(i + 1)})  # type: ignore[typeddict-item]
        state = new
    assert refits == [1, 2, 4, 8, 16, 32]
    drawn = fit_ensemble(SMALL, x[:8], y[:8], 4)["hidden"]
    assert np.array_equal(drawn, fit_ensemble(SMALL, x[:4], y[:4], 4)["hidden"])
    assert not np.array_equal(drawn, state["hidden"])  # at 16 rows there is a batch to train on


def test_constant_inputs_carry_nothing() -> None:
    x, y = rows(50)
    x[:, 2] = 0.1  # its mean is not 0.1 to the last bit
    state = fit_ensemble(SMALL, x, y, 0)
    other = x.copy()
    other[:, 2] = 1e6
    assert np.array_equal(predict_reward(state, x), predict_reward(state, other))


def test_constant_rewards_are_predicted() -> None:
    x, _ = rows(50)
    mu, sigma = predict_reward(fit_ensemble(SMALL, x, np.full(50, 0.3), 0), x)
    np.testing.assert_allclose(mu, 0.3, rtol=1e-9)
    np.testing.assert_allclose(sigma, SMALL.sigma_floor)


def test_more_outputs_have_layers_of_their_own_and_leave_the_reward_as_it_is() -> None:
    x, y = rows(80)
    two = np.stack([y, -3.0 * y + 1.0], axis=1)
    alone, both = fit_ensemble(SMALL, x[:60], y[:60], 2), fit_ensemble(SMALL, x[:60], two[:60], 2)
    for i in range(60, 80):
        alone, both = add_row(SMALL, alone, x[i], y[i]), add_row(SMALL, both, x[i], two[i])
    for ours, theirs in zip(predict_reward(both, x), predict_reward(alone, x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    said = predict_members(both, x)
    assert said.shape == (SMALL.members, 80, 2)
    np.testing.assert_allclose(said[..., 1], -3.0 * said[..., 0] + 1.0, rtol=1e-7, atol=1e-9)


def test_own_rows_weigh_what_is_asked_for() -> None:
    """In the output layers as much as so many equal rows that are drawn together, refitted or not."""
    x, y = rows(60)
    heavy = replace(SMALL, own_weight=5.0)
    state = fit_ensemble(heavy, x[:50], y[:50], 1)
    after = add_row(heavy, state, x[50], y[50])
    step = (after["gram"] - state["gram"])[0]
    light = fit_ensemble(SMALL, x[:50], y[:50], 1)
    once = (add_row(SMALL, light, x[50], y[50])["gram"] - light["gram"])[0]
    np.testing.assert_allclose(step, 5.0 * once, atol=1e-9 * np.abs(state["gram"]).max())
    far = np.full(4, 3.0)
    missed = []
    for weight in (1.0, 1000.0):
        config = replace(SMALL, own_weight=weight, refit=True)
        state = fit_ensemble(config, x[:50], y[:50], 1)
        for _ in range(2):
            state = add_row(config, state, far, 9.0)
        assert state["rows"] == 52
        missed.append(abs(float(predict_reward(state, far[None])[0][0]) - 9.0))
    assert missed[1] < 0.5 < missed[0]


def test_a_column_that_moves_in_the_run_only_counts_where_all_is_fitted_anew() -> None:
    """A pool of one moment: the last column is constant in it, and decides the reward of the run."""
    rng = np.random.default_rng(3)
    x = np.append(rng.standard_normal((64, 3)), np.ones((64, 1)), axis=1)
    y = 0.01 * rng.standard_normal(64)
    groups = np.arange(64) % 8  # eight trainings, measured again
    run = np.append(rng.standard_normal((8, 3)), np.linspace(0.9, 0.1, 8)[:, None], axis=1)
    gaps = []
    for anew in (False, True):
        state = fit_ensemble(SMALL, x, y, 0, groups, anew=anew)
        assert len(state["kept_y"]) == (64 if anew else 0)
        for row in run:
            state = add_row(SMALL, state, row, 1.0 - row[3])
        early, late = (np.append(np.zeros(3), left)[None] for left in (0.9, 0.1))
        gaps.append(float((predict_reward(state, late)[0] - predict_reward(state, early)[0])[0]))
    assert gaps[0] == 0.0
    assert gaps[1] > 0.4  # of .8


def test_learns_the_signal_and_not_the_noise() -> None:
    rng = np.random.default_rng(2)
    x, fresh = rng.standard_normal((800, 6)), rng.standard_normal((400, 6))

    def signal(x: Array) -> Array:
        return np.asarray(np.abs(x[:, 0]) * x[:, 1])

    config = EnsembleConfig()
    mu, _ = predict_reward(fit_ensemble(config, x, signal(x), 0), fresh)
    assert np.mean((mu - signal(fresh)) ** 2) < 0.1 * signal(fresh).var()  # a line gets 1.0
    mu, _ = predict_reward(fit_ensemble(config, x, rng.standard_normal(800), 0), fresh)
    assert np.mean(mu**2) < 0.15  # fitting the noise gets about 1


# Bad input.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 1),
        ("members", 2.0),
        ("hidden", 0),
        ("stages", True),
        ("stages", 0),
        ("steps", -1),
        ("batch", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -0.1),
        ("weight_decay", "2"),
        ("ridge", ()),
        ("ridge", (1.0, 0.0)),
        ("sigma_floor", float("inf")),
    ],
)
def test_config_names_the_field_and_the_value(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        replace(SMALL, **{field: value})  # type: ignore[arg-type]  # the wrong type is the test
    shown = value[-1] if isinstance(value, tuple) and value else value
    assert repr(shown) in str(caught.value)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros(4), np.zeros(4), r"shape \(4,\) of rows: \(n, inputs\)"),
        (
            np.zeros((4, 2)),
            np.zeros((4, 0)),
            r"shape \(4, 0\) of rewards: \(n,\), or \(n, outputs\)",
        ),
        (np.zeros((4, 2)), np.zeros((4, 1, 1)), r"shape \(4, 1, 1\) of rewards: \(n,\)"),
        (np.zeros((4, 2)), np.zeros(3), "3 rewards for 4 rows"),
        (np.full((4, 2), np.nan), np.zeros(4), "nan among rows"),
        (np.zeros((4, 2)), np.full(4, np.inf), "inf among rewards"),
    ],
)
def test_bad_rows_are_refused(x: Array, y: Array, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        fit_ensemble(SMALL, x, y, 0)


def test_rows_of_another_width_are_refused() -> None:
    state = fit_ensemble(SMALL, *rows(20), 0)
    with pytest.raises(ConfigError, match=r"shape \(1, 3\) of rows: \(n, 4\)"):
        add_row(SMALL, state, np.zeros(3), 0.0)
    with pytest.raises(ConfigError, match="nan among rewards"):
        add_row(SMALL, state, np.zeros(4), float("nan"))
    with pytest.raises(ConfigError, match=r"shape \(4,\) of rows"):
        predict_reward(state, np.zeros(4))
