"""Bandit libraries as clients of our environment, and as references for our own bandits."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

from readsim.allocators.contextual.ridge import fitted, no_rows, with_rows
from readsim.arrays import Array
from readsim.envs.wrappers import DiscreteCandidates
from readsim.worlds import World
from tests.support.helpers import ENV
from tests.support.made_setups import linear_world

ARMS = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])  # the best one is 2: all on b
STEPS = 60
SCALE = 1000.0  # a client's: rewards are about 0.005, libraries expect about 1


def client(world: World | None = None, steps: int = STEPS) -> gym.Env[Any, Any]:
    """Four arms, as somebody who has only Gymnasium would make it."""
    chosen = linear_world() if world is None else world
    weights = {"a": 1.0, "b": 1.0, "c": 1.0}
    made = gym.make(ENV, world=chosen, task=weights, budget=20_000_000, steps=steps)
    return DiscreteCandidates(made, ARMS)


def shown(observation: dict[str, Array]) -> Array:
    """A constant, the profile and the budget left: (1, 5)."""
    return np.concatenate([[1.0], observation["profile"], observation["budget_left"]])[None]


def loop(
    env: gym.Env[Any, Any],
    choose: Callable[[Array], Any],
    learn: Callable[[Array, int, float], Any],
    warm: int = len(ARMS),
) -> tuple[list[int], dict[str, Any]]:
    """One episode: each of the first `warm` arms once, then what `choose` says. Arms, last info."""
    observation, _ = env.reset(seed=5)
    arms: list[int] = []
    over = False
    while not over:
        context = shown(observation)
        arms.append(len(arms) if len(arms) < warm else int(choose(context)))
        observation, reward, terminated, truncated, info = env.step(arms[-1])
        learn(context, arms[-1], SCALE * float(reward))
        over = terminated or truncated
    return arms, info


def mostly_best(env: gym.Env[Any, Any], choose: Any, learn: Any) -> None:
    """The library finds the best arm; Gymnasium's statistics and our final numbers arrive."""
    rewards: list[float] = []

    def note(context: Array, arm: int, reward: float) -> None:
        rewards.append(reward / SCALE)
        learn(context, arm, reward)

    arms, info = loop(RecordEpisodeStatistics(env), choose, note)
    assert len(arms) == STEPS
    assert arms[-20:].count(2) >= 15
    assert info["episode"]["l"] == STEPS
    assert info["episode"]["r"] == pytest.approx(sum(rewards), abs=1e-9)
    uniform, even = loop(client(), lambda _: 0, lambda *_: None, warm=0)
    assert set(uniform) == {0}
    assert info["utility"] > even["utility"] + 0.02


# MABWiser

MABWISER: dict[str, dict[str, Any]] = {
    "LinUCB": {"alpha": 0.3},
    "LinTS": {"alpha": 0.3},
    "UCB1": {"alpha": 0.3},
    "EpsilonGreedy": {"epsilon": 0.05},
    "ThompsonSampling": {"binarizer": lambda arm, reward: reward > 1.5},
}


def mabwiser(policy: str, **settings: Any) -> tuple[Any, Any, Any]:
    """A MABWiser bandit of our arms, and how it is asked and told: (bandit, choose, learn)."""
    from mabwiser.mab import MAB, LearningPolicy

    bandit = MAB(list(range(len(ARMS))), getattr(LearningPolicy, policy)(**settings), seed=3)
    contextual = policy.startswith("Lin")

    def choose(context: Array) -> Any:
        return bandit.predict(context) if contextual else bandit.predict()

    def learn(context: Array, arm: int, reward: float) -> None:
        bandit.partial_fit([arm], [reward], context if contextual else None)

    return bandit, choose, learn


@pytest.mark.extra("mabwiser")
@pytest.mark.parametrize("policy", MABWISER)
def test_mabwiser_drives_the_environment(policy: str) -> None:
    _, choose, learn = mabwiser(policy, **MABWISER[policy])
    mostly_best(client(), choose, learn)


class Disjoint:
    """Our linear model as one model an arm: x = one-hot(arm) (x) context, so V is block diagonal."""

    def __init__(self, ridge: float, arms: int = len(ARMS), width: int = 5) -> None:
        self.ridge, self.rows, self.eye = ridge, no_rows(arms * width), np.eye(arms)

    def judged(self, context: Array) -> tuple[Array, Array]:
        """mu and width (A,)."""
        model = fitted(self.rows, self.ridge, standardise=False)
        x = self.features(context, self.eye)
        return model.mean(x), model.width(x)

    def features(self, context: Array, one_hots: Array) -> Array:
        """(n, A width) of contexts (1, width) and one-hot arms (n, A)."""
        x: Array = np.einsum("na,w->naw", one_hots, context[0])
        return x.reshape(len(one_hots), -1)

    def learn(self, context: Array, arm: int, reward: float) -> None:
        x = self.features(context, self.eye[[arm]])
        self.rows = with_rows(self.rows, x, np.array([reward]))


