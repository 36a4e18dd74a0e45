"""Skill-It: weights from a graph of which source teaches which capability, and what is unlearned."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import number, switch, whole
from readsim.allocators.exponentiated.core import softmax
from readsim.allocators.losses import losses, required
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError


@dataclass(frozen=True)
class SkillIt(Reweighted):
    """w_i = exp(eta sum_j A_ij sum_{last w rounds} L_j) / sum (Skill-It, arXiv 2307.14430, Alg. 1).

    Re-based: the exponent is computed anew from the last losses, it does not accumulate. As in the
    algorithm the losses of a round are those before its training, and the first weights have 1 in
    their place. With `online` False these are kept (the variant skill-it-static; the released
    script for pre-training on Natural Instructions runs this branch).

    The graph A (S, V) comes from S trials of one source each before the run (Alg. 3): A_ij = max(0,
    loss drop of j) / loss of j at the start. The trials are undone and not charged; their tokens
    are counted as search.

    eta           step size; eta_schedule divides it by sum L / sum L at the start, as in the code
    window        rounds in the sum
    trial_share   tokens of one trial as a share of the budget; longer ones see more of the graph
    online        False: no updates

    Pinned to `mw_trainer.py` of the authors' code (commit 807b3bf). Differences: the graph is divided by
    the losses at the start (the authors did this for two of theirs; Aioli's code does it for all);
    the columns are weighted by the task (`required`), where the authors drop all but the target's.
    Noise in a trial makes edges, since drops count and rises do not. Where profiles are scores the
    losses are error rates, below 1, so that the published step sizes, for nats, move little.
    """

    needs = frozenset({"trial"})

    eta: float = number(0.2, "paper, App. C.3: Natural Instructions", above=0.0)
    window: int = whole(3, "paper, App. C.3; code: mw_window", low=1, high=10_000)
    eta_schedule: bool = switch(False, "code: off unless asked for")
    trial_share: float = number(0.1, "ours; paper: 100 to 600 steps", above=0.0, high=1.0)
    online: bool = switch(True, "paper, Alg. 1")

    def init(self, setup: Setup) -> State:
        if setup.trial is None:
            raise CapabilityMissingError("Skill-It needs a backend that can undo a trial run")
        tokens = max(1, int(self.trial_share * setup.budget))
        drops = [setup.trial(one_hot, tokens, False) for one_hot in np.eye(len(setup.sources))]
        v = len(setup.capabilities)
        return super().init(setup) | {
            "drops": np.array(drops),
            "start": np.ones(v),
            "recent": np.zeros((0, v)),
        }

    def select(self, state: State, context: Context) -> Array:
        if context.step:
            return super().select(state, context)
        return softmax(self._first(state, context))

    def update(self, state: State, transition: Transition) -> State:
        context, setup = transition.context, transition.context.setup
        loss = losses(setup, context.profile)
        if context.step == 0:
            first = self._first(state, context)
            state = {**state, "start": loss, "weights": softmax(first), "score": first}
        if not self.online:
            return state
        recent = np.vstack([state["recent"], loss])[-self.window :]
        eta = self.eta
        if self.eta_schedule and loss.sum() > 0 and state["start"].sum() > 0:
            eta = self.eta / float(loss.sum() / state["start"].sum())
        graph = skill_graph(state["drops"], state["start"])
        score = eta * required(setup, graph) @ recent.sum(axis=0)
        return {**state, "weights": softmax(score), "score": score, "recent": recent}

    def _first(self, state: State, context: Context) -> Array:
        setup = context.setup
        graph = skill_graph(state["drops"], losses(setup, context.profile))
        score: Array = self.eta * required(setup, graph).sum(axis=1)
        return score


def skill_graph(drops: Array, start: Array) -> Array:
    """A (S, V): max(0, loss drop) over the loss at the start; no edge where that is not above 0."""
    positive = np.maximum(drops, 0.0)
    graph: Array = np.divide(positive, start, out=np.zeros_like(positive), where=start > 0.0)
    return graph
