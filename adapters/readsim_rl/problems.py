"""Problems to train on: drawn worlds with tasks, budgets and steps, and each one's best static allocation.

A batch is a pure function of the prior, the seed and its number. Its runs share the number of sources,
capabilities, hidden capabilities and steps, which differ between batches.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from readsim.arrays import Array
from readsim.streams import generator
from readsim.worlds.many import ManyWorlds, WorldStack, stack_worlds
from readsim.worlds.prior import Prior, draw_world
from readsim.worlds.prior.ranges import PriorRange
from readsim.worlds.task import FOCUS
from readsim.worlds.world import World

TOKENS = 120_000  # of the network in a batch: runs x sources x capabilities x steps
MOST_RUNS = 256
BUDGETS = (0.2, 2.5)  # of the prior's budget
STEPS = (5, 40)
LEAST = 1e-6  # what x is kept above, for the infinitely steep gains
CLIMB = 30  # updates of the search for the best static allocation
LABEL_STEPS = 6

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Problems:
    """N runs. `weights` (N, K) and `requirement` (N, V) of their tasks, utility (sum w min(p, cap)^e)^(1/e).

    `best` (N, S) is the best static allocation that was found, `scores` (3, N) the noise-free utilities of
    the uniform allocation, of the requirement as shares, and of `best`.
    """

    sizes: tuple[int, int, int]  # S, K, hidden capabilities
    first: int  # seed of the first world
    stack: WorldStack
    match: Array  # (N, S, V)
    requirement: Array
    weights: Array
    exponent: Array
    cap: Array
    budget: Array
    steps: int
    shares: Array  # (N, S) the requirement as shares of the sources
    best: Array
    scores: Array

    @property
    def runs(self) -> int:
        """N."""
        return len(self.budget)


def draw_problems(prior: Prior, seed: int, number: int) -> Problems:
    """The batch of this number."""
    rng = generator(seed, "data", number)
    s, k, hidden = sizes = _sizes(prior, rng)
    steps = int(np.round(np.exp(rng.uniform(*np.log(STEPS)))))
    runs = int(np.clip(TOKENS // (s * k * steps), 4, MOST_RUNS))
    first = int(rng.integers(2**40)) * 2**8
    worlds = _worlds(prior, sizes, first, runs)
    stack = stack_worlds(worlds)
    match = np.array([[[a == b for b in w.visible] for a in w.sources] for w in worlds])
    match = match.astype(np.float64)
    requirement = _requirements(rng, runs, k - hidden)
    weights = _weights(rng, prior, stack, requirement, k)
    exponent, cap = np.ones((runs, 1)), np.full((runs, 1), 10.0)
    kind = rng.random(runs)
    bent = rng.uniform(-4.0, 0.6, runs)
    exponent[kind < 0.12, 0] = np.where(np.abs(bent) < 0.1, -0.1, bent)[kind < 0.12]
    cap[kind > 0.92, 0] = rng.uniform(0.3, 0.9, runs)[kind > 0.92]
    low, high = np.log(BUDGETS)
    budget = prior.budget * np.exp(rng.uniform(low, high, runs))
    found = Problems(
        sizes=sizes,
        first=first,
        stack=stack,
        match=match,
        requirement=requirement,
        weights=weights,
        exponent=exponent,
        cap=cap,
        budget=budget,
        steps=steps,
        shares=_shares(requirement, match),
        best=np.zeros((runs, s)),
        scores=np.zeros((3, runs)),
    )
    return _solved(found)


def _sizes(prior: Prior, rng: np.random.Generator) -> tuple[int, int, int]:
    """S, K and how many capabilities are hidden; K is in the middle of its range on
    a log scale most often."""
    sizes = prior.parts["sizes"].ranges["capabilities"]
    k = int(np.round(np.exp(rng.uniform(np.log(sizes.low), np.log(sizes.high), 2).mean())))
    s = k
    if rng.random() < prior.parts["unmatched"].share:
        s = max(2, round(k * prior.parts["unmatched"].ranges["sources"].one(rng)))
    hidden = 0
    if rng.random() < prior.parts["hidden"].share:
        hidden = min(int(prior.parts["hidden"].ranges["count"].one(rng)), k - 2)
    return max(s, 2), max(k, 2), max(hidden, 0)


def _with_sizes(prior: Prior, hidden: int, *, matched: bool) -> Prior:
    """The prior with this many hidden capabilities, and sources of the capabilities' names or of others."""
    parts = dict(prior.parts)
    ranges = {
        **parts["hidden"].ranges,
        "count": PriorRange(max(hidden, 1), max(hidden, 1), whole=True),
    }
    parts["hidden"] = replace(parts["hidden"], share=float(hidden > 0), ranges=ranges)
    parts["unmatched"] = replace(parts["unmatched"], share=float(not matched))
    return replace(prior, parts=parts)


def _requirements(rng: np.random.Generator, runs: int, v: int) -> Array:
    """(N, V): a focus, the average, a random mixture, one or two capabilities."""
    rows = []
    for kind in rng.random(runs):
        first, second = (int(rng.integers(v)) for _ in range(2))
        row = np.zeros(v)
        if kind < 0.5 and v > 1:
            row[:] = (1.0 - FOCUS) / (v - 1)
            row[first] = FOCUS
        elif kind < 0.6:
            row[:] = 1.0 / v
        elif kind < 0.85:
            row = rng.dirichlet(np.full(v, 0.5)) + 1e-4
        else:
            row[first] += 0.5
            row[second] += 0.5
        rows.append(row / row.sum())
    return np.array(rows)


