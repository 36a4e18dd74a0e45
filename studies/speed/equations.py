"""The equations of one vector step, written out in numpy with no environment around them.

Order-free dynamics, saturating link, item noise, Eq. (9), for N runs of a world with S = K; where the world
has them, a learning rate, drift from the start and a limit of interference. One
generator serves all runs, there is no ledger, no history, no reset, no check of the action.
"""

import numpy as np

from readsim.arrays import Array
from readsim.envs.episode import EpisodeConfig
from readsim.envs.reward import spill_prices
from readsim.worlds import World


class Equations:
    """State and constants of N runs."""

    def __init__(self, world: World, episode: EpisodeConfig, runs: int, seed: int) -> None:
        k = len(world.capabilities)
        self.bits = np.random.PCG64(seed)
        self.scale, self.help, self.harm = world.scale_tokens, world.help, world.harm
        self.start, self.floor, self.ceiling = world.start, world.floor, world.ceiling
        self.noise = (1.0 / world.items) ** 0.5
        self.old, self.new = world.pairing**0.5, (1.0 - world.pairing) ** 0.5
        self.r = episode.task.requirement
        self.prices = spill_prices(self.r, episode.reward)
        self.tokens = episode.budget / episode.steps
        self.cost = episode.reward.cost / episode.steps
        self.paces = world.learning_rate.of_steps(episode.steps)
        self.span, self.far = world.ceiling - world.floor, world.overtraining_tokens
        self.limit, self.terms = world.interference_limit, world.terms
        self.x, self.done = np.zeros((runs, k)), 0
        self.luck = self.deviates((runs, k))
        self.seen = np.tile(world.start, (runs, 1))

    def deviates(self, shape: tuple[int, int]) -> Array:
        """Standardised Binomial(32, 1/2), as in readsim."""
        words = self.bits.random_raw(shape[0] * shape[1] // 2).view(np.uint32)
        out: Array = (np.bitwise_count(words).reshape(shape) - 16.0) * 0.125**0.5
        return out

    def step(self, actions: Array) -> Array:
        """Rewards (N,) of one interval."""
        weights = actions / actions.sum(axis=1, keepdims=True)
        self.x = self.x + weights * (self.tokens * self.paces[self.done]) / self.scale
        self.done += 1
        u = 1.0 - np.exp(-self.x)
        lost = (self.x - u) @ self.harm
        if "interference limit" in self.terms:
            lost = self.limit * (1.0 - np.exp(-lost / self.limit))
        z = u @ self.help - lost
        if "overtraining" in self.terms:
            d = (self.x @ self.scale)[:, None] / self.far
            z -= self.span * (d - (1.0 - np.exp(-d)))
        bound = np.where(z > 0.0, self.ceiling, self.floor)
        gap = self.start - bound
        p = bound + gap * np.exp(z / gap)
        sd = np.sqrt(p * (1.0 - p)) * self.noise
        seen = p + sd * (self.old * self.luck + self.new * self.deviates(p.shape))
        seen = np.clip(seen, 0.0, 1.0)
        change = seen - self.seen
        self.seen = seen
        reward: Array = change @ self.r + np.minimum(change, 0.0) @ self.prices - self.cost
        return reward
