"""The exponentiated-gradient update and its parts, as pure functions."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State
from readsim.allocators.losses import losses
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError


def softmax(logits: Array) -> Array:
    """exp(l_i) / sum_j exp(l_j), (S,), for logits of any size; -inf gives a share of 0."""
    powers = np.exp(logits - logits.max())
    shares: Array = powers / powers.sum()
    return shares


def exponentiated(weights: Array, score: Array) -> Array:
    """w_i exp(score_i) / sum, (S,): one step of exponentiated gradient, in logarithms.

    With the weights of the step before it accumulates; with the first ones it is re-based.
    """
    with np.errstate(divide="ignore"):  # a weight of 0 stays 0
        return softmax(np.log(weights) + score)


def smoothed(weights: Array, c: float) -> Array:
    """(1 - c) w + c / S, (S,)."""
    return (1.0 - c) * weights + c / len(weights)


def bounded_exp(values: Array) -> Array:
    """exp, with values above 700 counted as 700 so that it stays finite."""
    powers: Array = np.exp(np.minimum(values, 700.0))
    return powers


@dataclass(frozen=True)
class Referenced(Reweighted):
    """A rule with reference losses: the teacher's, measured once before the run (state `teacher`)."""

    needs = frozenset({"teacher"})

    def init(self, setup: Setup) -> State:
        if setup.teacher is None:
            raise CapabilityMissingError("reference losses need a backend that knows its teacher")
        return super().init(setup) | {"teacher": setup.teacher()}


def excess_loss(setup: Setup, profile: Array, teacher: Array) -> Array:
    """(V,) loss of the student minus loss of the teacher, which is the reference model here."""
    excess: Array = losses(setup, profile) - losses(setup, teacher)
    return excess