def _weights(
    rng: np.random.Generator, prior: Prior, stack: WorldStack, requirement: Array, k: int
) -> Array:
    """(N, K): the requirement; a tenth of the tasks want something else in part; hidden ones have their
    part."""
    runs, v = requirement.shape
    wanted = requirement.copy()
    other = rng.dirichlet(np.ones(v), runs)
    astray = rng.random(runs) < 0.1
    wanted[astray] = 0.6 * wanted[astray] + 0.4 * other[astray]
    out = np.zeros((runs, k))
    visible = stack.numbers["visible"].T.astype(np.int64)
    np.put_along_axis(out, visible, wanted, axis=1)
    if v < k:
        part = prior.parts["hidden"].ranges["weight"].draw(rng, runs)[:, None]
        unseen = np.ones((runs, k))
        np.put_along_axis(unseen, visible, 0.0, axis=1)
        out = (1.0 - part) * out + part * unseen / (k - v)
    return out


def _shares(requirement: Array, match: Array) -> Array:
    """`source_prior` of each run."""
    own = (match * requirement[:, None, :]).sum(-1)
    missing = 1.0 - own.sum(-1, keepdims=True)
    alone = match.sum(-1) == 0
    spread = np.where(alone.any(-1, keepdims=True), alone, 1.0)
    out = own + missing * spread / spread.sum(-1, keepdims=True)
    total: Array = out / out.sum(-1, keepdims=True)
    return total


def worlds_of(prior: Prior, problems: Problems) -> list[World]:
    """The worlds of a batch that was drawn from this prior."""
    return _worlds(prior, problems.sizes, problems.first, problems.runs)


def _worlds(prior: Prior, sizes: tuple[int, int, int], first: int, runs: int) -> list[World]:
    s, k, hidden = sizes
    fixed = _with_sizes(prior, hidden, matched=s == k)
    return [draw_world(fixed, first + n, sources=s, capabilities=k) for n in range(runs)]


def utility_of_runs(problems: Problems, profile: Tensor) -> Tensor:
    """Of profiles (K, R N), whose runs are repeated R times: (R N,)."""
    times = profile.shape[1] // problems.runs
    weights, exponent, cap = (
        torch.as_tensor(v, dtype=profile.dtype).T.tile(1, times)
        for v in (problems.weights, problems.exponent, problems.cap)
    )
    kept = torch.minimum(profile, cap).clip(1e-4, None)
    bent = (weights * kept**exponent).sum(0) ** (1.0 / exponent[0])
    linear = (weights * torch.minimum(profile, cap)).sum(0)
    return torch.where(exponent[0] == 1.0, linear, bent)


def _solved(problems: Problems) -> Problems:
    """With the best static allocation: the best of a screen, then a climb from there."""
    runs, s = problems.runs, problems.shares.shape[1]
    rng = np.random.default_rng(0)
    sparse = rng.standard_exponential((12, s)) ** 4
    screen = np.concatenate([np.eye(s)[: min(s, 12)], sparse / sparse.sum(1, keepdims=True)])
    rows = [problems.shares, np.full((runs, s), 1.0 / s), *(np.tile(x, (runs, 1)) for x in screen)]
    values = _static(problems, np.concatenate(rows), LABEL_STEPS).reshape(len(rows), runs)
    best = np.stack(rows)[values.argmax(0), np.arange(runs)]
    climbed = _climb(problems, 0.95 * best + 0.05 / s)
    choices = np.stack([best, climbed, problems.shares, np.full((runs, s), 1.0 / s)])
    final = _static(problems, choices.reshape(-1, s), problems.steps).reshape(4, runs)
    top = final[:3].argmax(0)
    scores = np.stack([final[3], final[2], final[:3].max(0)])
    return replace(problems, best=choices[top, np.arange(runs)], scores=scores)


def _static(problems: Problems, shares: Array, steps: int) -> Array:
    """Utilities (R N,) of static allocations (R N, S), noise-free."""
    times = len(shares) // problems.runs
    worlds = many(problems, np.tile(np.arange(problems.runs), times))
    with torch.no_grad():
        out = _ends(problems, worlds, torch.as_tensor(shares, dtype=torch.float32), steps)
    return out.numpy().astype(np.float64)


def many(problems: Problems, runs: Any = None) -> ManyWorlds:
    """The worlds in torch, of all runs or of those named."""
    stack = problems.stack if runs is None else problems.stack.take(runs)
    numbers = {
        name: value.astype(np.float32) if value.dtype.kind == "f" else value
        for name, value in stack.numbers.items()
    }
    return ManyWorlds(WorldStack(numbers, stack.terms), torch, LEAST)


def _ends(problems: Problems, worlds: ManyWorlds, shares: Tensor, steps: int) -> Tensor:
    times = worlds.runs // problems.runs
    budget = torch.as_tensor(np.tile(problems.budget, times), dtype=torch.float32)
    state = worlds.initial(worlds.numbers["rate"], budget)
    for _ in range(steps):
        state = worlds.advance(state, shares.T * (budget / steps))
    return utility_of_runs(problems, worlds.profile(state))


def _climb(problems: Problems, start: Array) -> Array:
    """By Adam on the logits."""
    worlds = many(problems)
    logits = torch.as_tensor(np.log(start), dtype=torch.float32).requires_grad_()
    climber = torch.optim.Adam([logits], lr=0.3)
    for _ in range(CLIMB):
        climber.zero_grad()
        gain = _ends(problems, worlds, torch.softmax(logits, -1), LABEL_STEPS)
        (-gain.sum()).backward()  # type: ignore[no-untyped-call]
        logits.grad.nan_to_num_(0.0)  # type: ignore[union-attr]
        climber.step()
    return torch.softmax(logits, -1).detach().numpy().astype(np.float64)
