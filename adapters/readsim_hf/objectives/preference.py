"""The teacher's reply preferred to the student's own: DPO and DPKD.

    loss = -log sigmoid(beta [log pi(y+)/ref(y+) - log pi(y-)/ref(y-)])        a pair

y+ is the teacher's reply, y- one of the student's (`sampling.samples`), over which the loss is averaged. The
reference is the student before
training in `dpo` (arXiv 2305.18290; the adapters switched off under LoRA), and the teacher itself in `dpkd`
(2406.19774), whose reward is how far the student goes beyond its teacher. Log-probabilities are of whole
replies. At the start of training `dpo` is log 2.

`dpo` needs text alone, so that the teacher may be any server. `dpkd` needs the teacher's distributions; of a
token outside of a top-k record the rest of the mass counts, so take 'full' or a large k.
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
        best, *others = (reply.over(self.reference) for reply in replies)
        if not others:
            return 0.0 * best
        return preference_loss(best - torch.stack(others), self.beta).mean()


@dataclass(frozen=True)
class DPKD(DPO):
    """Reference: the teacher. Setting: beta > 0."""

    sampling: ClassVar[Sampling] = Sampling(1, teacher=True, constants=("teacher",))
    needs_soft: ClassVar[bool] = True
    reference: ClassVar[str] = "teacher"
