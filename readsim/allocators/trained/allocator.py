"""A policy trained on drawn worlds, played."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, switch
from readsim.allocators.trained import belief, network
from readsim.allocators.trained.belief import Belief, Known
from readsim.allocators.trained.policy_file import Policy, load_policy, shipped
from readsim.arrays import Array
from readsim.envs.episode import source_prior
from readsim.errors import ConfigError
from readsim.streams import generator
from readsim.worlds.utility import parse_utility

UNKNOWN_ITEMS = 64.0  # where a backend does not say how many items a probe asks
MOST_POOL = 10.0  # budgets of distinct tokens that are as good as endless
NO_CAP = 10.0


@dataclass(frozen=True)
class TrainedPolicy(Configured):
    """alpha_t = a network's shares, given what the run has shown; trained in simulated worlds. Experimental.

    After each probe, one Kalman filter per capability estimates what each source brings, and with what
    variance; a network of 18,505 numbers, the same for every source and capability, turns that, the
    requirement, the gap to the teacher, the time and the learning rate left into shares. It was trained by
    `readsim train` on worlds that were drawn from a prior, for their final utility: nothing is learnt from
    the user's own earlier runs, and the tokens of its training were simulated and cost nothing.

    Not a default: the shipped policy (1,500 updates) is ahead of `task-static` in 61 % of held-out runs of
    its own prior (the worst single one is 18.5 points below) and in 59 % of the suite's (IQM .59 to .57; the
    mean of its worst case is .6 points below), level with it on worlds of other families, and on the real
    pair nano ahead on the average task at 60K tokens (+.6 points), on no other task of three and on none at
    120K. What it was trained on, for how long and how well it did there is in its card,
    `readsim.allocators.trained.policy_file.load_policy(FILE).card`.

    path     a file that `readsim train` wrote; the shipped one if not given
    teacher  whether it is told how well the teacher does; `false` for a backend that does not know
    """

    path: str = field(default="", metadata={"provenance": "ours: the shipped policy"})
    teacher: bool = switch(True, "ours")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.path, str):
            raise ConfigError(f"path = {self.path!r}: expected a file that `readsim train` wrote")
        object.__setattr__(self, "needs", frozenset({"teacher"}) if self.teacher else frozenset())
        object.__setattr__(self, "_policy", load_policy(self.path or shipped()))

    @property
    def policy(self) -> Policy:
        """Weights and card."""
        policy: Policy = self.__dict__["_policy"]
        return policy

    def settings(self) -> list[tuple[str, str, str]]:
        card = self.policy.card
        rows = [
            (
                "trained on",
                f"prior {card['prior']['name']!r}",
                "set by this variant or the user: the policy's card",
            ),
            ("updates", str(card["updates"]), "set by this variant or the user: the policy's card"),
            (
                "tokens of training",
                "simulated, free",
                "set by this variant or the user: the policy's card",
            ),
        ]
        return super().settings() + rows

    def init(self, setup: Setup) -> State:
        """The start is not known yet: the belief begins at the first decision."""
        teacher = setup.teacher() if self.teacher and setup.teacher is not None else None
        s = len(setup.sources)
        return {
            "teacher": np.zeros(0) if teacher is None else np.asarray(teacher, dtype=np.float64),
            "start": np.zeros(0),
            "belief": {},
            "trained": np.zeros((1, s)),
        }

    def select(self, state: State, context: Context) -> Array:
        if len(context.setup.sources) == 1:
            return np.ones(1)
        known, held = self._now(state, context)
        last = context.previous[None] if context.step else known.shares
        step = min(context.step, context.setup.steps - 1)
        tokens, weight = network.policy_features(np, known, held, state["trained"], last, step)
        shares: Array = network.shares(np, self.policy.weights, known, tokens, weight)[0]
        return shares

    def update(self, state: State, transition: Transition) -> State:
        context = transition.context
        setup = context.setup
        known, held = self._now(state, context)
        part = transition.tokens / setup.budget
        begun = 1.0 - context.budget_left
        pace = float(setup.learning_rate.mean(begun, begun + part))
        a = transition.allocation[None] * part
        prior = self.policy.weights["prior"]
        held = belief.learn(np, known, prior, held, a * pace, transition.profile[None])
        return {
            **state,
            "start": state["start"] if state["start"].size else context.profile,
            "belief": held._asdict(),
            "trained": state["trained"] + a,
        }

    def _now(self, state: State, context: Context) -> tuple[Known, Belief]:
        """What is known, and believed, at a decision."""
        start = state["start"] if state["start"].size else context.profile
        teacher: Array | None = state["teacher"] if state["teacher"].size else None
        known = known_of(context.setup, np.asarray(start, dtype=np.float64), teacher)
        if state["belief"]:
            return known, Belief(**state["belief"])
        return known, belief.begin(np, known, self.policy.weights["prior"])


def known_of(setup: Setup, start: Array, teacher: Array | None) -> Known:
    """What the network is told of a run whose first probe was `start` (V,); arrays of one run."""
    match = np.array(
        [[a == b for b in setup.capabilities] for a in setup.sources], dtype=np.float64
    )
    kind, argument = parse_utility(setup.utility)
    if setup.items is None:
        variance = np.full(len(setup.capabilities), 1.0 / UNKNOWN_ITEMS)
    else:
        variance = np.where(setup.items > 0, 1.0 / np.maximum(setup.items, 1.0), 0.0)
    prior = source_prior(setup.requirement, setup.capabilities, setup.sources)[None]
    half = 0.5 * start + (0.5 if setup.scores else 0.0)  # of what is missing
    return Known(
        match=match[None],
        requirement=setup.requirement[None],
        shares=belief.tilted(prior, match[None], _lots(setup.seed, tuple(setup.sources))),
        teacher=(half if teacher is None else teacher)[None],
        teacher_known=np.full((1, 1), float(teacher is not None)),
        item_variance=variance[None],
        lowest=np.full((1, 1), setup.lowest),
        losses=np.full((1, 1), float(not setup.scores)),
        pools=np.minimum(setup.pools / setup.budget, MOST_POOL)[None],
        exponent=np.full((1, 1), argument if kind == "ces" else 1.0),
        cap=np.full((1, 1), argument if kind == "capped" else NO_CAP),
        paces=setup.paces[None],
        start=start[None],
    )


@lru_cache(maxsize=64)
def _lots(seed: int, sources: tuple[str, ...]) -> Array:
    """(1, S) normal deviates of names, so that permuted sources have permuted shares; read-only."""
    drawn = [generator(seed, "allocator", _number(name)).standard_normal() for name in sources]
    out: Array = np.array(drawn)[None]
    out.flags.writeable = False
    return out


def _number(name: str) -> int:
    """A number of a source's name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
