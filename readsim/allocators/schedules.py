"""Static schedules: the tokens of `task-static` in another order over the run."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured, choice
from readsim.arrays import Array, Mask

SHAPES = ("first", "front", "last", "down", "up", "rate")
EARLY = 5 / 6  # of the target's tokens in the first half of the run, in "front"
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
    front    EARLY of its tokens in the first half of the run, as far as they fit, the others in the second:
             of .6, all of the first half and a fifth of the second
    last     nothing, until the rest is spent
    down     in proportion to the decisions left, cut off at 1
    up       `down` in reverse
    rate     in proportion to the learning rate `paces` (T,), cut off at 1
    """
    steps = len(paces)
    if shape in ("last", "up"):
        return target_shares("first" if shape == "last" else "down", mass, paces)[::-1]
    if shape == "front":
        half = steps // 2
        early = min(1.0, EARLY * mass * steps / half) if half else mass
        late = (mass * steps - early * half) / (steps - half)
        return np.repeat([early, late], [half, steps - half])
    if shape == "first":
        return np.clip(mass * steps - np.arange(steps), 0.0, 1.0)
    return water_filled(mass, np.arange(steps, 0.0, -1.0) - 0.5 if shape == "down" else paces)


@dataclass(frozen=True)
class TargetSchedule(Configured):
    """The tokens of `task-static` in another order: each source gets the same total over the run.

    The target is the source that the task asks for most, or several with equal shares; the rest keep
    their proportions. Where nothing else is asked for, as in `average`, it is `task-static`. Names:
    `target-first`, `front-loaded`, `target-last`, `linear-ramp` (`+shape=up` for the rising one) and
    `cosine-matched`, in which the target's share follows the learning rate of the run: `task-static`
    where that is constant.

    Order has no effect in worlds where only cumulative tokens count, at a constant learning rate. Under
    another schedule it decides which tokens meet the high rate, and with gates, forgetting or rehearsal it
    matters by itself. On real pairs with a cosine rate, `front-loaded` ended 1.3 points above the static
    split (nano and micro, `studies.sim_to_real.game`), `target-first`, after which nothing of the target
    comes, 1.7 below (nano, `studies.proof`): the order pays only with a little rehearsal of the target.

    shape   first, front, last, down (a falling ramp), up, or rate: see `target_shares`
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
