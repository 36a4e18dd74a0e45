"""`readsim/Distill-v0`: one decision problem of budgeted capability distillation."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from readsim.arrays import Array
from readsim.backend import Backend, Final
from readsim.envs.episode import HISTORY, Setting, as_task
from readsim.envs.ledger import Ledger
from readsim.envs.requirement_modes import Telling
from readsim.envs.reward import RewardConfig, proxy_reward, spill_prices
from readsim.envs.simplex import as_allocation
from readsim.errors import AllocationError, CapabilityMissingError, ConfigError
from readsim.simulator import SimBackend
from readsim.streams import generator
from readsim.worlds.catalogue import load_world
from readsim.worlds.task import Task
from readsim.worlds.validation import check_budget
from readsim.worlds.world import World

DEFAULT_WORLD = "read8-llama"
DEFAULT_BUDGET = 20_000_000

Observation = dict[str, Array]


def make_setting(
    world: World, task: Task | str | Mapping[str, float] | None, budget: int, **rest: Any
) -> Setting:
    """The setting of a simulated episode; the default task is the world's first."""
    check_budget(world, budget)
    if task is None or isinstance(task, str):
        chosen = world.task(task if task is not None else world.task_names[0])
    else:
        chosen = as_task(task, world.capabilities, world.hidden)
    return Setting(world.sources, world.visible, chosen, budget, scores=world.is_score, **rest)


def _budget_of(backend: Backend, budget: int | None) -> int:
    """The budget asked for; a backend whose training schedule has one must have the same."""
    planned: int | None = getattr(backend, "budget", None)
    if budget is not None and planned is not None and budget != planned:
        raise ConfigError(f"budget = {budget!r}: the backend's schedule is for {planned} tokens")
    chosen = budget if budget is not None else planned
    return DEFAULT_BUDGET if chosen is None else chosen


