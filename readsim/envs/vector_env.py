"""N runs of `readsim/Distill-v0` advanced by one set of array operations."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs import vector_arguments as arguments
from readsim.envs.drawn_runs import DrawnRuns, Sampler
from readsim.envs.env import DEFAULT_BUDGET, DEFAULT_WORLD, RESET_OPTIONS
from readsim.envs.episode import HISTORY, check_same_spaces, kept_task, make_episode, same_world
from readsim.envs.history import HistoryRing
from readsim.envs.many_simulator import ManySimulator
from readsim.envs.requirement_modes import parse_mode
from readsim.envs.reward import RewardConfig, read_reward, reward_paid
from readsim.envs.run_rules import RunRules
from readsim.envs.simplex import as_allocation
from readsim.envs.vector_info import split_ended, spread_info, with_masks
from readsim.errors import AllocationError, ConfigError, unknown
from readsim.simulator import Simulator
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.task import AnyTask
from readsim.worlds.validation import check_budget

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
BatchObservation = dict[str, Array]


class DistillVectorEnv(VectorEnv[BatchObservation, Array, NDArray[Any]]):
    """`gymnasium.make_vec("readsim/Distill-v0", num_envs=N, ...)`: see `DistillEnv` for the contract.

    Run n with `reset(seed=s)` is the single env with seed s + n: same numbers to 1e-9, in each of
    Gymnasium's autoreset modes. Takes `DistillEnv`'s arguments (`backend` is refused), and the options
    of its `reset`: `task` and `budget` are one for all runs or a list of one per run, `world` is one for
    all. It takes

    worlds              instead of `world`: each run draws one of them, with a task and a budget, at each
                        reset, whose info names them; all have as many sources and capabilities. Run n is
                        then the single env in that world with seed s + n
    tasks, budgets      lists that are drawn from with `worlds`: each world's own tasks, and 20M, if not given
    sampler             how: see `DrawnRuns`; all alike if not given
    max_episode_steps   outer limit: `truncated` after that many steps of an episode
    autoreset_mode      Gymnasium's; NEXT_STEP by default

    The arrays handed out are never written to again. `history` and `requirement` are read-only views:
    copy them before changing them.
    """

    def __init__(
        self,
        num_envs: int = 1,
        world: AnyWorld | None = None,
        task: AnyTask | None = None,
        budget: AnyBudget | None = None,
        *,
        backend: object = None,
        steps: int = 20,
        history: int = HISTORY,
        strict: bool = False,
        allow_stop: bool = False,
        reward: RewardConfig | str | None = None,
        requirement: str | None = None,
        worlds: Sequence[AnyWorld] | None = None,
        tasks: Sequence[AnyTask] | None = None,
        budgets: Sequence[AnyBudget] | None = None,
        sampler: Sampler | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        arguments.check_vector_arguments(num_envs, backend, max_episode_steps, render_mode)
        self._rules: RunRules | DrawnRuns
        self._sim: Simulator | ManySimulator
        if worlds is not None:
            arguments.refuse_with_worlds(
                world=world, task=task, budget=budget, requirement=requirement
            )
            drawn = DrawnRuns(worlds, tasks, budgets, sampler)
            world, task, budget = drawn.worlds[0], drawn.tasks[0][0], drawn.budgets[0]
        else:
            arguments.need_worlds(tasks=tasks, budgets=budgets, sampler=sampler)
        loaded = load_world(world if world is not None else DEFAULT_WORLD)
        weights, pays = read_reward(reward)
        self.episode = make_episode(
            loaded,
            task,
            DEFAULT_BUDGET if budget is None else budget,
            steps=steps,
            history=history,
            strict=strict,
            allow_stop=allow_stop,
            reward=weights,
            pays=pays,
        )
        self.num_envs = num_envs
        self.single_observation_space = self.episode.observation_space()
        self.single_action_space = self.episode.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.mode}
        self._limit = max_episode_steps or steps + 1
        if requirement is not None:
            parse_mode(requirement)
        if worlds is not None:
            self._sim, self._rules = drawn.begin_all(self.episode, num_envs), drawn
        else:
            self._sim = Simulator(loaded)
            self._rules = RunRules(self.episode, loaded, num_envs, requirement)
        self._everyone = np.arange(num_envs)
        self._all = np.ones(num_envs, dtype=np.bool_)
        self._drawn_from: np.random.Generator | None = None  # where the present streams are from
        self._seeded = False
        self._draws: list[np.random.Generator] = []
        self._runs: Ints

    # ---------------------------------------------------------------- reset

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[BatchObservation, dict[str, Any]]:
        """Start runs: all of them, or those of `options["reset_mask"]` (autoreset mode DISABLED).

        Without a seed before the first one, and where `np_random` was set to another generator, new
        streams start from seeds that `np_random` gives.

        `options` may also hold `task`, `budget` and `world`: see the class.
        """
        rest = dict(options or {})
        mask = rest.pop("reset_mask", None)
        if strange := sorted(set(rest) - set(RESET_OPTIONS)):
            raise unknown("reset option", strange[0], ("reset_mask", *RESET_OPTIONS))
        if mask is not None:
            return self._reset_masked(np.asarray(mask), seed, rest)
        moved = self._change(rest, self._everyone, masked=False) if rest else False
        if seed is not None or not self._seeded or self._drawn_from is not self._np_random:
            self._roots = self._seeds(seed)
            self._draws = []
            self._stream(self._roots)
            self._drawn_from = self._np_random
            self._seeded = True
        elif moved:
            self._stream(self._drawn())
        else:
            self._runs = self._runs + 1
        self._rules.begin(self._everyone)
        self._done = np.zeros(self.num_envs, dtype=np.bool_)
        self._count = np.zeros(self.num_envs, dtype=np.int64)
        self._spent = np.zeros(self.num_envs, dtype=np.int64)
        self._sim.plan_budget(self._rules.budget)
        self._profile = self._sim.reset()
        self._rules.tell(self._everyone, self._sim.profile, self._stream_seeds, self._runs)
        self._ring = HistoryRing(self.num_envs, self.episode.history, self.episode.width)
        return self._observe(), self._about(self._everyone)

    def _stream(self, seeds: list[int]) -> None:
        """New streams for all runs."""
        self._sim.seed(seeds)
        self._rules.restart(seeds[0])
        self._stream_seeds = seeds
        self._runs = np.zeros(self.num_envs, dtype=np.int64)

    def _drawn(self) -> list[int]:
        """A seed for each run from its own generator, as the single environment draws one."""
        if not self._draws:
            self._draws = [seeding.np_random(seed)[0] for seed in self._roots]
        return [int(rng.integers(2**31)) for rng in self._draws]

    def _about(self, runs: Ints) -> dict[str, Any]:
        """What the episodes of the named runs are: names of world and task, budget."""
        return spread_info(self._rules.about(runs), runs, self.num_envs)

    def _change(self, options: dict[str, Any], runs: Ints, *, masked: bool) -> bool:
        """Take over what the options name for these runs: whether there is another world now."""
        if isinstance(self._rules, DrawnRuns) or isinstance(self._sim, ManySimulator):
            raise ConfigError(f"reset options {', '.join(options)}: with `worlds` they are drawn")
        old = self._sim.world
        world = load_world(options["world"]) if "world" in options else old
        if same_world(world, old):
            world = old
        if world is not old and masked:
            raise ConfigError("reset option 'world': it is one for all runs, so give no reset_mask")
        check_same_spaces(world, self.episode)
        tasks = arguments.each_of(options, "task", runs, self.num_envs, world.task)
        if world is not old and tasks is None:
            tasks = [kept_task(e.task, old, world) for e in self._rules.episodes]
        budgets = arguments.each_of(options, "budget", runs, self.num_envs, parse_tokens)
        for budget in dict.fromkeys(budgets or [e.budget for e in self._rules.episodes]):
            check_budget(world, budget)
        self._rules.change(runs, tasks, budgets)
        if world is not old:
            self.episode = replace(self.episode, sources=world.sources, visible=world.visible)
            self._sim = Simulator(world)
            self._rules.move(world)
        return world is not old

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int]:
        if seed is None:
            if self._np_random is None:
                seed = int(np.random.SeedSequence().generate_state(1)[0])  # kept in np_random_seed
            else:
                root = int(self._np_random.integers(2**31))
                return [root + n for n in range(self.num_envs)]
        if isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
            return [int(seed) + n for n in range(self.num_envs)]
        if len(seed) != self.num_envs or any(s is None for s in seed):
            raise ConfigError(f"seed = {seed!r}: expected a number, or {self.num_envs} numbers")
        roots = [int(s) for s in seed if s is not None]
        self.np_random = np.random.default_rng(roots)  # whose one seed nobody knows: -1
        return roots

    def _reset_masked(
        self, mask: Bools, seed: object, options: dict[str, Any]
    ) -> tuple[BatchObservation, dict[str, Any]]:
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ConfigError(f"reset_mask = {mask!r}: {self.num_envs} booleans, one of them true")
        if seed is not None or not self._seeded:
            raise ConfigError("reset_mask continues the streams of an earlier reset: give no seed")
        runs = np.flatnonzero(mask)
        if options:
            self._change(options, runs, masked=True)
        self._restart(runs)
        return self._observe(), self._about(runs)

    def _restart(self, runs: Ints) -> None:
        self._done[runs] = False
        self._count[runs] = 0
        self._spent[runs] = 0
        self._runs[runs] += 1
        self._rules.begin(runs)
        self._sim.plan_budget(self._rules.budget)
        profile = self._sim.reset(runs)
        self._rules.tell(runs, self._sim.profile, self._stream_seeds, self._runs)
        if len(runs) == self.num_envs:
            self._profile = profile
        else:
            self._profile = self._profile.copy()
            self._profile[runs] = profile
        self._ring.clear(runs)

    # ----------------------------------------------------------------- step

    def step(self, actions: Array) -> tuple[BatchObservation, Array, Bools, Bools, dict[str, Any]]:
        """One decision of every run; a run that ended is reset as the autoreset mode says."""
        if not self._seeded:
            raise ResetNeeded("call reset() first")
        shares = np.asarray(actions, dtype=np.float64)
        if shares.shape != self.action_space.shape:
            raise AllocationError(
                f"actions of shape {shares.shape}: expected {self.action_space.shape}"
            )
        if not self._done.any():
            return self._step_all(shares)
        if self.mode is not AutoresetMode.NEXT_STEP:
            raise ResetNeeded(f"runs {np.flatnonzero(self._done).tolist()} are over: reset them")
        return self._step_after_end(shares)

    def _step_all(
        self, shares: Array
    ) -> tuple[BatchObservation, Array, Bools, Bools, dict[str, Any]]:
        reward, terminated, info = self._train(shares, self._everyone)
        truncated = self._count >= self._limit
        self._done = terminated | truncated
        ended = bool(self._done.any())
        if ended:
            self._add_final(info, terminated)
        reward = reward_paid(self.episode.pays, reward, info)
        if ended and self.mode is AutoresetMode.SAME_STEP:
            info = split_ended(info, self._done, self._observe())
            runs = np.flatnonzero(self._done)
            self._restart(runs)
            info = {**info, **self._about(runs)}
        return self._observe(), reward, terminated, truncated, info

    def _step_after_end(
        self, shares: Array
    ) -> tuple[BatchObservation, Array, Bools, Bools, dict[str, Any]]:
        """NEXT_STEP: runs that ended are reset and ignore their action; the others go on."""
        going, over = np.flatnonzero(~self._done), np.flatnonzero(self._done)
        self._restart(over)
        reward = np.zeros(self.num_envs)
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        if not len(going):
            return self._observe(), reward, terminated, terminated.copy(), self._about(over)
        some_reward, some_terminated, info = self._train(shares[going], going)
        reward[going] = some_reward
        terminated[going] = some_terminated
        truncated = self._count >= self._limit
        self._done = terminated | truncated
        self._add_final(info, terminated)
        reward = reward_paid(self.episode.pays, reward, info)
        info = {**info, **self._about(over)}
        return self._observe(), reward, terminated, truncated, info

    def _train(self, shares: Array, runs: Ints) -> tuple[Array, Bools, dict[str, Any]]:
        """Charge, train, measure and reward the named runs: what `DistillEnv.step` does for one."""
        episode = self.episode
        everyone = runs is self._everyone
        stop = None
        if episode.allow_stop:
            stop = shares[:, -1] >= 0.5
            shares = np.where(stop[:, None], 1.0, shares)[:, :-1]
        weights = as_allocation(shares, strict=episode.strict, names=episode.sources)
        count = self._count if everyone else self._count[runs]
        tokens = self._rules.tokens(count, runs)
        if stop is not None and stop.any():
            return self._train_unless_stopped(weights, tokens, stop, runs)
        before = self._profile if everyone else self._profile[runs]
        profile = self._sim.advance(weights * tokens[:, None], None if everyone else runs)
        change = profile - before
        reward = self._rules.reward(change, tokens, runs)
        self._rules.tell_again(runs, self._sim.profile)
        if everyone:
            self._profile = profile
            self._count = count + 1
            self._spent = self._spent + tokens
            self._ring.push(weights, change, reward)
            info = {"allocation": weights, "tokens": tokens, "spent": self._spent, "change": change}
            return reward, self._count == episode.steps, with_masks(info, self._all)
        self._profile = self._profile.copy()
        self._profile[runs] = profile
        self._count[runs] += 1
        self._spent = self._spent.copy()
        self._spent[runs] += tokens
        self._ring.push_some(runs, weights, change, reward)
        moved = {
            "allocation": weights,
            "tokens": tokens,
            "spent": self._spent[runs],
            "change": change,
        }
        info = spread_info(moved, runs, self.num_envs)
        return reward, self._count[runs] == episode.steps, info

    def _train_unless_stopped(
        self, weights: Array, tokens: Ints, stop: Bools, runs: Ints
    ) -> tuple[Array, Bools, dict[str, Any]]:
        """Stopped runs get no training, no noise, no reward; they terminate."""
        s, v = len(self.episode.sources), len(self.episode.visible)
        n = len(runs)
        reward, terminated = np.zeros(n), stop.copy()
        self._count[runs[stop]] += 1  # Gymnasium's limit counts the stopping step too
        info = spread_info(
            {
                "allocation": np.zeros((n, s)),
                "tokens": np.zeros(n, dtype=np.int64),
                "spent": self._spent[runs],
                "change": np.zeros((n, v)),
            },
            runs,
            self.num_envs,
        )
        on = np.flatnonzero(~stop)
        if len(on):
            actions = np.concatenate([weights[on], np.zeros((len(on), 1))], axis=1)
            reward[on], terminated[on], moved = self._train(actions, runs[on])
            for key, value in moved.items():
                if not key.startswith("_"):
                    info[key][runs[on]] = value[runs[on]]
        return reward, terminated, info

    def _add_final(self, info: dict[str, Any], terminated: Bools) -> None:
        runs = np.flatnonzero(terminated)
        if not len(runs):
            return
        final = self._sim.final(runs)
        info |= spread_info(
            {
                "utility": self._rules.utility(final.profile, runs),
                "final_profile": final.profile,
                "final_change": final.change,
                "final_change_sd": final.change_sd,
            },
            runs,
            self.num_envs,
        )

    def _observe(self) -> BatchObservation:
        left = self._rules.left(self._spent)
        observation = {
            "requirement": self._rules.requirement,
            "profile": self._profile.copy(),
            "budget_left": left[:, None],
        }
        if self.episode.history:
            observation["history"] = self._ring.view()
        return observation
