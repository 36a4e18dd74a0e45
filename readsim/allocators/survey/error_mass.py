"""Shares in proportion to what the student still gets wrong."""

from dataclasses import dataclass
from typing import Any

from readsim.allocators.base import Context
from readsim.allocators.configured import Configured
from readsim.allocators.losses import losses, of_sources, required
from readsim.arrays import Array


@dataclass(frozen=True)
class ErrorMass(Configured):
    """w_i in proportion to r_i (1 - p_i) of the last probe; the prior where nothing is wrong.

    From LLM2LLM (arXiv 2403.15042): evaluate the student, make new data from the items that it gets
    wrong, repeat; the tokens of a capability are then in proportion to its errors. It lacks what
    that paper does with the items: here a source has no items, only tokens. Where profiles are
    negated losses, the loss stands for the error rate.
    """

    def select(self, state: Any, context: Context) -> Array:
        setup = context.setup
        mass = of_sources(setup, required(setup, losses(setup, context.profile)))
        total = float(mass.sum())
        return mass / total if total > 0.0 else setup.prior
