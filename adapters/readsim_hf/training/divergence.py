"""Whether training has blown up, by a stated rule: a run that learns does not come near it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, sqrt
from typing import Any

import torch
from torch import nn

PIECE = 1 << 22  # weights: a float64 copy of a whole embedding takes gigabytes
GROWTH = 100.0  # times the starting weights' norm


def norm_of(model: nn.Module) -> float:
    """Euclidean norm of the weights that train, in float64, of PIECE of them at a time."""
    whole = (p.detach().reshape(-1) for p in model.parameters() if p.requires_grad)
    # Numbers, no tensors: these would lie between the pieces in the heap, which then grows by each piece.
    squares = (float(p.double().square().sum()) for flat in whole for p in torch.split(flat, PIECE))
    return sqrt(sum(squares))


@dataclass
class Divergence:
    """Of one run. An interval has diverged where

    * its mean loss a token is above `uniform`, ln V, what a uniform guess over V tokens has, and above
      twice the loss that the run began with (a random student begins near ln V); or
    * the norm of the trained weights is above GROWTH times that of the start.

    norm     of the start's trained weights
    first    loss of the run's first optimiser step, None before it
    found    the first interval that diverged, as numbers; {} while none has
    """

    uniform: float
    norm: float
    first: float | None = None
    found: dict[str, float] = field(default_factory=dict)

    def interval(self, spent: float, loss: float, norm: float) -> bool:
        """Note an interval that ended at `spent` of the budget; whether it is the first to diverge."""
        begun = loss if self.first is None else self.first
        bad = (
            loss > max(self.uniform, 2.0 * begun) or not isfinite(norm) or norm > GROWTH * self.norm
        )
        if not bad or self.found:
            return False
        growth = norm / self.norm if self.norm else 1.0
        self.found = {
            "spent": spent,
            "loss": loss,
            "first_loss": begun,
            "uniform_loss": self.uniform,
            "weights_grown": growth if isfinite(growth) else -1.0,
        }
        return True

    def state(self) -> dict[str, Any]:
        """For `of_state`."""
        first = {} if self.first is None else {"first": self.first}
        return {"uniform": self.uniform, "norm": self.norm, "found": dict(self.found), **first}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "Divergence":
        first = state.get("first")
        return cls(
            float(state["uniform"]),
            float(state["norm"]),
            None if first is None else float(first),
            {k: float(v) for k, v in state["found"].items()},
        )


def in_words(found: Mapping[str, float]) -> str:
    """What happened and what to do, in one line."""
    return (
        f"training diverged by {100 * found['spent']:.0f} % of the budget: the loss went from "
        f"{found['first_loss']:.3g} to {found['loss']:.3g} a token (a uniform guess has "
        f"{found['uniform_loss']:.3g}), the weights' norm grew {found['weights_grown']:.3g}-fold; lower "
        "training.learning_rate, and start again in another folder"
    )
