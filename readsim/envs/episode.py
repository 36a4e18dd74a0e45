"""What one episode is about: task, budget, steps, reward. Shared by the single and the vector env."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces

from readsim.arrays import Array
from readsim.backend import Backend, scale_of
from readsim.envs.reward import RewardConfig, spill_prices
from readsim.errors import ConfigError, ReadsimError, shown
from readsim.runs.profile_scale import SCORES, ProfileScale
from readsim.token_counts import MOST, AnyBudget, parse_tokens
from readsim.worlds.files import world_to_dict
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.validation import check_budget, doubt_budget
from readsim.worlds.world import World

HISTORY = 3
MOST_HISTORY = 1000
MOST_STEPS = 100_000


@dataclass(frozen=True, eq=False)
class EpisodeConfig:
    """Names, task and rules of an episode.

    budget        student-trained tokens B
    steps         decision steps T; step t trains floor((t+1) B / T) - floor(t B / T) tokens
    history       past steps shown in the observation (Eq. (8)); 0 gives Eq. (16)
    strict        refuse actions off the simplex instead of normalising them
    allow_stop    one more action entry: >= 0.5 ends the run with the rest unspent
    scale         what the numbers of a profile are, as the backend says
    pays          what a step pays: see `read_reward`; the history shows Eq. (9) in either case

    Raises ConfigError naming the field.
    """

    sources: tuple[str, ...]
    visible: tuple[str, ...]
    task: Task
    budget: int
    steps: int = 20
    history: int = HISTORY
    strict: bool = False
    allow_stop: bool = False
    scale: ProfileScale = SCORES
    reward: RewardConfig = field(default_factory=RewardConfig)
    pays: str = "proxy"

    def __post_init__(self) -> None:
        for name, least, most in (
            ("budget", 1, MOST),
            ("steps", 1, MOST_STEPS),
            ("history", 0, MOST_HISTORY),
        ):
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or not least <= value <= most:
                raise ConfigError(
                    f"{name} = {shown(value)}: expected a whole number >= {least}, at most {most}"
                )
        if self.steps > self.budget:
            raise ConfigError(f"steps = {self.steps}: more than the budget of {self.budget} tokens")
        if len(self.task.requirement) != len(self.visible):
            raise ConfigError(
                f"task {self.task.name!r} has {len(self.task.requirement)} requirements "
                f"for {len(self.visible)} visible capabilities"
            )

    @cached_property
    def prices(self) -> Array:
        """Spillover prices (V,) of Eq. (9)."""
        return spill_prices(self.task.requirement, self.reward)

    @cached_property
    def schedule(self) -> list[int]:
        """Tokens of each step; they sum to the budget."""
        edges = [(t * int(self.budget)) // self.steps for t in range(self.steps + 1)]
        return [b - a for a, b in pairwise(edges)]

    @cached_property
    def width(self) -> int:
        """Length of a history row: allocation (S), measured change (V), reward, mask."""
        return len(self.sources) + len(self.visible) + 2

    def observation_space(self) -> spaces.Dict:
        """`Dict(requirement, profile, budget_left[, history])`, float64."""
        v = len(self.visible)

        def box(low: float, high: float, shape: tuple[int, ...]) -> spaces.Box:
            return spaces.Box(low, high, shape, dtype=np.float64)

        entries: dict[str, spaces.Space[object]] = {
            "requirement": box(0.0, 1.0, (v,)),
            "profile": box(self.scale.low, self.scale.high, (v,)),
            "budget_left": box(0.0, 1.0, (1,)),
        }
        if self.history:
            low_row, high_row = self._history_bounds()
            low_rows, high_rows = (np.tile(row, self.history) for row in (low_row, high_row))
            entries["history"] = spaces.Box(low_rows, high_rows, dtype=np.float64)
        return spaces.Dict(entries)

    def _history_bounds(self) -> tuple[Array, Array]:
        """Least and largest values of a history row, (W,) each, whatever the task requires."""
        s, v = len(self.sources), len(self.visible)
        best = self.scale.high - self.scale.low
        change = np.full(v, best)
        heaviest = (
            1.0 if self.reward.spill_weights == "requirement" else min(self.reward.essential, v)
        )
        worst = best * (1.0 + self.reward.spill * heaviest) + self.reward.cost
        low = np.concatenate([np.zeros(s), -change, [-worst, 0.0]])
        return low, np.concatenate([np.ones(s), change, [best, 1.0]])

    def action_space(self) -> spaces.Box:
        """Token shares in [0, 1]^S, read by `as_allocation`; with `allow_stop` one entry more.

        Declared float32, as learning libraries expect; float64 arrays are taken as they are.
        """
        size = len(self.sources) + int(self.allow_stop)
        return spaces.Box(0.0, 1.0, (size,), dtype=np.float32)


def source_prior(
    requirement: Array, capabilities: tuple[str, ...], sources: tuple[str, ...]
) -> Array:
    """The requirement (V,) read as shares of the sources (S,); see `Setup.prior`."""
    prior = np.zeros(len(sources))
    for name, weight in zip(capabilities, requirement, strict=True):
        if name in sources:
            prior[sources.index(name)] = weight
    alone = np.array([name not in capabilities for name in sources])
    missing = float(requirement.sum() - prior.sum())
    if missing > 0:
        spread = alone if alone.any() else np.ones(len(sources), dtype=np.bool_)
        prior = prior + spread * (missing / spread.sum())
    total: Array = prior / prior.sum()
    return total


def make_episode(
    world: World, task: AnyTask | None, budget: AnyBudget, **rest: Any
) -> EpisodeConfig:
    """The setting of a simulated episode; the default task is the world's first. Warns as `doubt_budget`."""
    tokens = parse_tokens(budget)
    check_budget(world, tokens)
    doubt_budget(world, tokens)
    chosen = world.task(task if task is not None else world.task_names[0])
    return EpisodeConfig(world.sources, world.visible, chosen, tokens, scale=world.scale, **rest)


