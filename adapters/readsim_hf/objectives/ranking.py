"""Replies ranked by the teacher's mean log-probability: RRHF and PRO.

With replies y_1, y_2, ... from the best on, l_i = log pi(y_i) / |y_i| and s_i = log p_T(y_i) / |y_i|,

    RRHF (arXiv 2304.05302)   sum_{s_i > s_j} max(0, l_j - l_i) - sft * l_1
    PRO (2306.17492)          sum_k -log [exp(l_k / T_kk) / sum_{i >= k} exp(l_i / T_ki)] - sft * l_1
                              1 / T_ki = s_k - s_i for i > k, 1 / T_kk = max_i 1 / T_ki

a group. The papers rank by a reward model; here the teacher is the judge. Replies whose scores are equal, up
to the rounding of one text that is read twice (`SAME`), are not told apart. The group is the teacher's reply
and `sampling.samples` of the student; of equally good ones y_1 is the teacher's, or the earlier one.

Needs the teacher's log-probability of each token of all of them, which is kept beside its distributions
(`teachers.record.Soft`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from readsim_hf.objectives.baselines import check_setting
from readsim_hf.objectives.compared import ComparesReplies, ReadReply
from readsim_hf.objectives.sampling import Sampling

RANKED = Sampling(3, teacher=True, ranked=True, constants=("score",))


SAME = 1e-5  # nats a token


def rrhf_loss(logp: Tensor, scores: Tensor) -> Tensor:
    """sum of max(0, l_j - l_i) over s_i > s_j, of mean log-probabilities (n,) and scores (n,)."""
    worse = logp[None, :] - logp[:, None]
    told_apart = scores[:, None] - scores[None, :] > SAME
    return (worse.clamp_min(0.0) * told_apart).sum()


def pro_loss(logp: Tensor, scores: Tensor) -> Tensor:
    """PRO of mean log-probabilities (n,) and scores (n,), which fall; 0 for one reply."""
    total = 0.0 * logp.sum()
    for k in range(len(logp) - 1):
        heat = scores[k] - scores[k:]
        heat = torch.cat([heat[1:].max()[None], heat[1:]])
        total = total - (logp[k:] * heat).log_softmax(0)[0]
    return total


@dataclass(frozen=True)
class RRHF(ComparesReplies):
    """Setting: sft >= 0, the weight of the best reply's mean log-likelihood."""

    sft: float = 1.0
    sampling: ClassVar[Sampling] = RANKED
    needs_soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_setting("sft", self.sft, lambda x: 0 <= x < float("inf"), "of at least 0")

    def of_group(self, replies: Sequence[ReadReply]) -> Tensor:
        """See the module."""
        logp = torch.stack([reply.mean for reply in replies])
        scores = torch.stack([reply.constants["score"][0] for reply in replies])
        return self._ranks(logp, scores) - self.sft * logp[0]

    def _ranks(self, logp: Tensor, scores: Tensor) -> Tensor:
        return rrhf_loss(logp, scores)


@dataclass(frozen=True)
class PRO(RRHF):
    """Setting: sft >= 0, the weight of the best reply's mean log-likelihood."""

    sft: float = 0.05

    def _ranks(self, logp: Tensor, scores: Tensor) -> Tensor:
        return pro_loss(logp, scores)
