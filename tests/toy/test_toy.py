"""The toy pair: gradients against finite differences, update rules by hand, symmetry, accounting."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from readsim.arrays import Array
from readsim.backend import OffersAlignment, OffersOutlook, OffersParameters, OffersTeacher
from readsim.errors import ConfigError, UnknownNameError
from readsim.toy import ToyBackend, ToyConfig
from readsim.toy.network import loss, loss_gradient, score_gradient
from readsim.toy.optimisers import fresh, update

NAMES = ("a", "b", "c")


def backend(**changes: Any) -> ToyBackend:
    made = ToyBackend(ToyConfig(**{"names": NAMES, "sampled": False, **changes}))
    made.reset(0)
    return made


def test_it_offers_what_theory_asks_for() -> None:
    made = backend()
    for kind in (OffersParameters, OffersTeacher, OffersAlignment, OffersOutlook):
        assert isinstance(made, kind)


@pytest.mark.parametrize("trunks", [(), (0, 1, 0)])
@pytest.mark.parametrize("i", [0, 1, 2])
def test_gradients_are_those_of_finite_differences(trunks: tuple[int, ...], i: int) -> None:
    made = backend(trunks=trunks)
    theta, shape, d = made.theta, made.shape, made._data[i]["pool"]

    def of_theta(t: Array) -> float:
        return loss(shape, t, i, d.x, d.soft)

    def score(t: Array) -> float:
        return float(made.readouts(t)[i])

    expected = approx_fprime(theta, of_theta, 1e-7)
    np.testing.assert_allclose(loss_gradient(shape, theta, i, d.x, d.soft), expected, atol=1e-6)
    np.testing.assert_allclose(made.directions()[i], -expected, atol=1e-6)
    p = made._data[i]["probe"]
    slope = approx_fprime(theta, score, 1e-7)
    np.testing.assert_allclose(score_gradient(shape, theta, i, p.x, p.label), slope, atol=1e-6)
    np.testing.assert_allclose(made.readout_gradients()[i], slope, atol=1e-6)


def test_update_rules_by_hand() -> None:
    g, h = np.array([3.0, -4.0]), np.array([1.0, 2.0])

    def twice(rule: str) -> list[list[float]]:
        config = ToyConfig(optimiser=rule, momentum=0.5, beta2=0.75, clip=2.5, epsilon=1e-12)
        state, one = update(config, fresh(2), g, 0.1)
        _, two = update(config, state, h, 0.1)
        return [one.round(9).tolist(), two.round(9).tolist()]

    assert twice("sgd") == [[-0.3, 0.4], [-0.1, -0.2]]
    assert twice("momentum") == [[-0.3, 0.4], [-0.25, 0.0]]
    assert twice("sign") == [[-0.1, 0.1], [-0.1, -0.1]]
    assert twice("clip") == [[-0.15, 0.2], [-0.1, -0.2]]
    m = np.array([0.5 * 1.5 + 0.5, 0.5 * -2 + 1.0]) / 0.75
    v = np.array([0.75 * 2.25 + 0.25, 0.75 * 4 + 1.0]) / (1 - 0.75**2)
    expected = [[-0.1, 0.1], (-0.1 * m / np.sqrt(v)).round(9).tolist()]
    assert twice("adam") == expected


@given(st.permutations(range(3)), st.sampled_from(["sgd", "momentum", "adam", "sign", "clip"]))
def test_pt3_capabilities_in_another_order(order: list[int], rule: str) -> None:
    changes: dict[str, Any] = {"optimiser": rule, "learning_rate": 0.02}
    names, weights = tuple(NAMES[i] for i in order), np.array([0.5, 0.3, 0.2])
    trunks = np.array([0, 1, 0])
    moved = tuple(trunks[order].tolist())
    for more, others in (
        ({}, {}),
        ({"trunks": (0, 1, 0)}, {"trunks": moved}),
        ({"sampled": True}, {"sampled": True}),
    ):
        one = backend(**changes, **more)
        other = backend(**changes, **others, names=names)
        left = one.run_interval(0, weights, 100).profile
        right = other.run_interval(0, weights[order], 100).profile
        np.testing.assert_allclose(right, left[order], atol=1e-9)


def test_trunks_begin_apart() -> None:
    made = backend(trunks=(0, 1, 0))
    assert made.shape.size == backend().shape.size + made.shape.trunk_size
    first, second = (made.theta[made.shape.places(i)[0]] for i in (0, 1))
    assert not np.isclose(first, second).any()


def test_each_update_draws_a_batch_of_its_own() -> None:
    made, weights = backend(sampled=True, learning_rate=1e-6), np.ones(3) / 3
    at = [made.theta]
    for step in range(2):
        made.run_interval(step, weights, 10)
        at.append(made.theta)
    one, two = np.diff(at, axis=0)
    assert np.linalg.norm(one - two) > 0.1 * np.linalg.norm(one)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "sign", "clip"])
def test_a_snapshot_holds_the_state_of_every_rule(rule: str) -> None:
    made, weights = backend(optimiser=rule, sampled=True), np.array([0.5, 0.3, 0.2])
    made.run_interval(0, weights, 40)
    saved = made.snapshot()
    ends = []
    for n, student in enumerate((made, made, backend(optimiser=rule, sampled=True))):
        if n:  # the first goes on undisturbed
            student.restore(saved)
        student.run_interval(1, weights[::-1], 35)
        ends.append((student.theta, *student.final_eval()))
    for parts in zip(*ends, strict=True):
        assert all(np.array_equal(parts[0], part) for part in parts)


def test_a_checkpoint_before_the_first_reset() -> None:
    made = ToyBackend()
    assert np.array_equal(made.final_eval().change, np.zeros(4))
    made.restore(made.snapshot())


def test_a_seed_changes_the_batches_and_nothing_else() -> None:
    made = backend(sampled=True)
    starts = [made.reset(seed).profile for seed in (1, 2, 1)]
    assert np.array_equal(starts[0], starts[1])
    weights = np.ones(3) / 3
    ends = []
    for seed in (1, 2, 1):
        made.reset(seed)
        ends.append(made.run_interval(0, weights, 60).profile)
    assert np.array_equal(ends[0], ends[2])
    assert not np.array_equal(ends[0], ends[1])
    made.reset(1)
    made.reset(None)
    assert not np.array_equal(made.run_interval(0, weights, 60).profile, ends[0])


def test_batches_are_unbiased_and_their_noise_averages_out() -> None:
    """The mean of n sampled gradients: its distance to the expected one falls as 1 / sqrt n."""
    made = backend(sampled=True)
    weights = np.array([0.6, 0.4, 0.0])
    exact = made.gradient(weights)
    draws = []
    for n in range(1600):
        made._updates = n
        draws.append(made._sample(weights, 10) - exact)
    noise = np.array(draws)
    far = [
        float(np.linalg.norm(noise.reshape(-1, n, len(exact)).mean(axis=1), axis=1).mean())
        for n in (1, 16, 400)
    ]
    assert far[0] / far[1] == pytest.approx(4.0, rel=0.15)
    assert far[1] / far[2] == pytest.approx(5.0, rel=0.3)


def test_the_last_batch_is_partial_and_nothing_is_free() -> None:
    made, other = backend(), backend()
    made.run_interval(0, np.array([1.0, 0, 0]), 15)
    other.expected_train(np.array([1.0, 0, 0]), 10, 1)
    other.expected_train(np.array([1.0, 0, 0]), 5, 1)
    np.testing.assert_allclose(made.theta, other.theta, atol=1e-14)
    before = made.theta.copy()
    assert made.run_interval(0, np.ones(3) / 3, 0).token_usage == {"student": 0}
    assert np.array_equal(made.theta, before)


def test_measurement() -> None:
    made = backend(items=32)
    teacher = made.teacher_profile().profile
    made.run_interval(0, np.ones(3) / 3, 6000)
    profile = made.readouts(made.parameters())
    assert (profile > made.reset(0).profile).all()
    assert (profile < teacher + 0.1).all()
    made.run_interval(0, np.ones(3) / 3, 500)
    final = made.final_eval()
    x = made._items("test") - made._first
    np.testing.assert_allclose(final.change, x.mean(axis=1))
    np.testing.assert_allclose(final.change_sd, x.std(axis=1, ddof=1) / np.sqrt(32))


def test_outlook_is_what_happens() -> None:
    made = backend()
    weights = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5]])
    told = made.outlook(weights, 50)
    np.testing.assert_allclose(made.alignment()[0], made.outlook(np.eye(3), 10) / 10)
    before = made.readouts(made.theta)
    after = made.run_interval(0, weights[1], 50).profile
    np.testing.assert_allclose(after - before, told[1], atol=1e-12)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden", 0),
        ("classes", 1),
        ("names", ()),
        ("names", ("a", "a")),
        ("trunks", (0, 2, 1, 4)),
        ("trunks", (0,)),
        ("learning_rate", 0.0),
        ("clip", np.inf),
        ("momentum", 1.0),
        ("beta2", -0.1),
        ("learning_rate", "fast"),
        ("clip", True),
        ("momentum", np.nan),
        ("seed", -1),
        ("seed", 1.5),
        ("sampled", "no"),
        ("names", "abcd"),
        ("trunks", (0.0, 1, 0, 1)),
    ],
)
def test_bad_settings_are_named(field: str, value: object) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=field):
        ToyConfig(**changes)


def test_an_unknown_rule() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        ToyConfig(optimiser="adamw")
