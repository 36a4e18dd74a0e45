"""The environments compared with the public demo, bare equations and CartPole, measured in turn."""

import random
from collections.abc import Callable
from itertools import count, islice
from time import perf_counter
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.worlds import World, random_world
from readsim.worlds.prior import draw_world
from studies.speed.demo import transition
from studies.speed.equations import Equations

RUNS, ROUNDS, STEPS = 1024, 60, 20


class Pair(NamedTuple):
    """Seconds per step of both sides, and the median over rounds of their ratio."""

    ours: float
    theirs: float
    ratio: float


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS) -> Pair:
    """Measure both one after the other, many times, so that a busy machine hits them alike."""
    times = np.array([(ours(), theirs()) for _ in range(rounds)])
    first, second = np.median(times, axis=0)
    return Pair(float(first), float(second), float(np.median(times[:, 1] / times[:, 0])))


def with_terms() -> World:
    """The world of the comparison with all terms that its equations can have."""
    far, limit = np.full(8, 1e8), np.full(8, 0.1)
    return random_world().replace(
        schedule="cosine", overtraining_tokens=far, interference_limit=limit
    )


def whole_episodes(env: DistillVectorEnv) -> Callable[[], float]:
    """Seconds an env-step, resets included."""
    actions = np.random.default_rng(0).random((RUNS, 8))
    env.reset(seed=0)

    def measure() -> float:
        start = perf_counter()
        for _ in range(STEPS + 1):  # the step after the last one resets
            env.step(actions)
        return (perf_counter() - start) / STEPS / RUNS

    return measure


def vector_env(world: World | None = None) -> Callable[[], float]:
    """Seconds an env-step of the vector env, resets included, K = 8, N = 1024."""
    return whole_episodes(DistillVectorEnv(RUNS, world or random_world()))


def many_worlds(prior: str | None = None) -> Callable[[], float]:
    """Seconds an env-step where each run draws one of 64 worlds at its reset, K = 8, N = 1024: of the random
    family, or of a prior, with its terms."""
    if prior is None:
        worlds = [random_world(seed) for seed in range(64)]
    else:
        drawn = (draw_world(prior, seed, sources=8, capabilities=8) for seed in count())
        worlds = list(islice((world for world in drawn if not world.hidden), 64))
    return whole_episodes(DistillVectorEnv(RUNS, worlds=worlds, budgets=["20M", "60M"]))


def demo() -> Callable[[], float]:
    """Seconds a transition of the public demo."""
    rng = random.Random(0)

    def measure() -> float:
        scores = [0.25, 0.24, 0.20, 0.26]
        start = perf_counter()
        for _ in range(2000):
            scores = transition(scores, [0.25] * 4, rng)
        return (perf_counter() - start) / 2000

    return measure


def equations(world: World | None = None) -> Callable[[], float]:
    """Seconds an env-step of the bare equations."""
    world = world or random_world()
    bare = Equations(world, DistillEnv(world).episode, RUNS, seed=0)
    actions = np.random.default_rng(0).random((RUNS, 8))

    def measure() -> float:
        bare.x[:], bare.done = 0.0, 0
        start = perf_counter()
        for _ in range(STEPS):
            bare.step(actions)
        return (perf_counter() - start) / STEPS / RUNS

    return measure


def single_env() -> Callable[[], float]:
    """Seconds a `step` of the single env through `gymnasium.make`, without the episode's last one."""
    env = gym.make("readsim/Distill-v0", world=random_world())
    action = np.full(8, 0.125)

    def measure() -> float:
        env.reset(seed=0)
        start = perf_counter()
        for _ in range(STEPS - 1):
            env.step(action)
        return (perf_counter() - start) / (STEPS - 1)

    return measure


def cartpole() -> Callable[[], float]:
    """Seconds a `step` of CartPole-v1 through `gymnasium.make`, without the last one."""
    env = gym.make("CartPole-v1")

    def measure() -> float:
        env.reset(seed=0)
        taken, ended = 0, False
        start = perf_counter()
        while not ended and taken < STEPS:
            ended = env.step(taken % 2)[2]
            taken += 1
        return (perf_counter() - start) / taken

    return measure


def noise() -> tuple[Callable[[], float], Callable[[], float]]:
    """Seconds a deviate: popcounts of raw words, and numpy's normals, 1024 generators each."""
    size = 2048
    bits = [np.random.PCG64(seed) for seed in range(64)]
    normals = [np.random.Generator(np.random.PCG64(seed)) for seed in range(64)]

    def popcounts() -> float:
        start = perf_counter()
        for source in bits:
            words = source.random_raw(size // 2).view(np.uint32)
            _ = np.bitwise_count(words) * 0.125**0.5 - 16.0 * 0.125**0.5
        return (perf_counter() - start) / size / len(bits)

    def ziggurat() -> float:
        start = perf_counter()
        for source in normals:
            source.standard_normal(size)
        return (perf_counter() - start) / size / len(normals)

    return popcounts, ziggurat
