"""Promises of `level` at its decisions, and the noise-free truth of the plans that it picked itself."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.level.allocator import Level
from readsim.arrays import Array
from readsim.backend import OffersTruth
from readsim.envs.env import DistillEnv
from readsim.runs.loop import DEV_CHECKPOINTS
from readsim.runs.setups import setup_for
from readsim.worlds import World

NORMAL_90 = 1.6449  # standard deviations to each side of a 90 % interval


class Promise(NamedTuple):
    """Before decision `step`: the improvement of r . p at the end that the plan is thought to bring over
    the task's shares (mean, deviation), and what it would bring, both played to the end without probes."""

    seed: int
    step: int
    mean: float
    deviation: float
    truth: float


def promises(
    world: World,
    task: str,
    budget: int,
    level: Level,
    seed: int,
    at: Sequence[int],
    steps: int = 20,
) -> list[Promise]:
    """One run of `level`; at the decisions `at` both plans are played to the end and undone."""
    env = DistillEnv(world, task, budget, steps=steps)
    env.reset(seed=seed)
    setup = setup_for(env, level, seed)
    state: State = level.init(setup)
    context = _context(setup, 0, env.profile, setup.prior)
    out = []
    for step in range(max(at) + 1):
        plan, mean, deviation = level.outlook(state, context)
        if step in at:
            ends = [_end(env, shares, steps - step) for shares in (plan, setup.prior)]
            out.append(Promise(seed, step, mean, deviation, ends[0] - ends[1]))
        _, reward, _, _, info = env.step(plan)
        dev = env.dev_profile() if (step + 1) % max(1, steps // DEV_CHECKPOINTS) == 0 else None
        given, change, after = info["allocation"], info["change"], env.profile
        done = Transition(context, given, float(reward), change, after, info["tokens"], dev)
        state = level.update(state, done)
        context = _context(setup, step + 1, after, given)
    return out


def _context(setup: Setup, step: int, profile: Array, previous: Array) -> Context:
    return Context(setup, step, profile, 1.0 - step / setup.steps, np.zeros(0), previous)


def _end(env: DistillEnv, shares: Array, decisions: int) -> float:
    """r . p at the end without noise; the environment is left as it was."""
    assert isinstance(env.backend, OffersTruth)
    saved = env.snapshot()
    for _ in range(decisions):
        env.step(shares)
    world = env.backend.true_profile()
    env.restore(saved)
    seen = [env.backend.capabilities.index(name) for name in env.episode.visible]
    return float(world[seen] @ env.episode.task.requirement)


def coverage_table(found: Sequence[Promise]) -> pd.DataFrame:
    """By step, and of all: plans that leave the anchor, mean promise and truth in points, share of 90 %
    intervals that hold the truth, and below and above which the others lie."""
    rows = pd.DataFrame(found, columns=Promise._fields)
    rows = rows[rows["deviation"] > 1e-9]
    z = (rows["truth"] - rows["mean"]) / rows["deviation"]
    each = rows.assign(
        covered=z.abs() <= NORMAL_90, below=z < -NORMAL_90, above=z > NORMAL_90, plans=1.0
    )
    each[["mean", "truth"]] *= 100.0
    kept = ["plans", "mean", "truth", "covered", "below", "above"]
    by_step = each.groupby("step")[kept].agg({**dict.fromkeys(kept, "mean"), "plans": "sum"})
    of_all = each[kept].agg({**dict.fromkeys(kept, "mean"), "plans": "sum"})
    by_step.index = by_step.index.astype(str)
    by_step.loc["all"] = of_all
    return by_step
