"""Static schedules: the tokens of `task-static` in another order over the run."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured, choice
from readsim.arrays import Array, Mask

SHAPES = ("first", "last", "down", "up", "rate")
TIED = 1e-9  # shares closer than this are equal


def target_sources(prior: Array) -> Mask:
    """Which sources (S,) the task asks for most; several where their shares are equal."""
    out: Mask = prior > prior.max() - TIED
    return out


def water_filled(mass: float, heights: Array) -> Array:
    """min(1, level * heights) (T,) with the level at which its mean is `mass`, from 0 to 1.

    `heights` (T,) are above 0. No decision takes more than all of its tokens: what is cut off at 1
    raises the level of the others.
    """
    steps = len(heights)
    falling = np.sort(heights)[::-1]
    below = np.cumsum(falling[::-1])[
        ::-1
    ]  # sum of the heights that are not cut off, by their number
    levels = (mass * steps - np.arange(steps)) / below
    cut = int(np.argmax(levels * falling <= 1.0 + 1e-12)) if mass < 1.0 else steps - 1
    return np.minimum(1.0, levels[cut] * heights) if mass < 1.0 else np.ones(steps)


def target_shares(shape: str, mass: float, paces: Array) -> Array:
    """The share (T,) of each decision's tokens that the target's sources get; its mean is `mass`.

    first    all of it, until their tokens are spent; the decision in which that happens is split
    last     nothing, until the rest is spent
    down     in proportion to the decisions left, cut off at 1
    up       `down` in reverse
    rate     in proportion to the learning rate `paces` (T,), cut off at 1
    """
    steps = len(paces)
    if shape in ("last", "up"):
        return target_shares("first" if shape == "last" else "down", mass, paces)[::-1]
    if shape == "first":
        return np.clip(mass * steps - np.arange(steps), 0.0, 1.0)
    return water_filled(mass, np.arange(steps, 0.0, -1.0) - 0.5 if shape == "down" else paces)


@dataclass(frozen=True)
class TargetSchedule(Configured):
    """What `task-static` plays, in another order: the sums over the run are the same, source by source.

    The target is the source that the task asks for most, or several with equal shares; the rest keep
    their proportions. Where nothing else is asked for, as in `average`, it is `task-static`. Names:
    `target-first`, `target-last`, `linear-ramp` (`+shape=up` for the rising one) and `cosine-matched`, in
    which the target's share follows the learning rate of the run: `task-static` where that is constant.

    Order is idle in worlds of cumulative tokens at a constant learning rate; under another schedule it
    decides which tokens meet the high rate; with gates, forgetting or rehearsal it matters by itself.
    On the real pair nano, with a cosine rate, math alone for the first half and a fifth of it
    afterwards ended at 65.0, the static mixture at 62.8, a tenth and then nine tenths at 58.0 (one seed).

    shape   first, last, down (a falling ramp), up, or rate: see `target_shares`
    """

    shape: str = choice("first", "ours", SHAPES)

    def select(self, state: State, context: Context) -> Array:
        allocation: Array = self.plan(context.setup)[context.step]
        return allocation

    def plan(self, setup: Setup) -> Array:
        """The allocation of each decision (T, S)."""
        prior, own = setup.prior, target_sources(setup.prior)
        mass = float(prior[own].sum())
        if not mass < 1.0 - TIED:
            return np.tile(prior, (setup.steps, 1))
        target, rest = np.where(own, prior, 0.0) / mass, np.where(own, 0.0, prior) / (1.0 - mass)
        shares = target_shares(self.shape, mass, setup.paces)[:, None]
        out: Array = shares * target + (1.0 - shares) * rest
        return out
