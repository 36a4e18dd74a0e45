"""The policy in drawn worlds, in torch: a whole run that a final utility can be differentiated through."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from readsim.allocators.trained import belief, network
from readsim.arrays import Array
from readsim_rl.problems import Problems, Tensor, many, utility

UNKNOWN = 0.1  # share of the runs whose teacher, and of those whose number of items, is not told
ITEMS = 64.0  # taken where it is not told
MOST_POOL = 10.0


@dataclass(frozen=True, eq=False)
class Played:
    """Final utilities (N,) of N runs, and their shares (T, N, S)."""

    utility: Tensor
    shares: Tensor


def number(value: Array) -> Tensor:
    """As torch computes with it."""
    return torch.tensor(value, dtype=torch.float32)


def play(problems: Problems, weights: Mapping[str, Tensor], seed: list[int]) -> Played:
    """All runs of a batch; `seed` is of their luck: efficiency, items, probes, process, what is told."""
    worlds = many(problems)
    rng = np.random.default_rng(seed)
    numbers = problems.stack.numbers
    s, k = numbers["help"].shape[:2]
    n, steps = problems.runs, problems.steps
    visible = torch.as_tensor(numbers["visible"].T.astype(np.int64))
    budget = number(problems.budget)
    rate = worlds.numbers["rate"] * torch.exp(worlds.numbers["efficiency_sd"] * deviates(rng, s, n))
    state = worlds.initial(rate, budget)
    paces = _paces(worlds, budget, steps)
    pairing = number(numbers["pairing"])
    luck = deviates(rng, k, n) * torch.sqrt(pairing)
    deviation = number(np.where(numbers["items"] > 0, numbers["items"], np.inf) ** -0.5)
    bias, slope = number(numbers["bias"]), number(numbers["slope"])

    def probe(profile: Tensor) -> Tensor:
        fresh = luck + deviates(rng, k, n) * torch.sqrt(1.0 - pairing)
        spread = torch.sqrt((profile * (1.0 - profile)).clip(1e-6, None))
        shown = (slope * profile + bias + fresh * spread * deviation).clip(0.0, 1.0)
        return torch.gather(shown.T, 1, visible)

    start = probe(worlds.profile(state))
    known = _told(
        problems, rng, start, paces, visible, worlds.numbers["start"] - worlds.numbers["up"]
    )
    held = belief.begin(torch, known, weights["prior"])
    trained, last, shares = torch.zeros(n, s), known.shares, []
    for step in range(steps):
        tokens, weight = network.features(torch, known, held, trained, last, step)
        last = network.shares(torch, weights, known, tokens, weight)
        shares.append(last)
        state = worlds.advance(state, last.T * (budget / steps), deviates(rng, k, n))
        if step + 1 < steps:
            profile = probe(worlds.profile(state))
            part = last * known.paces[:, step : step + 1] / steps
            held = belief.learn(torch, known, weights["prior"], held, part, profile)
            trained = trained + last / steps
    return Played(utility(problems, worlds.profile(state)), torch.stack(shares))


def deviates(rng: np.random.Generator, rows: int, runs: int) -> Tensor:
    """Standard normal (rows, N)."""
    return torch.from_numpy(rng.standard_normal((rows, runs), dtype=np.float32))


def _paces(worlds: object, budget: Tensor, steps: int) -> Tensor:
    """(N, T) mean learning rate of each step."""
    from readsim.worlds.many import ManyWorlds

    assert isinstance(worlds, ManyWorlds)
    if "schedule" not in worlds.terms:
        return torch.ones(len(budget), steps)
    edges = torch.arange(steps + 1.0)[:, None] / steps
    summed = torch.stack([worlds.integral(edge.expand(len(budget))) for edge in edges])
    return (steps * (summed[1:] - summed[:-1])).T


def _told(
    problems: Problems,
    rng: np.random.Generator,
    start: Tensor,
    paces: Tensor,
    visible: Tensor,
    ceiling: Tensor,
) -> belief.Known:
    """What the allocator knows of these runs, as `Trained` reads it from a setup."""
    numbers, n = problems.stack.numbers, problems.runs
    items = np.take_along_axis(numbers["items"].T, visible.numpy(), axis=1)
    variance = np.where(items > 0, 1.0 / np.maximum(items, 1.0), 0.0)
    variance[rng.random(n) < UNKNOWN] = 1.0 / ITEMS
    teacher = torch.gather(ceiling.T, 1, visible)
    told = number((rng.random((n, 1)) >= UNKNOWN).astype(np.float64))
    pools = numbers["pool"] / numbers["rate"] / problems.budget
    zeros = torch.zeros(n, 1)
    return belief.Known(
        match=number(problems.match),
        requirement=number(problems.requirement),
        shares=number(problems.shares),
        teacher=told * teacher + (1.0 - told) * (0.5 * start + 0.5),
        teacher_known=told,
        item_variance=number(variance),
        lowest=zeros,
        losses=zeros,
        pools=number(np.minimum(pools.T, MOST_POOL)),
        exponent=number(problems.exponent),
        cap=number(problems.cap),
        paces=paces,
        start=start,
    )
