"""On-policy distillation from one teacher a capability (MOPD), by policy gradient or by the exact divergence.

A prompt of capability d goes to teacher T_d (`[pair.teachers]`: models here, servers, or both), the student
writes y, T_d scores it. With the log-ratio as the advantage of a token, a constant (arXiv 2606.30406),

    A_t    = sg[log p_Td(y_t) - log pi(y_t)]
    loss_t = -min(rho_t A_t, clip(rho_t, 1 - clip, 1 + clip) A_t)        (N,)   `mopd`
    loss_t = KL(pi || p_Td)                                              (N,)   `mopd-kl`

rho_t = pi(y_t) / mu(y_t) weighs samples that are older than the weights. At rho = 1 the gradient of the first
is in expectation that of the second, which sums over the vocabulary and has no such weight. Both are 0, with
no gradient, for a student that is its teacher.

What a capability's losses weigh beside its tokens is `sampling.weights`: nothing more (label routing),
dispersion weights (DN-MOPD, 2609.35347) or gradient shares (Open-MOPD, 2608.19098).

Needs replies of the student with `old` and `teacher`, and each teacher's distributions on them ('full' or
'topk'): log p_Td(y_t) is exact whatever is kept; of a top-k the second form sees a lower bound.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import ReverseKL, check_setting
from readsim_hf.objectives.divergences import token_cross_entropy
from readsim_hf.objectives.policy_gradient import CLIP, clipped_gain, importance_ratio
from readsim_hf.objectives.sampling import Sampling, constant


@dataclass(frozen=True)
class MOPD:
    """The policy-gradient form. Setting: clip > 0, how far rho may be from 1 (1e9: up to e^20)."""

    clip: float = CLIP
    sampling: ClassVar[Sampling] = Sampling(1, constants=("old", "teacher"))
    needs_soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_setting("clip", self.clip, lambda x: 0 < x < float("inf"), "above 0")

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        now = -token_cross_entropy(targets.tokens, logits)
        advantage = (constant(targets, "teacher") - now).detach()
        return -clipped_gain(advantage, importance_ratio(targets, logits), self.clip)


@dataclass(frozen=True)
class MOPDKL(ReverseKL):
    """The exact form: reverse KL at each token of the student's replies."""

    sampling: ClassVar[Sampling] = Sampling(1, constants=("old",))
