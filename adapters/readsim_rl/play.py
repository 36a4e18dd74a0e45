"""The policy in drawn worlds, in torch: a whole run that a final utility can be differentiated through."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from readsim.allocators.trained import belief, network
from readsim.arrays import Array, Mask
from readsim.worlds.many import ManyWorlds
from readsim_rl.problems import Problems, Tensor, many, utility_of_runs

UNKNOWN = 0.1  # share of the runs whose teacher, and of those whose number of items, is not told
ITEMS = 64.0  # taken where it is not told
MOST_POOL = 10.0


@dataclass(frozen=True, eq=False)
class Played:
    """Final utilities (N,) of N runs, and their shares (T, N, S)."""

    utility: Tensor
    shares: Tensor


def tensor_of(value: Array) -> Tensor:
    """As torch computes with it."""
    return torch.tensor(value, dtype=torch.float32)


def play_policy(problems: Problems, weights: Mapping[str, Tensor], seed: list[int]) -> Played:
    """All runs of a batch; `seed` is of their luck: efficiency, items, probes, process, what is told."""
    worlds = many(problems)
    rng = np.random.default_rng(seed)
    numbers = problems.stack.numbers
    s, k = numbers["help"].shape[:2]
    n, steps = problems.runs, problems.steps
    visible = torch.as_tensor(_visible(problems))
    budget = tensor_of(problems.budget)
    rate = worlds.numbers["rate"] * torch.exp(worlds.numbers["efficiency_sd"] * deviates(rng, s, n))
    state = worlds.initial(rate, budget)
    pairing = tensor_of(numbers["pairing"])
    luck = deviates(rng, k, n) * torch.sqrt(pairing)
    deviation = tensor_of(np.where(numbers["items"] > 0, numbers["items"], np.inf) ** -0.5)
    bias, slope = tensor_of(numbers["bias"]), tensor_of(numbers["slope"])

    def probe(profile: Tensor) -> Tensor:
        fresh = luck + deviates(rng, k, n) * torch.sqrt(1.0 - pairing)
        spread = torch.sqrt((profile * (1.0 - profile)).clip(1e-6, None))
        shown = (slope * profile + bias + fresh * spread * deviation).clip(0.0, 1.0)
        return torch.gather(shown.T, 1, visible)

    start = probe(worlds.profile(state))
    lots = rng.standard_normal((n, s))
    known = told_of(problems, worlds, start.numpy(), rng.random(n) >= UNKNOWN, lots)
    hushed = torch.as_tensor(rng.random((n, 1)) < UNKNOWN)
    variance = torch.where(hushed, torch.tensor(1.0 / ITEMS), known.item_variance)
    known = known._replace(item_variance=variance)
    held = belief.begin(torch, known, weights["prior"])
    trained, last, shares = torch.zeros(n, s), known.shares, []
    for step in range(steps):
        tokens, weight = network.policy_features(torch, known, held, trained, last, step)
        last = network.shares(torch, weights, known, tokens, weight)
        shares.append(last)
        state = worlds.advance(state, last.T * (budget / steps), deviates(rng, k, n))
        if step + 1 < steps:
            profile = probe(worlds.profile(state))
            part = last * known.paces[:, step : step + 1] / steps
            held = belief.learn(torch, known, weights["prior"], held, part, profile)
            trained = trained + last / steps
    return Played(utility_of_runs(problems, worlds.profile(state)), torch.stack(shares))


def deviates(rng: np.random.Generator, rows: int, runs: int) -> Tensor:
    """Standard normal (rows, N)."""
    return torch.from_numpy(rng.standard_normal((rows, runs), dtype=np.float32))


def told_of(
    problems: Problems, worlds: ManyWorlds, start: Array, told: Mask, lots: Array
) -> belief.Known:
    """What the allocator knows of these runs, as `TrainedPolicy` reads it from a setup, after a first probe
    `start` (N, V). `told` (N,): whose teacher is known; `lots` (N, S) as for `belief.tilted`."""
    numbers, visible = problems.stack.numbers, _visible(problems)
    items = np.take_along_axis(numbers["items"].T, visible, axis=1)
    ceiling = (numbers["start"] - numbers["up"]).T
    teacher = np.take_along_axis(ceiling, visible, axis=1)
    pools = (numbers["pool"] / numbers["rate"]).T / problems.budget[:, None]
    zeros = np.zeros((problems.runs, 1))
    known = belief.Known(
        match=problems.match,
        requirement=problems.requirement,
        shares=belief.tilted(problems.shares, problems.match, lots),
        teacher=np.where(told[:, None], teacher, 0.5 * start + 0.5),
        teacher_known=told[:, None],
        item_variance=np.where(items > 0, 1.0 / np.maximum(items, 1.0), 0.0),
        lowest=zeros,
        losses=zeros,
        pools=np.minimum(pools, MOST_POOL),
        exponent=problems.exponent,
        cap=problems.cap,
        paces=paces_of(worlds, problems.steps),
        start=start,
    )
    return belief.Known(*(tensor_of(value) for value in known))


def paces_of(worlds: ManyWorlds, steps: int) -> Array:
    """(N, T) mean learning rate of each step."""
    if "schedule" not in worlds.terms:
        return np.ones((worlds.runs, steps))
    edges = torch.arange(steps + 1.0)[:, None].expand(-1, worlds.runs) / steps
    summed = torch.stack([worlds.integral(edge) for edge in edges])
    out: Array = (steps * (summed[1:] - summed[:-1])).T.numpy()
    return out


def _visible(problems: Problems) -> NDArray[np.int64]:
    """(N, V) places of the visible capabilities."""
    return problems.stack.numbers["visible"].T.astype(np.int64)
