"""N runs of the vector environment that draw their world, task and budget at each reset."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs.env import DEFAULT_BUDGET
from readsim.envs.episode import EpisodeConfig
from readsim.envs.many_simulator import ManySimulator
from readsim.envs.reward import proxy_reward
from readsim.errors import ConfigError, shown
from readsim.streams import generator
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.task import AnyTask
from readsim.worlds.utility import utility
from readsim.worlds.validation import check_budget, doubt_budget

Ints = NDArray[np.int64]
Sampler = Callable[[np.random.Generator, int], tuple[Any, Any, Any]]


class DrawnRuns:
    """What `RunRules` is for one world: schedules, rewards and utilities, a row for each of N runs.

    `tasks` are tried in every world; None are each world's own, and no `budgets` the default one.
    `sampler(rng, n)` gives the places (n,) of worlds, tasks and budgets of n runs that begin, in their
    lists; by default all are equally likely.

    Raises ConfigError for an empty list and for what does not fit together, naming it.
    """

    def __init__(
        self,
        worlds: Sequence[AnyWorld],
        tasks: Sequence[AnyTask] | None,
        budgets: Sequence[AnyBudget] | None,
        sampler: Sampler | None,
    ) -> None:
        for name, given in (("worlds", worlds), ("tasks", tasks), ("budgets", budgets)):
            is_list = isinstance(given, Sequence) and not isinstance(given, str)
            if given is not None and not (is_list and len(given)):
                raise ConfigError(f"{name} = {shown(given)}: expected a list of at least one")
        self.worlds = [load_world(world) for world in worlds]
        self.budgets = [parse_tokens(b) for b in ([DEFAULT_BUDGET] if budgets is None else budgets)]
        for world in self.worlds:
            for budget in self.budgets:
                check_budget(world, budget)
                doubt_budget(world, budget)
        each = [world.task_names if tasks is None else tasks for world in self.worlds]
        self.tasks = [
            [world.task(task) for task in some]
            for world, some in zip(self.worlds, each, strict=True)
        ]
        if sampler is not None and not callable(sampler):
            raise ConfigError(f"sampler = {shown(sampler)}: expected a function of (rng, n)")
        self._sampler = sampler or self._evenly

    def begin_all(self, episode: EpisodeConfig, runs: int) -> ManySimulator:
        """Make the tables of `runs` runs under the rules of `episode`; the simulator that they move."""
        self._episode, self._n = episode, runs
        self._simulator = ManySimulator(self.worlds, runs)  # refuses worlds of other sizes
        every = [task for some in self.tasks for task in some]
        self._counts = np.array([len(some) for some in self.tasks])
        self._first = np.concatenate([[0], np.cumsum(self._counts)[:-1]])
        episodes = [replace(episode, task=task) for task in every]
        self._requirements = np.array([task.requirement for task in every])
        self._weights = np.array([task.weights for task in every])
        self._prices = np.array([e.prices for e in episodes])
        self._kinds = np.array([task.kind for task in every])
        self._linear = bool((self._kinds == "linear").all())
        self._names = np.array([task.name for task in every], dtype=object)
        self._world_names = np.array([world.name for world in self.worlds], dtype=object)
        self._schedules = np.array([replace(episode, budget=b).schedule for b in self.budgets])
        self._tokens = np.array(self.budgets)
        self._world, self._task, self._budget = (np.zeros(runs, dtype=np.int64) for _ in range(3))
        self._look_up()
        return self._simulator

    def restart(self, seed: int) -> None:
        """Draw from a new stream."""
        self._rng = generator(seed, "data")

    def begin(self, runs: Ints) -> None:
        """Draw world, task and budget of these runs."""
        said = self._sampler(self._rng, len(runs))
        if not (isinstance(said, tuple | list) and len(said) == 3):
            raise ConfigError(
                f"sampler: it gave {shown(said)}: expected places of worlds, tasks and budgets"
            )
        drawn = [np.asarray(places) for places in said]
        tops = (len(self.worlds), None, len(self.budgets))
        for name, places, top in zip(("worlds", "tasks", "budgets"), drawn, tops, strict=True):
            least = self._counts[drawn[0]] if top is None else top
            whole = places.shape == (len(runs),) and places.dtype.kind in "iu"
            if not whole or (places < 0).any() or (places >= least).any():
                raise ConfigError(
                    f"sampler: its {name} are {shown(places.tolist())}: expected {len(runs)} places in "
                    "the list, whole numbers from 0"
                )
        self._world[runs], self._budget[runs] = drawn[0], drawn[2]
        self._task[runs] = self._first[drawn[0]] + drawn[1]
        self._simulator.assign(runs, drawn[0])
        self._look_up()

    def _evenly(self, rng: np.random.Generator, runs: int) -> tuple[Ints, Ints, Ints]:
        worlds = rng.integers(len(self.worlds), size=runs)
        return (
            worlds,
            rng.integers(self._counts[worlds]),
            rng.integers(len(self.budgets), size=runs),
        )

    def _look_up(self) -> None:
        self.requirement = self._requirements[self._task]  # (N, V), read-only
        self.requirement.flags.writeable = False
        self._price = self._prices[self._task]
        self.budget = self._tokens[self._budget]  # (N,)
        self._cost = self._episode.reward.cost / self.budget

    # ------------------------------------------------- as `RunRules` has it

    def about(self, runs: Ints) -> dict[str, Any]:
        """Names of world and task, and budget, of the named runs."""
        return {
            "world": self._world_names[self._world[runs]],
            "task": self._names[self._task[runs]],
            "budget": self.budget[runs],
        }

    def tell(self, *_: object) -> None:
        """The requirement is the task's own."""

    tell_again = tell

    def tokens(self, count: Ints, runs: Ints) -> Ints:
        """Of the next step of the named runs, which have made `count` steps."""
        rows: Ints = self._schedules[self._budget[runs], count]
        return rows

    def reward(self, change: Array, tokens: Ints, runs: Ints) -> Array:
        """Eq. (9) of the named runs, from change (n, V) and tokens (n,)."""
        if len(runs) == self._n:
            return proxy_reward(change, self.requirement, self._price, self._cost * tokens)
        some = (self.requirement[runs], self._price[runs], self._cost[runs] * tokens)
        return proxy_reward(change, *some)

    def left(self, spent: Ints) -> Array:
        """The share of each budget that is left (N,), after `spent` tokens (N,)."""
        share: Array = 1.0 - spent / self.budget
        return share

    def utility(self, profile: Array, runs: Ints) -> Array:
        """Of the named runs' final profiles (n, K)."""
        tasks = self._task[runs]
        weights = self._weights[tasks]
        out: Array = (profile * weights).sum(axis=1)
        if not self._linear:
            for n in np.flatnonzero(self._kinds[tasks] != "linear"):
                out[n] = utility(str(self._kinds[tasks[n]]), weights[n], profile[n])
        return out
