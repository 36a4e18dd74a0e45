"""The teacher's reply preferred to the student's own: DPO and DPKD.

    loss = -log sigmoid(beta [r(y+) - r(y-)])                                  a pair
    r(y) = log pi(y)/pi_0(y)             `dpo` (arXiv 2305.18290), pi_0 the student before training
    r(y) = log pi(y)/p_T(y) / |y|        `dpkd` (2406.19774, Eq. 9), p_T the teacher; with normalised = 0
                                         without the length (Eq. 8)

y+ is the teacher's reply, y- one of the student's (`sampling.samples`), over which the loss is averaged.
Under LoRA pi_0 is the student with its adapters switched off. At the start of training `dpo` is log 2. The
reward of `dpkd` is how far the student goes beyond its teacher. beta = 0.1 is that of the authors' code.

Of `dpkd` the paper's language-model loss (lambda L_pt of its Algorithm 1) is left out: it is of the corpus
that the student was trained on before, which a run does not have. Nearest is `dpkd + 0.5*sft(on=teacher)`.

`dpo` needs text alone, so that the teacher may be any server. `dpkd` needs the teacher's log-probability of
each token, which is kept beside its distributions (`teachers.record.Soft`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from readsim_hf.objectives.baselines import check_setting
from readsim_hf.objectives.compared import ComparesReplies, ReadReply
from readsim_hf.objectives.sampling import Sampling


def preference_loss(margins: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta margin), elementwise."""
    return -F.logsigmoid(beta * margins)


@dataclass(frozen=True)
class DPO(ComparesReplies):
    """Reference: the student before training. Setting: beta > 0."""

    beta: float = 0.1
    sampling: ClassVar[Sampling] = Sampling(1, teacher=True, constants=("start",))
    needs_soft: ClassVar[bool] = False
    reference: ClassVar[str] = "start"

    def __post_init__(self) -> None:
        check_setting("beta", self.beta, lambda x: 0 < x < float("inf"), "above 0")

    def of_group(self, replies: Sequence[ReadReply]) -> Tensor:
        """See the module; 0 for a reply alone."""
        best, *others = map(self._reward, replies)
        if not others:
            return 0.0 * best
        return preference_loss(best - torch.stack(others), self.beta).mean()

    def _reward(self, reply: ReadReply) -> Tensor:
        return reply.over(self.reference)


@dataclass(frozen=True)
class DPKD(DPO):
    """Reference: the teacher. Settings: beta > 0; normalised, 1 to divide by lengths, 0 not to."""

    normalised: float = 1
    sampling: ClassVar[Sampling] = Sampling(1, teacher=True, constants=("teacher",))
    needs_soft: ClassVar[bool] = True
    reference: ClassVar[str] = "teacher"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_setting("normalised", self.normalised, lambda x: x in (0, 1), "1 or 0")

    def _reward(self, reply: ReadReply) -> Tensor:
        whole = reply.over(self.reference)
        return whole / len(reply.logp) if self.normalised else whole
