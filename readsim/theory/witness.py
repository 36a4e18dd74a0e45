"""What ReAD believed and what was true, at every decision of simulated runs.

The belief is mu and sigma of every candidate before the step; the truth q(x_t, alpha) is the reward
of Eq. (9) of the noise-free change that the candidate would bring from the true state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.allocators.read.allocator import ReAD
from readsim.arrays import Array
from readsim.backend import OffersOutlook
from readsim.envs.env import DistillEnv
from readsim.envs.reward import proxy_reward
from readsim.runs.loop import Row, rollout
from readsim.theory.result import Statement, needs


class Decision(NamedTuple):
    """One decision over A candidates. `q` (A,) is NaN nowhere; `chosen` is an index."""

    seed: int
    step: int
    mu: Array
    sigma: Array
    q: Array
    chosen: int
    kappa: float


def true_rewards(env: DistillEnv, candidates: Array, tokens: float) -> Array:
    """q (A,): the noise-free reward, Eq. (9), of one interval at each candidate (A, S)."""
    needs(Statement.CALIBRATED, env.backend, "a noise-free reward (OffersOutlook)", OffersOutlook)
    assert isinstance(env.backend, OffersOutlook)
    change = env.backend.outlook(candidates, tokens)
    episode = env.episode
    cost = episode.reward.cost * tokens / episode.budget
    return proxy_reward(change, episode.task.requirement, episode.prices, cost)


class Witness(Allocator):
    """A ReAD that writes down its beliefs next to the truth; what it chooses is not changed."""

    def __init__(self, inner: ReAD, envs: Sequence[DistillEnv], seeds: Sequence[int]) -> None:
        self.inner, self.needs = inner, inner.needs
        self._envs = dict(zip(seeds, envs, strict=True))
        self.decisions: list[Decision] = []

    def init(self, setup: Setup) -> State:
        return self.inner.init(setup)

    def select(self, state: State, context: Context) -> Array:
        env = self._envs[context.setup.seed]
        chosen = self.inner.select(state, context)
        candidates, mu, sigma = self.inner.outlook(state, context)
        q = true_rewards(env, candidates, float(env.episode.schedule[context.step]))
        index = int(np.argmin(np.abs(candidates - chosen).sum(axis=1)))
        self.decisions.append(
            Decision(context.setup.seed, context.step, mu, sigma, q, index, float(state["kappa"]))
        )
        return chosen

    def update(self, state: State, transition: Transition) -> State:
        return self.inner.update(state, transition)

    def report(self, state: State) -> Mapping[str, Any]:
        return self.inner.report(state)


def watch(
    envs: Sequence[DistillEnv], allocator: ReAD, seeds: Sequence[int]
) -> tuple[list[Decision], list[Row]]:
    """Run `allocator` on every env: its decisions next to the truth, and the rows of the run log.

    Raises CapabilityMissingError for a backend without a noise-free reward.
    """
    for env in envs:
        needs(
            Statement.CALIBRATED, env.backend, "a noise-free reward (OffersOutlook)", OffersOutlook
        )
    witness = Witness(allocator, envs, seeds)
    rows, _ = rollout(envs, witness, seeds)
    return witness.decisions, rows
