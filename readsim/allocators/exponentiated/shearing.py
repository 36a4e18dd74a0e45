"""LLM-Shearing's dynamic batch loading: weights follow the distance to target losses."""

from dataclasses import dataclass

from readsim.allocators.base import State, Transition
from readsim.allocators.configured import choice, number
from readsim.allocators.exponentiated.core import (
    Referenced,
    excess_loss,
    exponentiated,
    smoothed,
    softmax,
)
from readsim.allocators.losses import of_sources, required


@dataclass(frozen=True)
class Shearing(Referenced):
    """w <- (1-c) softmax(log w + eta (L - L_ref)) + c/S (LLM-Shearing, arXiv 2310.06694).

    Pinned to `DynamicLoadingCallback.update_proportion` of the authors' code (commit b87218b). Unlike
    DoReMi's, the difference is signed: a source ahead of its target loses weight.

    update_type   "doremi" as above; "bandit": softmax(w + eta (L - L_ref)), without the logarithm
    eta, c        step size, share of uniform weights

    Differences: target losses are the teacher's, theirs come from a scaling law fitted to larger
    models; first weights uniform, theirs are the domains' shares of the corpus; one update a
    decision, theirs every 50 batches; differences weighted by the task (`required`).
    """

    update_type: str = choice("doremi", "code", ("doremi", "bandit"))
    eta: float = number(1.0, "code", above=0.0)
    c: float = number(1e-4, "code, after DoReMi", low=0.0, high=1.0)

    def update(self, state: State, transition: Transition) -> State:
        setup = transition.context.setup
        difference = required(setup, excess_loss(setup, transition.profile, state["teacher"]))
        score = self.eta * of_sources(setup, difference)
        if self.update_type == "bandit":
            moved = softmax(state["weights"] + score)
        else:
            moved = exponentiated(state["weights"], score)
        return {**state, "weights": smoothed(moved, self.c), "score": score}