def check_same_spaces(world: World, episode: EpisodeConfig) -> None:
    """Raise ConfigError for a world whose episodes would have other spaces than `setting` has."""
    pairs = {
        "sources": (world.sources, episode.sources),
        "visible capabilities": (world.visible, episode.visible),
    }
    for what, (new, old) in pairs.items():
        if len(new) != len(old):
            raise ConfigError(
                f"reset option 'world': {world.name!r} has {len(new)} {what}, the environment has {len(old)}"
            )
    if world.scale != episode.scale:
        raise ConfigError(
            f"reset option 'world': {world.name!r} has profiles on another scale, {world.scale} and not "
            f"{episode.scale}"
        )


def same_world(one: World, other: World) -> bool:
    """Whether the two have the same numbers, so that runs need no new streams."""
    return one is other or world_to_dict(one) == world_to_dict(other)


def kept_task(task: Task, old: World, new: World) -> Task:
    """A task of `old` in `new`: itself where the capabilities are the same, else the one of its name, which
    may be its weights.

    Raises ConfigError where `new` has none of that name.
    """
    if (old.capabilities, old.hidden) == (new.capabilities, new.hidden):
        return task
    try:
        return new.task(task.name)
    except ReadsimError as error:
        raise ConfigError(
            f"reset option 'world': {new.name!r} has other capabilities and no task {task.name!r}: "
            "give the option `task` too"
        ) from error


def budget_of(backend: Backend, budget: AnyBudget | None, default: int) -> int:
    """The budget asked for, or `default`; a backend whose training schedule has one must have the same."""
    planned: int | None = getattr(backend, "budget", None)
    tokens = None if budget is None else parse_tokens(budget)
    if tokens is not None and planned is not None and tokens != planned:
        raise ConfigError(f"budget = {budget!r}: the backend's schedule is for {planned} tokens")
    chosen = tokens if tokens is not None else planned
    return default if chosen is None else chosen


def warn_beyond_scale(backend: Backend, profile: Array) -> None:
    """Warn of a measured profile (V,) that lies below what the backend declares: the observation space
    does not contain it, and readers of the log are told another scale. Raises ConfigError for one
    above it, such as percents: no log of it could be read."""
    scale = scale_of(backend)
    off = scale.beyond(profile)
    if not off.size:
        return
    said = f"{type(backend).__name__} measured {off[0]:g}, and its scale is {scale.low:g} to {scale.high:g}"
    if (off > scale.high).any():
        raise ConfigError(f"{said}: give shares of 1, or negated losses with ProfileScale('loss')")
    warnings.warn(
        f"{said}: declare another `scale`, such as readsim.ProfileScale(lowest=-1 / 3) where chance is "
        "taken off",
        stacklevel=4,
    )
