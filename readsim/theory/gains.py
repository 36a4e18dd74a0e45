"""Assumption 4.4 (concave task-aligned gains): U = U_0 + sum_i w_i g_i(b_i), g_i concave, nondecreasing.

U must depend on the run through the cumulative tokens b (S,) alone, add up over sources, never fall,
and bend downwards along each of them. It excludes negative transfer to required capabilities, S-shaped
("emergent") gains, cross effects through a curved link, order effects and forgetting. g_i must be
continuous at 0, or a best split may not exist.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory.adversary import find_worst, hard_points, point_text
from readsim.theory.result import PaperStatement, Result, needs, points
from readsim.worlds.task import Task
from readsim.worlds.world import World

Utility = Callable[[Sequence[Array]], Any]  # of a schedule: intervals of tokens (S,) each
Many = Callable[[Array], Array]  # of tokens (P, S) fed at once: (P,)
TOLERANCE = 1e-9  # score units


def interaction(
    value: Callable[[Array], float], b: Array, i: int, s: float, j: int, t: float
) -> float:
    """U(b + s e_i + t e_j) - U(b + s e_i) - U(b + t e_j) + U(b): 0 where U adds up (i != j)."""
    e = np.eye(len(b))
    both, one, other = b + s * e[i] + t * e[j], b + s * e[i], b + t * e[j]
    return value(both) - value(one) - value(other) + value(b)


def fall(value: Callable[[Array], float], b: Array, i: int, width: float) -> float:
    """U(b) - U(b + w e_i): above 0 where more of source i costs utility."""
    return value(b) - value(b + width * np.eye(len(b))[i])


class Worst(NamedTuple):
    """The largest violation found, score units, and where."""

    size: float
    where: str


def falls(
    value: Many, names: Sequence[str], budget: float, bases: Array, even: int = 33
) -> tuple[Worst, Worst]:
    """The largest loss and the largest distance to the concave majorant on lines: one source fed to the end.

    `names` are the sources'. A line a source and base (n, S) of shares, its own share taken out, from 0 to
    all that the base leaves; `even` points are even and, near 0, some geometric, so that a start flat up to a
    thousandth shows.
    """
    part = np.unique(np.concatenate([0.5 ** np.arange(10, 5, -1), np.linspace(0, 1, even)]))
    fall, sag_ = Worst(0.0, "nowhere"), Worst(0.0, "nowhere")
    for i, name in enumerate(names):
        for base in bases:
            start = budget * np.where(np.arange(len(names)) == i, 0.0, base)
            t = part * (budget - start.sum())
            if not t[-1] > 0:
                continue
            u = value(start + t[:, None] * np.eye(len(names))[i])
            lost = np.maximum.accumulate(u) - u
            under = np.interp(t, *_majorant(t, u)) - u
            beside = (
                f"beside {point_text(start / budget, names)} of the budget"
                if start.any()
                else "alone"
            )
            if lost.max() > fall.size:
                at = f"{name} at {t[np.argmax(lost)] / budget:.3g} of the budget, {beside}"
                fall = Worst(float(lost.max()), at)
            if under.max() > sag_.size:
                at = f"{name} at {t[np.argmax(under)] / budget:.3g} of the budget, {beside}"
                sag_ = Worst(float(under.max()), at)
    return fall, sag_


def _majorant(t: Array, u: Array) -> tuple[Array, Array]:
    """The corners of the least concave function above (t, u)."""
    kept: list[int] = []
    for n in range(len(t)):
        while len(kept) > 1 and (u[n] - u[kept[-1]]) * (t[kept[-1]] - t[kept[-2]]) >= (
            u[kept[-1]] - u[kept[-2]]
        ) * (t[n] - t[kept[-1]]):
            kept.pop()
        kept.append(n)
    return t[kept], u[kept]


def additivity_gap(value: Many, b: Array) -> Array:
    """|U(b) - U(0) - sum_i (U(b_i e_i) - U(0))| of each row of b (P, S): 0 everywhere iff U adds up."""
    p, s = b.shape
    alone = value((b[:, :, None] * np.eye(s)).reshape(p * s, s)).reshape(p, s)
    none = value(np.zeros((1, s)))[0]
    out: Array = np.abs(value(b) - none - (alone - none).sum(axis=1))
    return out


def _orders(b: Array, share: Array) -> list[tuple[list[Array], list[Array]]]:
    """Pairs of schedules that feed the same tokens (P, S): what must not differ.

    Blocks forwards and backwards; a mixture first and the rest, and the reverse; block by block and all at
    once, in as many equal intervals.
    """
    s = b.shape[1]
    blocks = [b * e for e in np.eye(s)]
    first, rest = b * share, b * (1 - share)
    return [
        (blocks, blocks[::-1]),
        ([first, rest], [rest, first]),
        (blocks, [b / s] * s),
    ]


def check(
    utility: Utility,
    sources: int,
    budget: float,
    subject: str,
    *,
    names: Sequence[str] = (),
    draws: int = 64,
    seed: int = 0,
    batched: bool = False,
) -> list[Result]:
    """The four parts of the assumption over the whole budget, at corners, edges, draws and by search.

    `names` are the sources'. `utility` is of a schedule, without noise (see `world_utility`); `batched` says
    that intervals may be (P, S) and give (P,). Each statistic is the largest violation found, score units: a
    search can refute, and only fail to refute. Falls and slow starts are looked for along each source from
    none of it to all of the budget, alone and beside others; additivity and order at whole budgets too.

    Raises ConfigError for no source or no budget.
    """
    if sources < 1 or not budget > 0:
        raise ConfigError(f"sources = {sources}, budget = {budget}: both above 0")
    names = names or [f"source {i}" for i in range(sources)]
    rng = np.random.default_rng(seed)

    def of(schedule: Sequence[Array]) -> Array:
        if batched:
            return np.asarray(utility(schedule))
        return np.array([utility(list(rows)) for rows in zip(*schedule, strict=True)])

    def value(b: Array) -> Array:
        return of([b])

    # a last entry is what is left unspent
    spread = np.pad(hard_points(sources, draws // 2, seed), ((0, 0), (0, 1)))
    partly = spread * (scale := rng.choice([1.0, 0.5, 0.2], (len(spread), 1)))
    partly[:, -1] = 1 - scale[:, 0]
    bases = np.array(
        [
            np.zeros(sources),
            np.full(sources, 0.5 / sources),
            *(rng.dirichlet(np.full(sources, 0.5), 2 + draws // 16) * rng.choice([0.3, 0.6, 0.9])),
        ]
    )
    bases = bases if sources > 1 else bases[:1]
    fall, sag_ = falls(value, names, budget, bases, 101 if batched else 33)
    found = {"concave": sag_, "nondecreasing": fall}
    if sources > 1:
        some = np.concatenate([spread, partly])
        at, size = find_worst(
            lambda z: additivity_gap(value, budget * z[:, :-1]), some, rounds=draws // 8, seed=seed
        )
        found["adds up"] = Worst(size, f"b = {point_text(at[:-1], names)} of the budget")
        share = rng.choice([0.0, 0.3, 1.0], (len(some), sources))
        b = budget * some[:, :-1]
        gaps = np.max([np.abs(of(one) - of(other)) for one, other in _orders(b, share)], axis=0)
        at = some[int(np.argmax(gaps))]
        where = f"b = {point_text(at[:-1], names)} of the budget"
        found["order-free"] = Worst(float(gaps.max()), where)
    return [
        Result(
            statement=f"{PaperStatement.CONCAVE_GAINS}: {part}",
            subject=subject,
            measure="largest violation found, score units",
            statistic=worst.size,
            bound=TOLERANCE,
            sense="<=",
            effect=points(worst.size, worst.where),
            advice=ADVICE[part],
        )
        for part in ADVICE
        for worst in [found.get(part, Worst(0.0, "one source"))]
    ]


ADVICE = {
    "adds up": "sources interact in U: the optimum is numeric, marginal gains depend on the others",
    "concave": "slow starts: greedy steps can be far from the best plan",
    "nondecreasing": "some tokens harm: allow the run to stop early",
    "order-free": "the order matters: adaptive schedules can beat every constant mixture",
}


def world_utility(world: World, task: Task, budget: float | None = None) -> Utility:
    """The noise-free utility of a schedule in a world, under its learning rate over `budget` tokens.

    Intervals (S,) give a number, intervals (P, S) as many.
    """

    def utility(schedule: Sequence[Array]) -> Any:
        return task.utility(world.profile_after(schedule, budget))

    return utility


def check_world_gains(world: World, task: Task, budget: float, *, draws: int = 64) -> list[Result]:
    """`check` on a world, within its horizon.

    Raises CapabilityMissingError for the demo's dynamics: there the number of steps counts, not tokens.
    """
    if world.dynamics == "artifact":
        needs(
            PaperStatement.CONCAVE_GAINS,
            world,
            "a response to tokens, not to steps (dynamics 'artifact')",
        )
    within = min(budget, world.horizon)
    utility = world_utility(world, task, within)
    return check(
        utility,
        len(world.sources),
        within,
        world.name,
        names=world.sources,
        draws=draws,
        batched=True,
    )
