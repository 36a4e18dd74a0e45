"""The runs to make next in a fitted world: pool, belief, choice."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.average import Average, to_law_scale
from readsim.fitting.design import choose_runs
from readsim.fitting.laws.gaussian_process import GaussianProcess, Joint
from readsim.fitting.mixture_pool import distinct, mixture_pool, nearest_mixtures, share_limits
from readsim.streams import generator
from readsim.token_counts import show_tokens
from readsim.worlds.task import AnyTask
from readsim.worlds.world import World

PURPOSES = ("fit", "decision")
POOL, AROUND = 240, 40  # mixtures, and those near the ones that look best
LARGEST_POOL = 600  # places: mixtures times budgets
NEAR = 60.0  # Dirichlet parameter of draws around a mixture
BEST = 4
UNKNOWN_NOISE = 0.1  # of the variance between mixtures, in a world that says nothing of noise


class Proposal(NamedTuple):
    """Runs in the order of their choice: shares (N, S), tokens (N,); `before` and `after` in profile units,
    see `readsim.fitting.design.ChosenRuns`. `best` (S,) are the shares that seem best before them, and
    `budget` the tokens that predictions and decisions are about."""

    shares: Array
    tokens: Array
    before: Array
    after: Array
    best: Array
    budget: float


def propose(
    world: World,
    average: Average | None,
    count: int,
    *,
    decision: bool,
    task: AnyTask = "average",
    budgets: Sequence[float] | None = None,
    total: float = np.inf,
    least: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Proposal:
    """`count` runs for the fit or for the decision; see `readsim.fitting.design`.

    average   what the world was fitted with, its runs among it; None: the world is taken for what is thought
              before any run
    budgets   tokens that a run may have; predictions and decisions are about the largest
    total     tokens that all may have together: then each choice is the best per token

    Raises ConfigError for budgets past the world's horizon, or limits of shares that no mixture keeps.
    """
    low, high = share_limits(world.sources, least or {}, most or {})
    menu = np.array(sorted(set(budgets or [_usual_budget(world, average)])))
    if (menu <= 0.0).any() or menu[-1] > world.horizon * (1.0 + 1e-9):
        raise ConfigError(
            f"budgets up to {show_tokens(round(menu[-1]))}: above 0 and within the horizon of world "
            f"{world.name!r}, {show_tokens(round(world.horizon)) if np.isfinite(world.horizon) else 'none'}"
        )
    if total < menu[0]:
        raise ConfigError(
            f"total = {show_tokens(round(total))}: less than the shortest run, {show_tokens(round(menu[0]))}"
        )
    rng = generator(seed, "data", 3_000_000)
    weights = world.task(task).weights
    size = max(2 * len(world.sources), min(POOL, LARGEST_POOL // len(menu)))
    mixtures = mixture_pool(size, low, high, rng)
    predict = (lambda t: world.profile_after([t])) if average is None else average.predict
    top = mixtures[np.argsort(-(predict(mixtures * menu[-1]) @ weights))[:BEST]]
    near = np.vstack([rng.dirichlet(NEAR * b + 0.05, AROUND // BEST) for b in top])
    mixtures = distinct(np.vstack([mixtures, nearest_mixtures(near, low, high)]))
    tokens = np.repeat(menu, len(mixtures))
    shares = np.tile(mixtures, (len(menu), 1))
    places = shares * tokens[:, None]
    belief = _belief(world, average, places)
    scale = np.maximum(belief.mean.std(axis=0), np.finfo(float).tiny)
    criterion = weights if decision else (weights > 0.0) / scale**2
    at_end = np.flatnonzero(tokens == menu[-1])
    made = choose_runs(
        belief,
        count,
        pool=np.arange(len(places)),
        targets=at_end,
        weights=criterion,
        decision=decision,
        cost=tokens,
        total=total,
        seed=rng,
        tick=tick,
    )
    best = shares[at_end[np.argmax(belief.mean[at_end] @ weights)]]
    chosen = _written(shares[made.places]), tokens[made.places]
    return Proposal(*chosen, made.before, made.after, best, float(menu[-1]))


def _usual_budget(world: World, average: Average | None) -> float:
    """The longest run's, or the horizon; else some tokens that are as good as any."""
    if average is not None:
        return average.unit
    if np.isfinite(world.horizon):
        return float(world.horizon)
    raise ConfigError(f"world {world.name!r} has no horizon and no runs: give --budgets")


def _belief(world: World, average: Average | None, places: Array) -> Joint:
    """In profile units, around the average's predictions, or around the world's."""
    if average is not None:
        joint = average.laws.sure.joint(places / average.unit)
        mean = average.predict(places)
        slope = np.abs(mean) if average.losses else np.ones_like(mean)
        covariance = joint.covariance * slope.T[:, :, None] * slope.T[:, None, :]
        return Joint(mean, covariance, joint.noise * (slope**2).mean(axis=0))
    mean = world.profile_after([places])
    unit = float(places.sum(axis=1).max())
    wanted = to_law_scale(mean, losses=False)
    process = GaussianProcess(places / unit, wanted, np.ones_like(wanted))
    prior = process.prior(places / unit)
    spread = mean.var(axis=0)
    noise = world.probe("probe").deviation(mean.mean(axis=0)) ** 2
    noise = np.where(noise > 0.0, noise, UNKNOWN_NOISE * spread)
    return Joint(mean, spread[:, None, None] * prior, noise)


def _written(shares: Array) -> Array:
    """Shares (n, S) to six places, the largest of each run such that they sum to 1."""
    out = np.round(shares, 6)
    rows = np.arange(len(out))
    out[rows, out.argmax(axis=1)] += 1.0 - out.sum(axis=1)
    return out
