"""One vocabulary for both sides: models of a family pad their output to different sizes.

Qwen2.5 has 151936 logits at one size and 152064 at another, for the same tokens. Both are cut to what
they share before any loss; whether the tokens are the same is another check.
"""

from dataclasses import dataclass

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective, Targets


def cut_logits(logits: Tensor, size: int) -> Tensor:
    """The first `size` logits (..., size), a view. Raises ConfigError when there are fewer."""
    if logits.shape[-1] < size:
        raise ConfigError(f"there are {logits.shape[-1]} logits, fewer than the {size} shared ones")
    return logits[..., :size]


@dataclass(frozen=True)
class Cut:
    """An objective on the first `size` logits: the student's others have no effect."""

    objective: Objective
    size: int

    @property
    def needs_soft(self) -> bool:
        return self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return self.objective(cut_logits(logits, self.size), targets)
