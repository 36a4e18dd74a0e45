"""DistiLLM-2 (arXiv 2503.07067): teacher's and student's reply to the same prompt, each in its own way.

With skewed mixtures of p, the teacher, and q, the student, at each token of both replies

    loss_n = KL(p || alpha p + (1 - alpha) q)    of the teacher's reply, whose likelihood it raises
             KL(q || (1 - alpha) p + alpha q)    of the student's: what p would not say gets rarer

(N,), each token counted once. It is 0, with no gradient, for a student that is its teacher. Of the paper this
leaves out that alpha adapts to each pair of replies and that the weight of the second part follows a
schedule: here they stand still. `skew-fkl(on=teacher) + skew-rkl(on=own)` is the same of replies to
different prompts, in the shares of `on_policy`.

Needs groups of the teacher's reply and the student's, and the teacher's distributions on both ('full' or
'topk', of which both are lower bounds).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import SkewForwardKL, SkewReverseKL
from readsim_hf.objectives.sampling import Sampling


@dataclass(frozen=True)
class Contrast:
    """Setting: 0 < alpha < 1, how much of the other distribution is in the mixtures."""

    alpha: float = 0.1
    sampling: ClassVar[Sampling] = Sampling(1, teacher=True)
    needs_soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        SkewForwardKL(self.alpha)  # checked there

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        of_teacher = SkewForwardKL(self.alpha)(logits, targets)
        if targets.own is None:
            return of_teacher
        return torch.where(targets.own, SkewReverseKL(self.alpha)(logits, targets), of_teacher)
