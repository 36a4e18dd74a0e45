"""An offline pool of one-step transitions from random allocations."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.backend import Backend, OffersWorld, TokenUsage, added, not_measured, undone
from readsim.envs.episode import EpisodeConfig
from readsim.envs.history import remembered
from readsim.envs.reward import proxy_reward
from readsim.envs.simplex import as_allocation
from readsim.errors import CapabilityMissingError
from readsim.streams import seed_sequence
from readsim.worlds.validation import undoubted
from readsim.worlds.world import World


class Pool(NamedTuple):
    """n transitions.

    Rows with the same `run` are the steps of one training from its start, one after the other; None: not
    known. Rows with the same `parent` are one training measured again with other items: what is learned
    from them is bootstrapped and held out by parent. None: every row is a training of its own.
    """

    profile: Array  # (n, V) before the step
    budget_left: Array  # (n,) before the step
    history: Array  # (n, H (S+V+2)) as in the observation
    allocation: Array  # (n, S)
    change: Array  # (n, V)
    tokens: Array  # (n,)
    parent: NDArray[np.int64] | None = None  # (n,)
    run: NDArray[np.int64] | None = None  # (n,)

    def since_start(self) -> tuple[Array, Array]:
        """Change of the profile (n, V), and tokens by source (n, S), from the start of each row's run to the
        row. Raises CapabilityMissingError where `run` is not known."""
        if self.run is None:
            raise CapabilityMissingError(
                "the pool does not say which of its rows are one run: give Pool(run=...)"
            )
        change, tokens = np.zeros_like(self.profile), np.zeros_like(self.allocation)
        trained = self.allocation * self.tokens[:, None]
        for run in np.unique(self.run):
            at = np.flatnonzero(self.run == run)
            change[at] = self.profile[at] - self.profile[at[0]]
            tokens[at[1:]] = np.cumsum(trained[at[:-1]], axis=0)
        return change, tokens


@runtime_checkable
class OffersTransitions(Protocol):
    """A backend that collects pools in its own way, for instance by short trainings that it undoes."""

    def transitions(
        self, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
    ) -> tuple[Pool, TokenUsage]:
        """Exactly `size` transitions, and the tokens that they took: trained ones as `offline`.

        How allocations are drawn, and how long a training is, is the backend's own affair; if `persistent`
        they are whole runs, each with one random allocation, or ConfigError."""
        ...


def offline_pool(
    backend: Backend, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
) -> tuple[Pool, TokenUsage]:
    """Exactly `size` transitions for the run that `backend` is in, and the tokens that they took.

    A backend that offers transitions collects them itself; from a world they are simulated; any other
    backend plays them (`play_pool`). The last two draw a new random allocation at each step, or one for
    each run if `persistent`. The run goes on afterwards as if there had been no pool.

    Raises CapabilityMissingError for a backend that can do none of these.
    """
    if isinstance(backend, OffersTransitions):
        return backend.transitions(episode, size, seed, persistent=persistent)
    if isinstance(backend, OffersWorld):
        pool = collect_pool(backend.world, episode, size, seed, persistent=persistent)
        return pool, {"offline": int(pool.tokens.sum())}
    with undone(backend):
        return play_pool(backend, episode, size, seed, persistent=persistent)


def random_allocations(rng: np.random.Generator, n: int, sources: int) -> Array:
    """Dirichlet(1) weights on a random support of 1, 2, 3 or all sources: (n, S)."""
    sizes = rng.choice(np.minimum([1, 2, 3, sources], sources), size=n)
    ranks = np.argsort(rng.random((n, sources)), axis=1)
    draws = rng.standard_exponential((n, sources)) * (ranks < sizes[:, None])
    total: Array = draws / draws.sum(axis=1, keepdims=True)
    return total


def collect_pool(
    world: World, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
) -> Pool:
    """At least one and exactly `size` transitions of random-policy runs in `world`.

    The runs use streams of their own, derived from `(seed, "data")`: what the pool sees is another
    student with other luck than the run it is for.
    """
    from readsim.envs.vector_env import DistillVectorEnv

    runs = -(-size // episode.steps)
    children = seed_sequence(seed, "data").generate_state(runs + 1)
    rng = np.random.default_rng(int(children[-1]))
    with undoubted():  # the run's own environment has said it
        env = DistillVectorEnv(
            runs,
            world,
            episode.task,
            episode.budget,
            steps=episode.steps,
            history=episode.history,
            reward=episode.reward,
        )
    observation, _ = env.reset(seed=[int(c) for c in children[:-1]])
    parts: list[tuple[Array, ...]] = []
    action = np.zeros(0)
    for step in range(episode.steps):
        if not (persistent and step):
            action = random_allocations(rng, runs, len(episode.sources))
        before = observation
        observation, _, _, _, info = env.step(action)
        parts.append(
            (
                before["profile"],
                before["budget_left"][:, 0],
                before["history"] if episode.history else np.zeros((runs, 0)),
                info["allocation"],
                info["change"],
                info["tokens"].astype(np.float64),
            )
        )
    # (T, runs, ...) -> run by run, then cut to size
    stacked = [np.stack([p[i] for p in parts], axis=1) for i in range(6)]
    a, b, c, d, e, f = (a.reshape(runs * episode.steps, *a.shape[2:])[:size] for a in stacked)
    return Pool(a, b, c, d, e, f, run=np.repeat(np.arange(runs), episode.steps)[:size])


def play_pool(
    backend: Backend, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
) -> tuple[Pool, dict[str, int]]:
    """Exactly `size` transitions of random-policy runs of `backend`, one after the other.

    Each run starts by a `reset` with a seed of its own, derived from `(seed, "data")`, and none is
    evaluated at its end. Student tokens count as `offline`, all others as what they are. The backend
    is left in the last of these runs.

    Raises CapabilityMissingError where a profile is not finite.
    """
    children = seed_sequence(seed, "data").generate_state(-(-size // episode.steps) + 1)
    rng = np.random.default_rng(int(children[-1]))
    requirement, budget = episode.task.requirement, episode.budget
    rows: list[tuple[Array | float, ...]] = []
    usage: dict[str, int] = {}
    for child in children[:-1]:
        profile, used = backend.reset(int(child))
        usage = added(usage, used)
        history, left, drawn = np.zeros(episode.history * episode.width), budget, np.zeros(0)
        for step, tokens in enumerate(episode.schedule[: size - len(rows)]):
            if not (persistent and step):
                (drawn,) = random_allocations(rng, 1, len(episode.sources))
            weights = as_allocation(drawn, strict=False, names=episode.sources)
            after, used = backend.run_interval(step, weights, tokens)
            if not np.isfinite(after).all():
                raise not_measured(episode.visible, after)
            change = after - profile
            cost = episode.reward.cost / budget * tokens
            reward = float(proxy_reward(change, requirement, episode.prices, cost))
            rows.append((profile, left / budget, history, weights, change, float(tokens)))
            usage = added(usage, used)
            history = remembered(history, weights, change, reward)
            profile, left = after, left - tokens
    run = np.repeat(np.arange(len(children) - 1), episode.steps)[: len(rows)]
    pool = Pool(*(np.array(column) for column in zip(*rows, strict=True)))._replace(run=run)
    return pool, added({"offline": usage.pop("student", 0)}, usage)
