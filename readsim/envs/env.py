"""`readsim/Distill-v0`: one decision problem of budgeted capability distillation."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.backend import (
    Backend,
    OffersTruth,
    OffersWorld,
    TakesBudget,
    TokenUsage,
    added,
    not_measured,
    scale_of,
    undone,
)
from readsim.envs.episode import (
    DEFAULT_BUDGET,
    HISTORY,
    EpisodeConfig,
    budget_of,
    check_same_spaces,
    kept_task,
    make_episode,
    same_world,
    warn_beyond_scale,
)
from readsim.envs.history import remembered
from readsim.envs.ledger import BUDGETED, Ledger
from readsim.envs.requirement_modes import RequirementMode
from readsim.envs.reward import RewardConfig, proxy_reward, read_reward, spill_prices
from readsim.envs.rollback import Kept, Rollback
from readsim.envs.simplex import as_allocation
from readsim.errors import AllocationError, ConfigError, RenderModeError, unknown
from readsim.simulator import SimBackend
from readsim.streams import generator
from readsim.token_counts import AnyBudget
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.task import AnyTask, Task, resolve_task

DEFAULT_WORLD = "read8-llama"
RESET_OPTIONS = ("task", "budget", "world")
# of a setting, the same for all runs
RULES = ("steps", "history", "strict", "allow_stop", "reward", "pays")

Observation = dict[str, Array]


class DistillEnv(gym.Env[Any, Any]):
    """Allocate a token budget over S sources, T times; see what probes show of K capabilities.

    Observation  `Dict(requirement (V,), profile (V,), budget_left (1,), history (H (S+V+2),))` (Eq. (8));
                 history is H rows [allocation, measured change, reward, 1], newest first, zeros before.
    Action       token shares (S,): negatives count as 0, then divided by the sum, all zeros is uniform;
                 `strict=True` refuses what is off the simplex. With `allow_stop` a last entry >= 0.5
                 ends the run.
    Reward       Eq. (9) on measured changes, with the weights of a `RewardConfig`; `reward="utility"` pays
                 the final utility at the last step and 0 before.
    Requirement  the task's, or with `requirement` what `readsim.envs.requirement_modes` makes of the utility.
    End          `terminated` when the budget is spent or the run is stopped. A limit on the number of
                 steps is Gymnasium's own: `make(..., max_episode_steps=N)` gives `truncated`.
    info         `allocation`, `tokens`, `spent`, `change`; at termination also `utility`,
                 `final_profile`, `final_change`, `final_change_sd` (K): the only place where hidden
                 capabilities show.

    Pass `world` (a World, a preset's name or a file; `read8-llama` if nothing is given) for a simulated
    run, or `backend` for any other `Backend`. `task` is a name, requirement weights
    `{capability: weight}`, their text `"math=0.7,code=0.3"`, or a `Task`; the first of the world if
    not given. `budget` is a number of tokens or text such as `"20M"`, which is the default. The info of
    `reset` says which world, task and budget the episode has.

    `reset(options={"task": ..., "budget": ..., "world": ...})` changes the episode; what is not named
    stays, and so does the change, until another reset names something else. Another world must have
    as many sources and visible capabilities.

    Raises ConfigError and its kin at construction.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # Gymnasium's own declaration

    def __init__(
        self,
        world: AnyWorld | None = None,
        task: AnyTask | None = None,
        budget: AnyBudget | None = None,
        *,
        backend: Backend | None = None,
        steps: int = 20,
        history: int = HISTORY,
        strict: bool = False,
        allow_stop: bool = False,
        reward: RewardConfig | str | None = None,
        requirement: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        rest: dict[str, Any] = {"steps": steps, "history": history, "strict": strict}
        weights, pays = read_reward(reward)
        rest |= {"allow_stop": allow_stop, "reward": weights, "pays": pays}
        if render_mode is not None:
            raise RenderModeError(f"render_mode = {render_mode!r}: there is nothing to render")
        self._simulated = backend is None
        self.backend: Backend
        if backend is None:
            loaded = load_world(world if world is not None else DEFAULT_WORLD)
            self.backend = SimBackend(loaded)
            self.episode = make_episode(
                loaded, task, DEFAULT_BUDGET if budget is None else budget, **rest
            )
        else:
            if world is not None:
                raise ConfigError("give either `world` or `backend`, not both")
            if task is None:
                raise ConfigError("a `backend` needs a `task`: {capability: weight} or a Task")
            self.backend = backend
            chosen = resolve_task(task, backend.capabilities, backend.hidden)
            visible = tuple(c for c in backend.capabilities if c not in backend.hidden)
            tokens = budget_of(backend, budget)
            self.episode = EpisodeConfig(
                backend.sources, visible, chosen, tokens, scale=scale_of(backend), **rest
            )
        self.observation_space: spaces.Dict = self.episode.observation_space()
        self.action_space: spaces.Box = self.episode.action_space()
        self._mode = requirement
        self._made, self._changed = self.episode, False
        self._drawn_from: np.random.Generator | None = None  # where the present streams are from
        self._rollback: Rollback | None = None
        self._runs = -1  # on the streams of the last seed, for what is drawn about the requirement
        self._begin(self.episode)
        self._over = True

    def _begin(self, episode: EpisodeConfig) -> None:
        """From now on the episodes are of this setting."""
        self.episode = episode
        self._requirement_mode = RequirementMode.of(self._mode, episode.task, self.backend)
        self._require(episode.task.requirement)
        self._cost = episode.reward.cost / episode.budget
        if isinstance(self.backend, TakesBudget):
            self.backend.plan_budget(episode.budget)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a run. With a seed, on new streams; without, the next run on the current ones.

        Before the first seed, and where `np_random` was set to another generator, new streams start from
        a seed that is drawn from `np_random`.

        `options` may hold `task`, `budget` and `world`: see the class. Another world starts new
        streams; without a seed theirs is drawn from `np_random`.
        """
        moved = self._change(options) if options else False
        if seed is None and self._np_random is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])  # kept in np_random_seed
        super().reset(seed=seed)
        if seed is None and (moved or self._drawn_from is not self._np_random):
            seed = int(self.np_random.integers(2**31))
        self._drawn_from = self._np_random
        self._profile, used = self.backend.reset(seed)
        if seed is not None:
            self._stream_seed = seed
        self._runs = 0 if seed is not None else self._runs + 1
        if self._requirement_mode is not None:
            rng = generator(self._stream_seed, "requirement", self._runs)
            self._require(self._requirement_mode.first(self._truth(), rng))
        self.ledger = Ledger(self.episode.budget)
        self.charge(used)
        self._step, self._rollback = 0, None
        self._history = np.zeros(self.episode.history * self.episode.width)
        self._over = False
        return self._observe(), self._about()

    def _about(self) -> dict[str, Any]:
        """What the episode is: names of world (of a simulated run) and task, budget."""
        about = {"task": self.episode.task.name, "budget": self.episode.budget}
        backend = self.backend
        return {"world": backend.world.name, **about} if isinstance(backend, OffersWorld) else about

    def _change(self, options: Mapping[str, Any]) -> bool:
        """Take over what the options name: whether there is another world now."""
        if strange := sorted(set(options) - set(RESET_OPTIONS)):
            raise unknown("reset option", strange[0], RESET_OPTIONS)
        old, backend = self.episode, self.backend
        task, budget = options.get("task", old.task), options.get("budget", old.budget)
        self._changed = True
        if not self._simulated:
            if "world" in options:
                raise ConfigError("reset option 'world': the environment was made with a `backend`")
            chosen = resolve_task(task, backend.capabilities, backend.hidden)
            self._begin(replace(old, task=chosen, budget=budget_of(backend, budget)))
            return False
        assert isinstance(backend, OffersWorld)
        world = load_world(options["world"]) if "world" in options else backend.world
        moved = not same_world(world, backend.world)
        rest = {name: getattr(old, name) for name in RULES}
        check_same_spaces(world, old)
        if "task" not in options:
            task = kept_task(old.task, backend.world, world)
        new = make_episode(world, task, budget, **rest)
        if moved:
            self.backend = SimBackend(world)
        self._begin(new)
        return moved

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Train one interval at this allocation and measure."""
        if self._over:
            raise ResetNeeded("the run is over (or never started): call reset() first")
        episode = self.episode
        shares = np.asarray(action, dtype=np.float64)
        if shares.shape != self.action_space.shape:
            raise AllocationError(
                f"allocation of shape {shares.shape}: expected {self.action_space.shape} for "
                f"sources {', '.join(episode.sources)}"
            )
        if episode.allow_stop:
            shares, stop = shares[:-1], bool(shares[-1] >= 0.5)
            if stop:
                return self._stop()
        weights = as_allocation(shares, strict=episode.strict, names=episode.sources)
        tokens = min(episode.schedule[self._step], self.ledger.remaining)
        profile, used = self.backend.run_interval(self._step, weights, tokens)
        tokens = int(used.get(BUDGETED, tokens))  # of a job that somebody else runs, what it did
        change = profile - self._profile
        reward = float(proxy_reward(change, self._requirement, self._prices, self._cost * tokens))
        if not isfinite(reward):  # also where the requirement is 0: 0 * NaN is NaN
            raise not_measured(episode.visible, profile)
        self.charge(used)
        self._profile = profile
        self._step += 1
        self._history = remembered(self._history, weights, change, reward)
        spent = self.ledger.spent
        info = {"allocation": weights, "tokens": tokens, "spent": spent, "change": change}
        if (rule := self._rollback) and (
            back := rule.after(self._step, profile, self._requirement)
        ):
            info |= {"rolled_back": back.step, "measured": profile}
            self._profile = back.profile
        if self._requirement_mode is not None:
            self._require(self._requirement_mode.next(self._truth(), self._requirement))
        self._over = self.ledger.remaining == 0 or self._step == episode.steps
        if self._over:
            info |= self._final()
        return self._observe(), self._paid(reward, info), self._over, False, info

    def allow_rollback(self, errors: float) -> None:
        """From now on the run goes back to its best student when `Rollback` says so. The info of such a step
        says after how many steps that was (`rolled_back`), and the profile before (`measured`)."""
        best = Kept(self._step, self._profile, self.backend.snapshot())
        self._rollback = Rollback(self.backend, self.episode.task.kind, errors, best)

    def _paid(self, reward: float, info: Mapping[str, Any]) -> float:
        """Eq. (9), or the final utility where it is known."""
        return reward if self.episode.pays == "proxy" else float(info.get("utility", 0.0))

    def _stop(self) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._over = True
        info = {
            "allocation": np.zeros(len(self.episode.sources)),
            "tokens": 0,
            "spent": self.ledger.spent,
            "change": np.zeros(len(self.episode.visible)),
        }
        info |= self._final()
        return self._observe(), self._paid(0.0, info), True, False, info

    def _final(self) -> dict[str, Any]:
        final = self.backend.final_eval()
        self.charge(final.token_usage)
        return {
            "utility": float(self.episode.task.utility(final.profile)),
            "final_profile": final.profile,
            "final_change": final.change,
            "final_change_sd": final.change_sd,
        }

    def _require(self, requirement: Array) -> None:
        self._requirement = requirement
        self._prices = spill_prices(requirement, self.episode.reward)

    def _truth(self) -> Array:
        """The true profile where the backend knows it, else the probed one."""
        backend = self.backend
        return backend.true_profile() if isinstance(backend, OffersTruth) else self._profile

    def _observe(self) -> Observation:
        if not self._simulated:
            warn_beyond_scale(self.backend, self._profile)
        observation = {
            "requirement": self._requirement.copy(),
            "profile": self._profile.copy(),
            "budget_left": np.array([self.ledger.remaining / self.episode.budget]),
        }
        if self.episode.history:
            observation["history"] = self._history.copy()
        return observation

    @property
    def profile(self) -> Array:
        """The last probed profile (V,)."""
        return self._profile.copy()

    @property
    def requirement(self) -> Array:
        """What the run is told now that its task requires (V,)."""
        return self._requirement.copy()

    def dev_profile(self) -> Array:
        """The profile measured on the dev split (V,), for coarse checkpoints."""
        profile, used = self.backend.dev_eval()
        self.charge(used)
        return profile

    def charge(self, used: TokenUsage) -> None:
        """Put what a training or a measurement of this run used into the ledger, as one entry."""
        if used:
            self.ledger.charge(used)

    def trial(self, weights: Array, tokens: int, *, charge: bool) -> Array:
        """The dev-split change (V,) that a short training from here would bring; then undone.

        Its tokens go to the ledger as `search`, or with `charge` as `student`, out of the budget;
        what the teacher and the probes used is charged as such.
        """
        before = self.backend.dev_eval()
        with undone(self.backend):
            shares = as_allocation(np.asarray(weights, dtype=np.float64), strict=True)
            used = dict(self.backend.run_interval(self._step, shares, tokens).token_usage)
            after = self.backend.dev_eval()
        self.charge({"student" if charge else "search": used.pop("student", 0)} | used)
        self.charge(added(before.token_usage, after.token_usage))
        return after.profile - before.profile

    def snapshot(self) -> dict[str, Any]:
        """The whole state of the run as a tree of plain data and arrays."""
        return {"backend": self.backend.snapshot(), **self.account()}

    def restore(self, saved: dict[str, Any]) -> Observation:
        """Go back to a snapshot; the observation that belongs to it."""
        self.backend.restore(saved["backend"])
        return self.reinstate(saved)

    def account(self) -> dict[str, Any]:
        """The state of the run without the backend's: ledger, last profile, history, step.

        Where `reset(options=...)` changed the episode, its task and budget too.
        """
        task = self.episode.task
        episode = {
            **{name: getattr(task, name) for name in ("name", "requirement", "weights", "kind")},
            "budget": self.episode.budget,
            "world": self._about().get("world", ""),
        }
        return {
            **({"episode": episode} if self._changed else {}),
            "ledger": self.ledger.state(),
            "profile": self._profile.copy(),
            "history": self._history.copy(),
            "requirement": self._requirement.copy(),
            "step": self._step,
            "over": self._over,
            **({} if self._rollback is None else {"rollback": self._rollback.state()}),
        }

    def reinstate(self, saved: dict[str, Any]) -> Observation:
        """Go back to an `account()` when the backend is already there; the observation.

        Raises ConfigError for one of another world or budget.
        """
        episode = self._made
        if "episode" in saved:
            said = dict(saved["episode"])
            budget, world = said.pop("budget"), said.pop("world")
            if world != self._about().get("world", ""):
                raise ConfigError(f"the state is of world {world!r}: reset to that world first")
            episode = replace(self._made, task=Task(**said), budget=budget)
        if saved["ledger"]["budget"] != episode.budget:
            raise ConfigError(
                f"the state is of a budget of {saved['ledger']['budget']} tokens, this environment's "
                f"is {episode.budget}"
            )
        if "episode" in saved or self._changed:
            self._begin(episode)
            self._changed = "episode" in saved
        self.ledger = Ledger.from_state(saved["ledger"])
        self._profile = np.array(saved["profile"])
        self._history = np.array(saved["history"])
        self._require(np.array(saved["requirement"]))
        self._step = int(saved["step"])
        self._rollback = None
        if (kept := saved.get("rollback")) is not None:
            self._rollback = Rollback.of_state(kept, self.backend, self.episode.task.kind)
        self._over = bool(saved["over"])
        return self._observe()
