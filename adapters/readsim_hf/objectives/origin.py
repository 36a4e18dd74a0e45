"""Losses by whose words a text is: the teacher's or the student's own (DistiLLM-2, arXiv 2503.07067).

    loss_n = [n is of that origin] f_n        (N,); 0 and no gradient elsewhere

DistiLLM-2's contrastive loss is skew forward KL on the teacher's text, whose likelihood it raises, and skew
reverse KL on the student's, where it lowers what the teacher would not say:
`skew-fkl(on=teacher) + skew-rkl(on=own)` with `on_policy` between 0 and 1. The loss is divided by all
supervised tokens, so that each origin counts by its tokens. It needs the origin of each example, which
training knows (`TeacherRecord.own`).

Of DistiLLM-2 this leaves out that both texts answer the *same* prompt (here one or the other answers it),
that alpha adapts to each pair of texts, and that the terms' weights follow a schedule: here they stand still.
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
