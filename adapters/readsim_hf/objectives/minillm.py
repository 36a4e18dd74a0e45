"""MiniLLM (arXiv 2306.08543): the gradient of reverse KL over whole replies, in two parts.

A token changes the divergence at its own position, and what comes after it:

    loss_t = KL(pi || p_T)_t - min(rho_t R_t, clip(rho_t, 1 - clip, 1 + clip) R_t)        (N,)
    R_t    = mean over t' > t of log p_T(y_t') - log mu(y_t')

The first is the paper's single-step part, a sum over the vocabulary; R_t, a constant that is made when the
reply is scored, is its long part with length normalisation. rho_t = pi(y_t) / mu(y_t) is its importance
weight, here for samples older than the weights; the paper weighs its single-step part with it too. The
paper's mixing of teacher and student while sampling and its pre-training loss are left out. 0, with no
gradient, for a student that is its teacher.

Needs replies of the student with `old`, and the teacher's distributions on them ('full' or 'topk': the tail
of the first part is one outcome for both, log p_T(y_t') of the second is exact).
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import ReverseKL, check_setting
from readsim_hf.objectives.policy_gradient import CLIP, clipped_gain, importance_ratio
from readsim_hf.objectives.sampling import Sampling, constant


@dataclass(frozen=True)
class MiniLLM:
    """Setting: clip > 0, how far rho may be from 1."""

    clip: float = CLIP
    sampling: ClassVar[Sampling] = Sampling(1, constants=("old", "return"))
    needs_soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_setting("clip", self.clip, lambda x: 0 < x < float("inf"), "above 0")

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        ratio = importance_ratio(targets, logits)
        long = clipped_gain(constant(targets, "return"), ratio, self.clip)
        return ReverseKL()(logits, targets) - long
