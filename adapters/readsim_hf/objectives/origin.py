"""Losses by whose words a text is: the teacher's or the student's own.

    loss_n = [n is of that origin] f_n        (N,); 0 and no gradient elsewhere

`skew-fkl(on=teacher) + skew-rkl(on=own)` with `on_policy` between 0 and 1 treats both texts in their own way,
as DistiLLM-2 does (`contrast`, where both answer the same prompt). The loss is divided by all supervised
tokens, so that each origin counts by its tokens. It needs the origin of each example, which training knows
(`TeacherRecord.own`).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from readsim.errors import unknown
from readsim_hf.objectives.base import Objective, Targets

Origin = Literal["teacher", "own"]


@dataclass(frozen=True)
class On:
    """An objective on the positions of one origin alone: `teacher`, or the student's `own` text."""

    objective: Objective
    origin: Origin

    def __post_init__(self) -> None:
        if self.origin not in get_args(Origin):
            raise unknown("origin of a text (on)", str(self.origin), get_args(Origin))

    @property
    def needs_soft(self) -> bool:
        return self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        losses = self.objective(logits, targets)
        own = torch.zeros_like(losses, dtype=torch.bool) if targets.own is None else targets.own
        return torch.where(own if self.origin == "own" else ~own, losses, 0.0)
