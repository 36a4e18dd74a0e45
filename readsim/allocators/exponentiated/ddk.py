"""DDK: distil more where the student's perplexity is furthest from the teacher's."""

from dataclasses import dataclass

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number
from readsim.allocators.exponentiated.core import (
    Referenced,
    bounded_exp,
    excess_loss,
    exponentiated,
    smoothed,
    softmax,
)
from readsim.allocators.losses import of_sources, required
from readsim.arrays import Array


@dataclass(frozen=True)
class DDK(Referenced):
    """r <- alpha psi / sum psi + (1-alpha)/S, psi = r exp(ppl_student / ppl_teacher) (DDK-like).

    DDK, arXiv 2407.16154: Eq. (1) gives the first factor, softmax of the ratios before training,
    Eq. (2) this update, Algorithm 1 the order (the first interval is drawn without the factor). No
    code of the authors was found.

    alpha   smoothing coefficient; 1 is no smoothing

    "Like": perplexities are exp of the probed loss, which is a cross entropy only where profiles
    are negated losses; with scores it is the error rate, so the ratio lies between exp(-1) and e.
    The interval K is a decision. The ratios are weighted by the task (`required`); first shares
    uniform.
    """

    alpha: float = number(0.5, "paper, S3.3", above=0.0, high=1.0)

    def update(self, state: State, transition: Transition) -> State:
        context, setup, teacher = transition.context, transition.context.setup, state["teacher"]
        factor = state["weights"]
        if context.step == 0:
            factor = softmax(_ratio(setup, context.profile, teacher))
        score = _ratio(setup, transition.profile, teacher)
        weights = smoothed(exponentiated(factor, score), 1.0 - self.alpha)
        return {**state, "weights": weights, "score": score}


def _ratio(setup: Setup, profile: Array, teacher: Array) -> Array:
    """(S,): perplexity of the student over perplexity of the teacher, weighted by the task."""
    ratio = bounded_exp(excess_loss(setup, profile, teacher))
    return of_sources(setup, required(setup, ratio))
