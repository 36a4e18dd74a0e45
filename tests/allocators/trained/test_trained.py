"""A trained policy in numpy: its file, its belief, its network, its play."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.allocators.trained import belief, network
from readsim.allocators.trained.allocator import TrainedPolicy, known_of
from readsim.allocators.trained.policy_file import load_policy, save_policy, shipped
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.testing import check_allocator
from readsim.worlds.random import random_world
from tests.support.helpers import allocations
from tests.support.made_setups import drive, setup

CARD = {"prior": {"name": "wide"}, "updates": 3}


def weights(seed: int = 0) -> dict[str, Array]:
    """A network that answers to all that it is told."""
    rng = np.random.default_rng(seed)
    out = network.fresh_weights(rng)
    return {
        name: v if name == "prior" else v + rng.normal(0.0, 0.3, v.shape) for name, v in out.items()
    }


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("policy") / "made.safetensors"
    save_policy(path, weights(), CARD)
    return str(path)


def test_the_shipped_policy_is_small_and_has_a_card() -> None:
    assert shipped().stat().st_size < 1_000_000
    card = load_policy(shipped()).card
    assert {"prior", "settings", "updates", "held_out", "versions"} <= card.keys()
    assert card["held_out"][-1]["iqm"] > card["held_out"][-1]["static_iqm"]


@pytest.mark.slow
def test_it_is_an_allocator(policy: str) -> None:
    check_allocator(TrainedPolicy(path=policy))
    check_allocator("trained")


def test_weights_and_card_come_back(policy: str) -> None:
    loaded = load_policy(policy)
    assert loaded.card == CARD
    for name, value in weights().items():
        assert np.array_equal(loaded.weights[name], value.astype(np.float32).astype(np.float64))


@pytest.mark.extra("safetensors")
def test_the_file_is_a_safetensors_file(policy: str) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    assert {n: v.shape for n, v in load_file(policy).items()} == network.weight_shapes()
    with safe_open(policy, "numpy") as file:
        assert json.loads(file.metadata()["card"]) == CARD


def test_other_files_are_refused_in_one_line(policy: str, tmp_path: Path) -> None:
    whole = Path(policy).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])

    def with_header(**about: Any) -> bytes:
        text = json.dumps({**header, "__metadata__": {**header["__metadata__"], **about}}).encode()
        return len(text).to_bytes(8, "little") + text + whole[8 + length :]

    broken = bytearray(whole)
    broken[-4:] = np.array([np.nan], dtype="<f4").tobytes()
    cases = [
        (b"", "no whole safetensors file"),
        (whole[:900], "no whole safetensors file"),
        (whole[:-8], "no whole safetensors file"),
        (with_header(kind="other"), "other weights than a policy's"),
        (with_header(features="00"), "for a network of another readsim: train it again"),
        (bytes(broken), "not finite"),
        (whole[: 8 + length] + np.full(len(whole) // 4, 1e30, "<f4").tobytes(), "above 30"),
        (with_header(card="{}"), "no whole safetensors file"),
        (with_header(card="[]"), "no whole safetensors file"),
        (with_header(card='{"prior": {"name": 3}, "updates": 1}'), "what it was trained on"),
        ((10**5).to_bytes(8, "little") + b"[" * 10**5, "no whole safetensors file"),
    ]
    path = tmp_path / "policy.safetensors"
    for data, said in cases:
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=said) as refused:
            load_allocator("trained", {"path": str(path)})
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"nowhere.safetensors': No such file"):
        load_allocator("trained+path=nowhere.safetensors")
    with pytest.raises(ConfigError, match="path = 3: expected a file that"):
        load_allocator("trained+path=3")


SIZES = [(1, 1), (1, 3), (3, 3), (17, 17), (64, 64), (5, 9), (9, 5)]


@pytest.mark.parametrize(("s", "k"), SIZES)
def test_it_plays_any_number_of_sources_and_capabilities(policy: str, s: int, k: int) -> None:
    env = DistillEnv(random_world(1, sources=s, capabilities=k), steps=3)
    rows, _ = rollout(env, TrainedPolicy(path=policy), 0)
    shares = allocations(rows)
    assert shares.shape == (3, s)
    assert np.allclose(shares.sum(axis=1), 1.0)
    assert (shares > 0.0).all()


def test_the_largest_weights_that_are_read_give_shares(tmp_path: Path) -> None:
    path, rng = tmp_path / "large.safetensors", np.random.default_rng(0)
    for sign in (1.0, -1.0):
        made = {name: rng.choice([-1e6, 1e6], v.shape) for name, v in weights().items()}
        save_policy(path, {**made, "prior": np.full(len(belief.PRIOR), sign * 30.0)}, CARD)
        env = DistillEnv(random_world(1, sources=5, capabilities=4), steps=8)
        rows, _ = rollout(env, TrainedPolicy(path=str(path)), 0)
        assert np.allclose(allocations(rows).sum(axis=1), 1.0)


@pytest.mark.parametrize("sources", ["abcd", "abxy", "wxyz"])
def test_permuted_names_give_permuted_shares(policy: str, sources: str) -> None:
    """Also of sources that no capability is named after."""
    order = np.array([2, 0, 3, 1])
    requirement = np.array([0.4, 0.3, 0.2, 0.1])
    teacher = np.array([0.9, 0.8, 0.7, 0.6])
    profiles = np.random.default_rng(0).uniform(0.2, 0.6, (5, 4))
    allocator = TrainedPolicy(path=policy)
    start = setup(tuple(requirement), tuple(sources), teacher=teacher)
    plain, _ = drive(allocator, start, profiles.tolist())
    r, names = requirement[order], tuple("abcd"[n] for n in order)
    places = tuple(sources[n] for n in order)
    moved = setup(
        tuple(r),
        places,
        teacher=teacher[order],
        capabilities=names,
        prior=source_prior(r, names, places),
    )
    permuted, _ = drive(allocator, moved, profiles[:, order].tolist())
    assert np.allclose(permuted, plain[:, order], atol=1e-12)


def test_a_network_that_knows_nothing_is_task_static(tmp_path: Path) -> None:
    path = tmp_path / "fresh.safetensors"
    save_policy(path, network.fresh_weights(np.random.default_rng(0)), CARD)
    shares, _ = drive(
        TrainedPolicy(path=str(path), teacher=False), setup((0.6, 0.3, 0.1)), [[0.3] * 3] * 2
    )
    spread = network.LEAST_SHARE / 3
    assert np.allclose(shares, (1 - 3 * spread) * np.array([0.6, 0.3, 0.1]) + spread)


def test_what_it_does_not_know_changes_what_it_plays(policy: str) -> None:
    def plays(allocator: TrainedPolicy, **fields: Any) -> Array:
        chosen = setup((0.5, 0.3, 0.2), teacher=np.full(3, 0.9), **fields)
        return drive(allocator, chosen, [[0.3, 0.5, 0.4], [0.35, 0.5, 0.4]])[0]

    told, blind = TrainedPolicy(path=policy), TrainedPolicy(path=policy, teacher=False)
    assert told.needs == {"teacher"}
    assert not blind.needs
    usual = plays(told)
    for other in (
        plays(blind),
        plays(told, items=np.full(3, 16.0)),
        plays(told, utility="ces:-2"),
        plays(told, utility="capped:0.4"),
        plays(told, pools=np.full(3, 1000.0)),
    ):
        assert np.abs(other - usual).max() > 1e-6


def test_the_belief_is_the_posterior_of_a_linear_model() -> None:
    """Against Bayes' rule for all steps at once, with effects that stay as they are."""
    rng = np.random.default_rng(0)
    chosen = setup((0.5, 0.3, 0.2), teacher=np.full(3, 0.9), items=np.full(3, 64.0))
    start = np.array([0.3, 0.4, 0.5])
    known = known_of(chosen, start, np.full(3, 0.9))
    prior = np.log([0.6, 0.6, 0.2, 0.2, 1e-6, 1e-6, 0.2, 0.1, 0.4])
    held = belief.begin(np, known, prior)
    first, steps = held, 6
    shares = rng.dirichlet(np.ones(3), steps) / steps
    profiles = rng.uniform(0.3, 0.6, (steps, 3))
    for a, profile in zip(shares, profiles, strict=True):
        held = belief.learn(np, known, prior, held, a[None], profile[None])
    for j in range(3):
        covariance = np.zeros((4, 4))
        covariance[0, 0] = first.level_var[0, j]
        covariance[1:, 1:] = first.effect_cov[0, j]
        mean = np.array([start[j], *first.effect[0, j]])
        rows = np.column_stack([np.ones(steps), np.cumsum(shares, axis=0)])
        error = np.diag([0.2 * belief.noise(np, known, p[None])[0, j] for p in profiles])
        gain = covariance @ rows.T @ np.linalg.inv(rows @ covariance @ rows.T + error)
        posterior = mean + gain @ (profiles[:, j] - rows @ mean)
        left = covariance - gain @ rows @ covariance
        assert np.allclose(held.effect[0, j], posterior[1:], atol=1e-6)
        assert np.allclose(held.effect_cov[0, j], left[1:, 1:], atol=1e-6)
        level = posterior[0] + posterior[1:] @ shares.sum(axis=0)
        assert held.level[0, j] == pytest.approx(level, abs=1e-6)


@pytest.mark.extra("torch")
def test_torch_and_numpy_have_the_same_network() -> None:
    import torch

    world = random_world(2, sources=4, capabilities=5, schedule="cosine")
    env = DistillEnv(world)
    env.reset(seed=0)
    allocator = TrainedPolicy()
    known = known_of(setup_for(env, allocator, 0), env.profile, world.ceiling)
    made = weights()
    both = []
    for xp in (np, torch):
        told = known if xp is np else belief.Known(*map(torch.from_numpy, known))
        w = made if xp is np else {n: torch.from_numpy(v) for n, v in made.items()}
        held = belief.begin(xp, told, w["prior"])
        a = told.shares / 20.0
        held = belief.learn(xp, told, w["prior"], held, a, told.start + 0.01)
        tokens, weight = network.policy_features(xp, told, held, a, told.shares, 1)
        both.append(np.asarray(network.shares(xp, w, told, tokens, weight)))
    assert np.allclose(both[0], both[1], rtol=0, atol=1e-12)
