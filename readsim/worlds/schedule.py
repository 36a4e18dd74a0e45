"""The best schedule of a known world: one allocation for each phase of a run.

Without noise nothing is learnt on the way, so that no policy ends higher than the best sequence of
allocations, which is what a schedule with as many phases as decisions is. In worlds of cumulative tokens it
is the best static allocation (static dominance; under a learning rate too, which gives every allocation the
same sum of tokens times rate to share out); elsewhere the search below finds a local optimum, never below
the best static one.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds.optimum import DIFFERENCE, optimum
from readsim.worlds.potential import State
from readsim.worlds.search import apart, climb, polish
from readsim.worlds.task import Task
from readsim.worlds.world import STEPS, World

PHASES = 10  # 20 gained under 0.002 in every preset, at 20M and 150M tokens
COARSE = 4  # phases of the search for a start
STARTS = 4  # climbs there
TOP = 10  # allocations of which all changes of course are screened
ROUNDS = 25  # of the polish


@dataclass(frozen=True, eq=False)
class Schedule:
    """Phase p plays `allocations[p]` (of (P, S), rows sum to 1) for `decisions[p]` decisions.

    `utility` is what the run ends at without noise, `static` what the best static allocation does.
    """

    allocations: Array
    decisions: tuple[int, ...]
    utility: float
    static: float

    @property
    def by_decision(self) -> Array:
        """The allocation of each decision, (T, S)."""
        return np.repeat(self.allocations, self.decisions, axis=0)


def best_schedule(
    world: World, task: Task, budget: float, steps: int = STEPS, phases: int = PHASES
) -> Schedule:
    """The schedule with the highest noise-free utility of `task` after `budget` tokens.

    `steps` decisions of equal tokens fall into `phases` of equal length, or as nearly so as can be,
    the longer ones first. Changes of course between good allocations are screened, the best few
    climbed from with COARSE phases, and the best of these again with all. About 0.3 s for 4 phases
    of 8 sources and 1 s for 10; the time grows with (phases x S)^3 once that passes 200.

    Raises ConfigError for phases that are not a whole number from 1 to `steps`, or a bad budget.
    """
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (steps, phases))
    if not whole or not 1 <= phases <= steps:
        raise ConfigError(f"phases = {phases!r} of {steps!r} steps: a whole number from 1 to steps")
    best = optimum(world, task, budget, steps=steps)
    constant = np.tile(best.allocation, (steps, 1))
    plan = Phased(world, budget, steps, phases)
    s = len(best.allocation)
    if world.cumulative or min(phases, s) == 1:
        same = plan.of_decisions(constant).reshape(phases, s)
        return Schedule(same, plan.decisions, best.utility, best.utility)
    found = [constant]
    for level in sorted({min(COARSE, phases), phases}):
        stage = Phased(world, budget, steps, level)
        # a recursion that has to be stepped through: a coarse one is good enough to start
        rough = Phased(world.replace(substeps=1), budget, steps, level)
        found.append(stage.by_decision(_search(stage, rough, task, found)))
    ends = np.array([plan.of_decisions(f) for f in found])
    values = task.utility(plan.profiles(ends))
    top = int(np.argmax(values))
    return Schedule(
        ends[top].reshape(phases, s), plan.decisions, float(values[top]), float(values[0])
    )


def _search(stage: "Phased", rough: "Phased", task: Task, found: list[Array]) -> Array:
    """A local optimum (P S,) from the best of what was `found` (T, S) and of changes of course."""
    phases = len(stage.decisions)

    def value(points: Array) -> Array:
        return task.utility(stage.profiles(points))

    starts = np.concatenate([[stage.of_decisions(f) for f in found], _changes(rough, task, found)])
    values = task.utility(rough.profiles(starts))
    spread = max(float(values.max() - values.min()), 1e-12)
    starts = starts[np.argsort(-values, kind="stable")]
    few = apart(starts, STARTS if phases <= COARSE else 1)
    climbed = [climb(rough, task, start, len(start), spread, phases) for start in few]
    points = np.array([*climbed, *starts[:1], stage.of_decisions(found[-1])])
    top = points[int(np.argmax(value(points)))]
    points = np.array([climb(stage, task, top, len(top), spread, phases), top])
    return polish(value, points[int(np.argmax(value(points)))], phases, ROUNDS)


def _changes(stage: "Phased", task: Task, found: list[Array]) -> Array:
    """One allocation, then another: single sources, uniform and the best static one, (n, P S)."""
    steps, s = found[0].shape
    rows = np.concatenate([np.eye(s), np.full((1, s), 1.0 / s), found[0][:1]])
    half = np.arange(steps)[:, None] < steps // 2

    def good(halves: Array) -> Array:
        """The TOP rows with these (n, T, S) plans."""
        values = task.utility(stage.profiles(np.array([stage.of_decisions(h) for h in halves])))
        chosen: Array = rows[np.argsort(-values, kind="stable")[:TOP]]
        return chosen

    first = good(np.where(half, rows[:, None], found[0]))
    last = good(np.where(half, found[0], rows[:, None]))
    phases = len(stage.decisions)
    plans = [
        np.concatenate([np.tile(a, k), np.tile(b, phases - k)])
        for a, b, k in product(first, last, range(1, phases))
    ]
    return np.array(plans)


class Phased:
    """`Problem` of the shares of all phases, (P S,) in the order of time, with central differences."""

    def __init__(self, world: World, budget: float, steps: int, phases: int) -> None:
        self.world, self.model = world, world.model
        self.rate, self.budget, self.tokens = world.rate(), budget, budget / steps
        long, more = divmod(steps, phases)
        self.decisions = tuple(long + (p < more) for p in range(phases))

    def by_decision(self, shares: Array) -> Array:
        """The allocations (T, S) of shares (P S,)."""
        phases = len(self.decisions)
        return np.repeat(shares.reshape(phases, -1), self.decisions, axis=0)

    def of_decisions(self, allocations: Array) -> Array:
        """The mean allocation of each phase: (T, S) -> (P S,)."""
        first = np.cumsum((0, *self.decisions[:-1]))
        sums = np.add.reduceat(allocations, first, axis=0)
        out: Array = sums / np.array(self.decisions)[:, None]
        return out.ravel()

    def _start(self, runs: int) -> State:
        return self.world.initial(np.broadcast_to(self.rate, (runs, len(self.rate))), self.budget)

    def _train(self, state: State, shares: Array, phase: int) -> State:
        tokens = shares * self.tokens
        for _ in range(self.decisions[phase]):
            state = self.model.advance(state, tokens)
        return state

    def profiles(self, shares: Array) -> Array:
        plans = shares.reshape(len(shares), len(self.decisions), -1)
        state = self._start(len(plans))
        for phase in range(len(self.decisions)):
            state = self._train(state, plans[:, phase], phase)
        return self.model.profile(state)

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        """Runs with another allocation in a phase leave the first run there: half of the work."""
        plan = shares.reshape(len(self.decisions), -1)
        s = plan.shape[1]
        moves = DIFFERENCE * np.eye(s)
        state = self._start(1)
        for phase, row in enumerate(plan):
            # at the edge of the simplex the backward move is cut to 0: divide by the real distance
            moved = np.concatenate([row + moves, np.maximum(row - moves, 0.0)])
            before = np.broadcast_to(row, (len(state[0]), s))
            state = tuple(np.concatenate([part, np.repeat(part[:1], 2 * s, 0)]) for part in state)
            state = self._train(state, np.concatenate([before, moved]), phase)
        profiles = self.model.profile(state)
        both = profiles[1:].reshape(len(plan), 2, s, -1)
        width = DIFFERENCE + np.minimum(plan, DIFFERENCE)
        slopes = (both[:, 0] - both[:, 1]) / width[..., None]
        return profiles[0], slopes.reshape(plan.size, -1)