def both(ridge: float, alpha: float, theirs: Any, world: World) -> tuple[list[int], Array, Array]:
    """Arms of an episode driven by ours, and the scores of both at each step after the first."""
    ours, (scores, learn_theirs) = Disjoint(ridge), theirs
    mine: list[Array] = []
    other: list[Array] = []

    def choose(context: Array) -> int:
        mu, width = ours.judged(context)
        mine.append(mu + alpha * width)
        other.append(scores(context))
        return int(np.argmax(mine[-1]))

    def learn(context: Array, arm: int, reward: float) -> None:
        ours.learn(context, arm, reward)
        learn_theirs(context, arm, reward)

    arms, _ = loop(client(world), choose, learn, warm=1)
    return arms, np.array(mine), np.array(other)


def mabwiser_scores(ridge: float, alpha: float) -> tuple[Any, Any]:
    bandit, _, learn = mabwiser("LinUCB", alpha=alpha, l2_lambda=ridge)

    def scores(context: Array) -> list[float]:
        return list(bandit.predict_expectations(context).values())

    return scores, learn


@pytest.mark.extra("mabwiser")
@pytest.mark.parametrize("items", [0, 400])
def test_our_linucb_is_mabwisers_where_lambda_is_one(items: int) -> None:
    arms, ours, theirs = both(1.0, 5.0, mabwiser_scores(1.0, 5.0), linear_world(items=items))
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    assert set(arms) == {0, 1, 2, 3}


@pytest.mark.extra("mabwiser")
@pytest.mark.parametrize("ridge", [0.01, 100.0])
def test_an_arm_never_tried_tells_mabwisers_bonus_from_ours(ridge: float) -> None:
    """Ours is alpha |x| / sqrt(lambda), the formula; theirs (2.7.4) is alpha |x| sqrt(lambda).

    It starts an arm with A^-1 = lambda I where A = lambda I, until the arm's first reward: after that
    both are the same. A version that mends it passes too.
    """
    arms, ours, theirs = both(ridge, 0.5, mabwiser_scores(ridge, 0.5), linear_world(items=400))
    tried = np.array([[arm in arms[:t] for arm in range(4)] for t in range(1, STEPS)])
    assert (~tried).sum() > 0
    assert np.allclose(ours[tried], theirs[tried], rtol=1e-6)
    right, wrong = ours[~tried], ours[~tried] * ridge
    assert np.allclose(theirs[~tried], wrong) or np.allclose(theirs[~tried], right)


@pytest.mark.extra("mabwiser")
def test_our_draws_are_distributed_like_mabwisers() -> None:
    bandit, _, learn = mabwiser("LinTS", alpha=0.7, l2_lambda=1.0)
    ours, rng = Disjoint(1.0), np.random.default_rng(1)
    for t in range(12):
        context, reward = rng.random((1, 5)), rng.random()
        ours.learn(context, t % 4, reward)
        learn(context, t % 4, reward)
    query = rng.random((1, 5))
    model, x = fitted(ours.rows, 1.0, standardise=False), ours.features(query, ours.eye)
    mine = np.array([x @ model.draw(rng, 0.7) for _ in range(4000)])
    drawn = bandit.predict_expectations(np.repeat(query, 4000, axis=0))
    theirs = np.array([list(each.values()) for each in drawn])
    error = np.hypot(mine.std(axis=0), theirs.std(axis=0)) / 4000**0.5
    assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 4 * error).all()
    assert np.allclose(mine.std(axis=0), theirs.std(axis=0), rtol=0.06)


# contextualbandits


@pytest.mark.extra("contextualbandits")
@pytest.mark.parametrize("policy", ["LinUCB", "BootstrappedUCB"])
def test_contextualbandits_drives_the_environment(policy: str) -> None:
    from contextualbandits.linreg import LinearRegression
    from contextualbandits.online import BootstrappedUCB, LinUCB

    if policy == "LinUCB":
        bandit = LinUCB(len(ARMS), alpha=0.3, random_state=1)
    else:  # a bandit of binary rewards
        base = LinearRegression(lambda_=1.0)
        bandit = BootstrappedUCB(base, len(ARMS), batch_train=True, random_state=1, njobs_arms=1)

    def learn(context: Array, arm: int, reward: float) -> None:
        seen = reward if policy == "LinUCB" else float(reward > 1.5)
        bandit.partial_fit(context, np.array([arm]), np.array([seen]))

    mostly_best(client(), lambda context: bandit.predict(context)[0], learn)


@pytest.mark.extra("contextualbandits")
@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
def test_our_linucb_is_that_of_contextualbandits_for_every_lambda(ridge: float) -> None:
    from contextualbandits.online import LinUCB

    bandit = LinUCB(
        len(ARMS), alpha=0.5, lambda_=ridge, fit_intercept=False, use_float=False, random_state=1
    )

    def learn(context: Array, arm: int, reward: float) -> None:
        bandit.partial_fit(context, np.array([arm]), np.array([reward]))

    theirs = (lambda context: bandit.decision_function(context)[0], learn)
    _, ours, scores = both(ridge, 0.5, theirs, linear_world(items=400))
    assert np.allclose(ours, scores, rtol=1e-6, atol=1e-9)


# Gymnasium's own wrappers


def test_a_time_limit_cuts_an_episode_and_the_next_one_is_whole() -> None:
    env = TimeLimit(client(), 7)
    arms, info = loop(env, lambda _: 3, lambda *_: None)
    assert len(arms) == 7
    assert "utility" not in info
    arms, info = loop(env.env, lambda _: 3, lambda *_: None)
    assert len(arms) == STEPS
    assert "utility" in info
