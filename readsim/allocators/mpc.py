"""Model-predictive control: plan on a world that is fitted to trial runs and to the run so far."""

from dataclasses import dataclass, replace

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number, switch, whole
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError
from readsim.fitting.cross_validation import first_choice
from readsim.fitting.law import fit_law
from readsim.streams import generator
from readsim.worlds.files import world_from_dict, world_to_dict
from readsim.worlds.optimum import OrderFree
from readsim.worlds.search import best_shares
from readsim.worlds.task import Task
from readsim.worlds.token_repetition import unique_worth
from readsim.worlds.world import World

NEAREST = 1e-6  # to a perfect score or a loss of 0 that a measurement is taken to be


@dataclass(frozen=True)
class MPC(Configured):
    """Use the best static allocation of the remaining tokens in a fitted world, measure, and plan again.

    Before the run each source alone and `mixtures` random mixtures (Dirichlet, all parameters 1) are
    tried from the start, undone and not charged; their tokens are counted as search. The world is
    the law of `readsim.fitting`, order-free with concave gains; what the task wants is taken to be
    r . p. Every decision maximises r . p at the end over the allocation of all tokens left, given
    those spent. After the first decision, and then `refits` times a run, the world is fitted again
    with the run's own measurements in addition to the trials: they are what shows it longer trainings.

    This is receding-horizon control with a learnt model. The idea for students is Saha et al. 2023
    (theory of mind, arXiv 2306.09299): a teacher intervenes where the student that it simulates
    gains most. Theirs is a language model; the model, the plan and all numbers are ours.

    All tokens are counted by the learning rate that they meet, which the setup says (1 where it is constant).

    What it cannot see: order. Gates, drift and forgetting look to it like errors of the fit. With
    noise that is large compared with a trial's gains the plan follows the noise.

    trial_share   tokens of one trial as a share of the budget
    reach         share of the largest training on one source after which gains are taken to fade,
                  until the measurements say otherwise
    harm          whether the law may have tokens that do harm
    """

    needs = frozenset({"trial"})

    mixtures: int = whole(16, "ours", low=2, high=10_000)
    trial_share: float = number(0.1, "ours: that of `grid`", above=0.0, high=1.0)
    refits: int = whole(4, "ours", low=0, high=10_000)
    reach: float = number(1.0, "ours: 0.02 as in the fit's first guess saturates early", above=0.0)
    harm: bool = switch(True, "ours")

    def init(self, setup: Setup) -> State:
        if setup.trial is None:
            raise CapabilityMissingError("MPC needs a backend that can undo a trial run")
        s = len(setup.sources)
        mixtures = np.ones((0, s))  # one source leaves nothing to plan
        if s > 1:
            drawn = generator(setup.seed, "allocator").dirichlet(np.ones(s), self.mixtures)
            mixtures = np.concatenate([np.eye(s), drawn])
        tokens = max(1, int(self.trial_share * setup.budget))
        pace = float(setup.learning_rate.mean(0.0, tokens / setup.budget))
        return {
            "tokens": mixtures * tokens * pace,
            "change": np.array([setup.trial(mixture, tokens, False) for mixture in mixtures]),
            "start": np.zeros(0),  # the first profile (V,); what follows is after each decision
            "spent": np.zeros((1, s)),
            "seen": np.zeros((0, len(setup.capabilities))),
            "world": {},  # a world file's table; empty until the first refit
        }

    def select(self, state: State, context: Context) -> Array:
        setup = context.setup
        if len(setup.sources) == 1:
            return np.ones(1)
        if state["world"]:
            world = world_from_dict(state["world"])
        else:
            known = {**state, "start": state["start"] if context.step else context.profile}
            world = self._fit(known, setup)
        pace = float(setup.learning_rate.mean(1.0 - context.budget_left, 1.0))
        left = context.budget_left * setup.budget * pace
        problem = OrderFree(world, left, state["spent"][-1])
        task = Task("required", setup.requirement, setup.requirement)
        s = len(setup.sources)
        return best_shares(problem, problem, task, s, spend_all=True, concave=not self.harm)

    def update(self, state: State, transition: Transition) -> State:
        context = transition.context
        setup, done = context.setup, context.step + 1
        begun = 1.0 - context.budget_left
        pace = setup.learning_rate.mean(begun, begun + transition.tokens / setup.budget)
        spent = state["spent"][-1] + transition.allocation * transition.tokens * float(pace)
        new = {
            **state,
            "start": state["start"] if context.step else context.profile,
            "spent": np.vstack([state["spent"], spent]),
            "seen": np.vstack([state["seen"], transition.profile]),
        }
        due = (
            done == 1
            or done * self.refits // setup.steps > context.step * self.refits // setup.steps
        )
        if due and done < setup.steps and len(setup.sources) > 1:
            new["world"] = world_to_dict(self._fit(new, setup))
        return new

    def _fit(self, state: State, setup: Setup) -> World:
        """The law of the trials and of the run so far; tokens beyond a pool count for less."""
        s = len(setup.sources)
        tokens = np.concatenate([state["tokens"], state["spent"][1:]])
        profiles = np.concatenate([state["start"] + state["change"], state["seen"]])
        top = 1.0 if setup.scores else 0.0
        profiles = np.clip(profiles, setup.lowest if setup.scores else None, top - NEAREST)
        first = first_choice(s, setup.scores)
        fitted = fit_law(
            unique_worth(tokens, setup.pools),
            profiles,
            sources=setup.sources,
            capabilities=setup.capabilities,
            scores=setup.scores,
            lowest=setup.lowest,
            start=np.minimum(state["start"], top - NEAREST),
            choice=replace(first, reach=self.reach, harm=self.harm),
            members=1,
            folds=0,
        )
        return fitted.world.replace(pool_tokens=setup.pools)