class DistillEnv(gym.Env[Any, Any]):
    """Allocate a token budget over S sources, T times; see what probes show of K capabilities.

    Observation  `Dict(requirement (V,), profile (V,), budget_left (1,), history (H (S+V+2),))` (Eq. (8));
                 history is H rows [allocation, measured change, reward, 1], newest first, zeros before.
    Action       token shares (S,): negatives count as 0, then divided by the sum, all zeros is uniform;
                 `strict=True` refuses what is off the simplex. With `allow_stop` a last entry >= 0.5
                 ends the run.
    Reward       Eq. (9) on measured changes.
    Requirement  the task's, or with `requirement` what `readsim.envs.requirement_modes` makes of the utility.
    End          `terminated` when the budget is spent or the run is stopped. A limit on the number of
                 steps is Gymnasium's own: `make(..., max_episode_steps=N)` gives `truncated`.
    info         `allocation`, `tokens`, `spent`, `change`; at termination also `utility`,
                 `final_profile`, `final_change`, `final_change_sd` (K): the only place where hidden
                 capabilities show.

    Pass `world` (a World, a preset's name or a file) for a simulated run, or `backend` for any other
    `Backend`. Raises ConfigError and its kin at construction.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # Gymnasium's own declaration

    def __init__(
        self,
        world: World | str | None = None,
        task: Task | str | Mapping[str, float] | None = None,
        budget: int | None = None,
        *,
        backend: Backend | None = None,
        steps: int = 20,
        history: int = HISTORY,
        strict: bool = False,
        allow_stop: bool = False,
        reward: RewardConfig | None = None,
        requirement: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        rest: dict[str, Any] = {"steps": steps, "history": history, "strict": strict}
        rest |= {"allow_stop": allow_stop, "reward": reward or RewardConfig()}
        if render_mode is not None:
            raise ConfigError(f"render_mode = {render_mode!r}: there is nothing to render")
        self.backend: Backend
        if backend is None:
            loaded = load_world(world if world is not None else DEFAULT_WORLD)
            self.backend = SimBackend(loaded)
            self.setting = make_setting(
                loaded, task, DEFAULT_BUDGET if budget is None else budget, **rest
            )
        else:
            if world is not None:
                raise ConfigError("give either `world` or `backend`, not both")
            if task is None:
                raise ConfigError("a `backend` needs a `task`: {capability: weight} or a Task")
            self.backend = backend
            chosen = as_task(task, backend.capabilities, backend.hidden)
            visible = tuple(c for c in backend.capabilities if c not in backend.hidden)
            tokens = _budget_of(backend, budget)
            self.setting = Setting(backend.sources, visible, chosen, tokens, **rest)
        self.observation_space: spaces.Dict = self.setting.observation_space()
        self.action_space: spaces.Box = self.setting.action_space()
        self._telling = Telling.of(requirement, self.setting.task, self.backend)
        self._require(self.setting.task.requirement)
        self._runs = -1  # on the streams of the last seed, for what is drawn about the requirement
        self._cost = self.setting.reward.cost / self.setting.budget
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a run. With a seed, on new streams; without, the next run on the current ones."""
        if options:
            raise ConfigError(f"options = {options!r}: reset takes none")
        started = self._np_random is not None
        super().reset(seed=seed)
        if seed is None and not started:
            seed = int(self.np_random.integers(2**31))  # recorded by Gymnasium's np_random_seed
        self._profile = self.backend.reset(seed)
        self._runs = 0 if seed is not None else self._runs + 1
        if self._telling is not None:
            rng = generator(self.np_random_seed, "requirement", self._runs)
            self._require(self._telling.first(self._truth(), rng))
        self.ledger = Ledger(self.setting.budget)
        self._settle()
        self._step = 0
        self._history = np.zeros(self.setting.history * self.setting.width)
        self._over = False
        return self._observe(), {}

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Train one interval at this allocation and measure."""
        if self._over:
            raise ResetNeeded("the run is over (or never started): call reset() first")
        setting = self.setting
        shares = np.asarray(action, dtype=np.float64)
        if shares.shape != self.action_space.shape:
            raise AllocationError(
                f"allocation of shape {shares.shape}: expected {self.action_space.shape} for "
                f"sources {', '.join(setting.sources)}"
            )
        if setting.allow_stop:
            shares, stop = shares[:-1], bool(shares[-1] >= 0.5)
            if stop:
                return self._stop()
        weights = as_allocation(shares, strict=setting.strict, names=setting.sources)
        tokens = min(setting.schedule[self._step], self.ledger.remaining)
        outcome = self.backend.run_interval(self._step, weights, tokens)
        change = outcome.profile - self._profile
        reward = float(proxy_reward(change, self._requirement, self._prices, self._cost * tokens))
        if not isfinite(reward):  # also where the requirement is 0: 0 * NaN is NaN
            bad = [n for n, v in zip(setting.visible, outcome.profile, strict=True) if np.isnan(v)]
            raise CapabilityMissingError(
                f"probe of {', '.join(bad) or 'a capability'} is not finite"
            )
        self.ledger.charge(outcome.charges)
        self._profile = outcome.profile
        self._step += 1
        self._remember(weights, change, reward)
        info = {
            "allocation": weights,
            "tokens": tokens,
            "spent": self.ledger.spent,
            "change": change,
        }
        if self._telling is not None:
            self._require(self._telling.next(self._truth(), self._requirement))
        self._over = self.ledger.remaining == 0 or self._step == setting.steps
        if self._over:
            info |= self._final()
        return self._observe(), reward, self._over, False, info

    def _stop(self) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._over = True
        info = {
            "allocation": np.zeros(len(self.setting.sources)),
            "tokens": 0,
            "spent": self.ledger.spent,
            "change": np.zeros(len(self.setting.visible)),
        }
        return self._observe(), 0.0, True, False, info | self._final()

    def _final(self) -> dict[str, Any]:
        final: Final = self.backend.final_eval()
        self._settle()
        return {
            "utility": float(self.setting.task.utility(final.profile)),
            "final_profile": final.profile,
            "final_change": final.change,
            "final_change_sd": final.change_sd,
        }

    def _require(self, requirement: Array) -> None:
        self._requirement = requirement
        self._prices = spill_prices(requirement, self.setting.reward)

    def _truth(self) -> Array:
        """The true profile where the backend knows it, else the probed one."""
        backend = self.backend
        return backend.true_profile if isinstance(backend, SimBackend) else self._profile

    def _remember(self, weights: Array, change: Array, reward: float) -> None:
        if self.setting.history:
            w, s = self.setting.width, len(weights)
            history = np.empty_like(self._history)
            history[:s] = weights
            history[s : w - 2] = change
            history[w - 2] = reward
            history[w - 1] = 1.0
            history[w:] = self._history[:-w]
            self._history = history

    def _observe(self) -> Observation:
        observation = {
            "requirement": self._requirement.copy(),
            "profile": self._profile.copy(),
            "budget_left": np.array([self.ledger.remaining / self.setting.budget]),
        }
        if self.setting.history:
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
        profile = self.backend.dev_eval()
        self._settle()
        return profile

    def _settle(self) -> None:
        """Charge what measurements used."""
        if used := self.backend.drain():
            self.ledger.charge(used)

    def trial(self, weights: Array, tokens: int, *, charge: bool) -> Array:
        """The dev-split change (V,) that a short training from here would bring; then undone.

        Its tokens go to the ledger as `search`, or with `charge` as `student`, out of the budget;
        what the teacher and the probes used is charged as such.
        """
        before = self.backend.dev_eval()
        saved = self.backend.snapshot()
        shares = as_allocation(np.asarray(weights, dtype=np.float64), strict=True)
        used = dict(self.backend.run_interval(self._step, shares, tokens).charges)
        change = self.backend.dev_eval() - before
        self.backend.restore(saved)
        self.ledger.charge({"student" if charge else "search": used.pop("student", 0)} | used)
        self._settle()
        return change

    def snapshot(self) -> dict[str, Any]:
        """The whole state of the run as a tree of plain data and arrays."""
        return {"backend": self.backend.snapshot(), **self.account()}

    def restore(self, saved: dict[str, Any]) -> Observation:
        """Go back to a snapshot; the observation that belongs to it."""
        self.backend.restore(saved["backend"])
        return self.reinstate(saved)

    def account(self) -> dict[str, Any]:
        """The state of the run without the backend's: ledger, last profile, history, step."""
        return {
            "ledger": self.ledger.state(),
            "profile": self._profile.copy(),
            "history": self._history.copy(),
            "requirement": self._requirement.copy(),
            "step": self._step,
            "over": self._over,
        }

    def reinstate(self, saved: dict[str, Any]) -> Observation:
        """Go back to an `account()` when the backend is already there; the observation."""
        self.ledger = Ledger.from_state(saved["ledger"])
        self._profile = np.array(saved["profile"])
        self._history = np.array(saved["history"])
        self._require(np.array(saved["requirement"]))
        self._step = int(saved["step"])
        self._over = bool(saved["over"])
        return self._observe()
