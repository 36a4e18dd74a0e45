"""The allocator's contract: state in, state out; it sees contexts, never the world.

A user's allocator needs one method:

    class Favourite(Allocator):
        def select(self, state, context):
            return context.requirement == context.requirement.max()
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.backend import SourceSignals
from readsim.envs.candidates import candidate_set
from readsim.envs.offline_pool import Pool
from readsim.envs.reward import RewardConfig
from readsim.streams import generator
from readsim.worlds.task import Task
from readsim.worlds.terms.learning_rate import LearningRate
from readsim.worlds.world import World

State = Any  # a tree of dict / list / tuple / numbers / text / arrays, so that a run can be resumed


@dataclass(frozen=True, eq=False)
class Setup:
    """What is known before the first decision.

    `requirement` (V,) is over visible capabilities; `prior` (S,) is the same read as shares of the
    sources: equal names match, the rest of the mass is spread over the sources without a match.

    `history` is the number H of past steps that a context shows.

    `scores` tells scores, of at most 1 and at least `lowest`, from negated losses. `pools` (S,) is how
    many distinct tokens each source has; infinity where more can always be generated. `learning_rate` is
    what a token counts for at each point of the budget, and `paces` (T,) what it does in each decision.

    `task_name` is what the task is called, "" where that is not known. `items` (V,) is how many items a
    probe asks of each capability, 0 where it is exact, None where the backend does not say; `utility` the
    kind of the task's (`readsim.worlds.utility`).

    None unless the allocator's `needs` names them; the run is charged with the tokens that they use:
    "trial"        `trial(allocation, tokens, charge)`: measured dev change (V,) of a short training
                   that is undone
    "transitions"  `transitions(n)`: a pool of one-step transitions; `transitions(n, persistent=True)`: of
                   whole runs that keep their random allocation, one row a decision
    "teacher"      `teacher()` (V,): the teacher's profile, where reference losses come from
    "alignment"    `alignment()` (S, V): change of each capability per token of each source, now
    "merging"      `merged(mixtures, tokens)` (A, V): profiles of students merged from one training a source
    "signals"      each transition has `signals`: gradient, KL and dispersion of each source
    "world"        `world` and `task`: for oracles
    "outlook"      `outlook(allocations, tokens)` (A, V): the noise-free change from the present student
                   that each of (A, S) would bring: for oracles
    """

    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    requirement: Array
    prior: Array
    budget: int
    steps: int
    reward: RewardConfig
    history: int
    seed: int
    scores: bool
    pools: Array
    teacher: Callable[[], Array] | None = None
    alignment: Callable[[], Array] | None = None
    trial: Callable[[Array, int, bool], Array] | None = None
    transitions: Callable[..., Pool] | None = None
    merged: Callable[[Array, int], Array] | None = None
    world: World | None = None
    task: Task | None = None
    outlook: Callable[[Array, float], Array] | None = None
    task_name: str = ""
    lowest: float = 0.0
    items: Array | None = None
    utility: str = "linear"
    learning_rate: LearningRate = field(default_factory=LearningRate)

    @property
    def paces(self) -> Array:
        """The mean learning rate of each decision's tokens over its peak (T,); all 1 where it is constant."""
        return self.learning_rate.of_steps(self.steps)


@dataclass(frozen=True, eq=False)
class Context:
    """What an allocator sees at step t, Eq. (8): requirement, probed profile, budget left, history.

    `history` (H (S+V+2),) as in the observation; `previous` (S,) is the last allocation, before the
    first one the prior (alpha_0 = r).
    """

    setup: Setup
    step: int
    profile: Array
    budget_left: float
    history: Array
    previous: Array

    @property
    def requirement(self) -> Array:
        """r (V,)."""
        return self.setup.requirement

    def observation(self) -> dict[str, Array]:
        """The environment's own observation at this step: what a policy trained on it was shown.

        requirement (V,), profile (V,), budget_left (1,), and with H > 0 history (H (S+V+2),).
        """
        shown = {
            "requirement": self.requirement.copy(),
            "profile": self.profile.copy(),
            "budget_left": np.array([self.budget_left]),
        }
        return shown | ({"history": self.history.copy()} if self.setup.history else {})

    @cached_property
    def candidates(self) -> Array:
        """The candidate set (A, S) around `previous`."""
        return candidate_set(self.setup.prior, self.previous)

    @cached_property
    def rng(self) -> np.random.Generator:
        """A generator of this run's allocator stream, a new one for each step."""
        return generator(self.setup.seed, "allocator", self.step)


class Transition(NamedTuple):
    """The outcome of a decision. `dev_profile` (V,) is measured at coarse checkpoints only; `signals` of
    the sources come where the allocator's `needs` names them."""

    context: Context
    allocation: Array
    reward: float
    change: Array
    profile: Array
    tokens: int
    dev_profile: Array | None
    signals: SourceSignals | None = None


class Allocator:
    """Base class of allocators: override `select`, and `init` and `update` if there is something to remember.

    Instances hold configuration only. `needs` names what `Setup` must carry beyond names and r: see
    there. A backend that lacks it is refused before the run. `rollback` is how many standard errors the
    measured utility may fall below its best before the student of then is put back
    (`readsim.envs.rollback`): the next context shows it, and the state keeps what it learned.
    """

    needs: frozenset[str] = frozenset()
    rollback: float = np.inf

    def init(self, setup: Setup) -> State:
        """The state before the first decision."""
        return {}

    def whole_runs(self, steps: int) -> int:
        """How many runs of `steps` decisions it asks `transitions` for with persistent=True; 0 for none."""
        return 0

    def check_setup(self, setup: Setup) -> None:
        """ConfigError for a run that its settings do not suit; asked before anything of it is measured."""

    def select(self, state: State, context: Context) -> ArrayLike:
        """Token shares (S,); anything `as_allocation` can read."""
        raise NotImplementedError(f"{type(self).__name__} must define select(state, context)")

    def update(self, state: State, transition: Transition) -> State:
        """The state after the outcome of a decision."""
        return state

    def report(self, state: State) -> Mapping[str, Any]:
        """Numbers of the last decision for the run log."""
        return {}

    def settings(self) -> list[tuple[str, str, str]]:
        """(name, value, provenance) of the settings, for `readsim allocators NAME`."""
        return []

    # Many runs at once: an allocator that can batch its arithmetic over runs overrides these.

    def init_many(self, setups: Sequence[Setup]) -> list[State]:
        """`init` for each run."""
        return [self.init(setup) for setup in setups]

    def select_many(self, states: Sequence[State], contexts: Sequence[Context]) -> list[ArrayLike]:
        """`select` for each run."""
        return [self.select(s, c) for s, c in zip(states, contexts, strict=True)]

    def update_many(
        self, states: Sequence[State], transitions: Sequence[Transition]
    ) -> list[State]:
        """`update` for each run."""
        return [self.update(s, t) for s, t in zip(states, transitions, strict=True)]
