"""DoReMi: more weight where the student's loss exceeds the reference's most."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import State, Transition
from readsim.allocators.configured import number
from readsim.allocators.exponentiated.core import Referenced, excess_loss, exponentiated, smoothed
from readsim.allocators.losses import of_sources, required


@dataclass(frozen=True)
class DoReMi(Referenced):
    """w <- (1-c) softmax(log w + eta [L - L_ref]_+) + c/S (DoReMi, arXiv 2305.10429).

    Pinned to `update_domain_weights` of the authors' code (commit 7cde52d), optimiser doremiv1.

    eta   step size on the excess loss
    c     share of uniform weights mixed in

    Differences: the reference is the teacher, since a distilled student is compared with it; excess is
    clipped per domain, on probed losses, not per token; the rule steers the run itself, where the
    paper runs a proxy and trains with the time average of its weights. A source stands for the
    capability of its name (`of_sources`; sources without one move alike), whose excess is weighted
    by the task (`required`); first weights uniform. Where profiles are scores the excess is one of
    error rates, below 1, so a step is smaller than with losses in nats.
    """

    eta: float = number(1.0, "code: reweight_eta", above=0.0)
    c: float = number(1e-4, "code: reweight_eps", low=0.0, high=1.0)

    def update(self, state: State, transition: Transition) -> State:
        setup = transition.context.setup
        excess = np.maximum(excess_loss(setup, transition.profile, state["teacher"]), 0.0)
        score = self.eta * of_sources(setup, required(setup, excess))
        weights = smoothed(exponentiated(state["weights"], score), self.c)
        return {**state, "weights": weights, "score": score}
