"""Reinforcement learning with a teacher (KDRL, arXiv 2506.02208): rewards, and reverse KL to the teacher.

    A_i    = (R_i - mean R) / sd R       over the `sampling.samples` replies to one prompt (GRPO)
    loss_t = -min(rho_t A_i, clip(rho_t, 1 - clip, 1 + clip) A_i) + kl * KL(pi || p_T)      (N,)

R is what a gold checker says of the final answer (1 or 0), or a judge's grade in [0, 1]
(`sampling.reward`). KL is the sum over the vocabulary at each token of the student's reply; the paper takes a
one-sample estimate with the same expected gradient (k2). The paper's coefficient falls from 5e-3 to 1e-3;
here it stays. A step takes the mean over all tokens of its replies, where GRPO first takes each reply's.
`kl = 0` is reinforcement learning alone, and needs no distributions.

Where all rewards of a group are equal its advantages are 0: it trains the KL alone. With that, and a student
that is its teacher, loss and gradient are 0.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import ReverseKL, check_setting
from readsim_hf.objectives.policy_gradient import CLIP, clipped_gain, importance_ratio
from readsim_hf.objectives.sampling import Sampling, constant


@dataclass(frozen=True)
class KDRL:
    """Settings: kl >= 0, the coefficient of the teacher; clip > 0."""

    kl: float = 5e-3
    clip: float = CLIP
    sampling: ClassVar[Sampling] = Sampling(4, 2, rewarded=True, constants=("old",))

    def __post_init__(self) -> None:
        check_setting("kl", self.kl, lambda x: 0 <= x < float("inf"), "of at least 0")
        check_setting("clip", self.clip, lambda x: 0 < x < float("inf"), "above 0")

    @property
    def needs_soft(self) -> bool:
        return self.kl > 0

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        ratio = importance_ratio(targets, logits)
        losses = -clipped_gain(constant(targets, "advantage"), ratio, self.clip)
        return losses + self.kl * ReverseKL()(logits, targets) if self.kl else losses
