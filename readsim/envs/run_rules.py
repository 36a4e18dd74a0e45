"""What N runs of the vector environment are about: task, budget and requirement, alike or one per run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs.episode import EpisodeConfig
from readsim.envs.requirement_modes import RequirementMode
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.streams import generator
from readsim.worlds.task import Task
from readsim.worlds.world import World

Ints = NDArray[np.int64]


class RunRules:
    """Schedules, rewards and utilities of N runs.

    While all runs have one task and one budget and are told the task's own requirement, every number
    is shared: requirement (V,), schedule (T,). Otherwise there is a row per run: (N, V), (N, T).
    """

    def __init__(self, episode: EpisodeConfig, world: World, runs: int, mode: str | None) -> None:
        self._everyone = np.arange(runs)
        self._episodes = [episode] * runs
        self._world, self._mode = world, mode
        self._told: Array | None = None  # (N, V), where it is not the task's own
        self._share()

    @property
    def episodes(self) -> Sequence[EpisodeConfig]:
        """The episode of each run."""
        return tuple(self._episodes)

    def change(
        self, runs: Ints, tasks: Sequence[Task] | None, budgets: Sequence[int] | None
    ) -> None:
        """Other tasks or budgets for the named runs. Raises ConfigError for a budget that is too small."""
        changed = list(self._episodes)
        for n, run in enumerate(runs):
            old = changed[run]
            task = old.task if tasks is None else tasks[n]
            budget = old.budget if budgets is None else budgets[n]
            changed[run] = replace(old, task=task, budget=budget)
        first = changed[0]
        if all(e.task is first.task and e.budget == first.budget for e in changed):
            changed = [first] * len(changed)
        told, self._episodes = self._told, changed
        self._share()
        if told is not None:  # what other runs were told stays; `tell` comes for these
            self._show(told)

    def move(self, world: World) -> None:
        """Another world with as many sources and capabilities."""
        self._world = world
        made: dict[int, EpisodeConfig] = {}
        for episode in self._episodes:
            moved = replace(episode, sources=world.sources, visible=world.visible)
            made.setdefault(id(episode), moved)
        self._episodes = [made[id(episode)] for episode in self._episodes]
        self._told = None
        self._share()

    def _share(self) -> None:
        """The numbers of the episodes as arrays."""
        first, n = self._episodes[0], len(self._episodes)
        self._varied = self._mode is not None or any(e is not first for e in self._episodes)
        if not self._varied:
            self._requirement, self._prices = first.task.requirement, first.prices
            self._schedule, self._budget = np.array(first.schedule), np.array(first.budget)
        else:
            self._requirement = np.array([e.task.requirement for e in self._episodes])
            self._prices = np.array([e.prices for e in self._episodes])
            self._schedule = np.array([e.schedule for e in self._episodes])
            self._budget = np.array([e.budget for e in self._episodes])
        self._cost = first.reward.cost / self._budget
        self._shown = np.broadcast_to(self._requirement, (n, len(first.visible)))
        self._modes: dict[int, RequirementMode] = {}

    def tell(self, runs: Ints, truth: Array, seeds: Sequence[int], counts: Ints) -> None:
        """The requirement that the named runs start with, under the mode: truth (N, K); seeds and the
        number of earlier runs on the same seed are of all N."""
        if self._mode is None:
            return
        new = self._requirement if self._told is None else self._told
        new = new.copy()
        for run in runs:
            rng = generator(seeds[run], "requirement", int(counts[run]))
            new[run] = self._mode_of(run).first(truth[run], rng)
        self._show(new)

    def tell_again(self, runs: Ints, truth: Array) -> None:
        """The requirement after a step of the named runs, under the mode."""
        if self._mode is None or self._told is None:
            return
        new = self._told.copy()
        for run in runs:
            new[run] = self._mode_of(run).next(truth[run], new[run])
        self._show(new)

    def about(self, runs: Ints) -> dict[str, Any]:
        """Names of world and task, and budget, of the named runs."""
        episodes = [self._episodes[run] for run in runs]
        return {
            "world": np.full(len(runs), self._world.name, dtype=object),
            "task": np.array([e.task.name for e in episodes], dtype=object),
            "budget": np.array([e.budget for e in episodes]),
        }

    def restart(self, seed: int) -> None:
        """Nothing is drawn here."""

    def begin(self, runs: Ints) -> None:
        """Their next episodes are those that `change` and `move` said."""

    def _mode_of(self, run: int) -> RequirementMode:
        task = self._episodes[run].task
        if id(task) not in self._modes:
            assert self._mode is not None
            shown = np.array([c not in self._world.hidden for c in self._world.capabilities])
            self._modes[id(task)] = RequirementMode(self._mode, task, shown)
        return self._modes[id(task)]

    def _show(self, requirement: Array) -> None:
        self._told = self._requirement = requirement
        reward = self._episodes[0].reward
        self._prices = np.array([spill_prices(r, reward) for r in requirement])
        self._shown = requirement.view()
        self._shown.flags.writeable = False

    @property
    def requirement(self) -> Array:
        """(N, V), read-only."""
        return self._shown

    @property
    def budget(self) -> Ints:
        """Tokens, () where all runs have as many, else (N,)."""
        return self._budget

    def tokens(self, count: Ints, runs: Ints) -> Ints:
        """Of the next step of the named runs, which have made `count` steps."""
        if not self._varied:
            return self._schedule[count]
        rows: Ints = self._schedule[runs, count]
        return rows

    def reward(self, change: Array, tokens: Ints, runs: Ints) -> Array:
        """Eq. (9) of the named runs, from change (n, V) and tokens (n,)."""
        if not self._varied:
            return proxy_reward(change, self._requirement, self._prices, self._cost * tokens)
        some = (self._requirement[runs], self._prices[runs], self._cost[runs] * tokens)
        return proxy_reward(change, *some)

    def left(self, spent: Ints) -> Array:
        """The share of each budget that is left (N,), after `spent` tokens (N,)."""
        share: Array = 1.0 - spent / self._budget
        return share

    def utility(self, profile: Array, runs: Ints) -> Array:
        """Of the named runs' final profiles (n, K)."""
        if not self._varied:
            return np.asarray(self._episodes[0].task.utility(profile))
        return np.array(
            [self._episodes[run].task.utility(p) for run, p in zip(runs, profile, strict=True)]
        )
