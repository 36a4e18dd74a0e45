"""PLaD (arXiv 2406.02886): the teacher's reply is to be likelier than the student's own, by a margin.

    loss = max(0, m - l(y+) + l(y-)),   l(y) = log pi(y) / |y|        a pair; a group's pairs are averaged
    m    = margin + scored * (s(y+) - s(y-)),   s(y) = log p_T(y) / |y|

`margin` alone is the paper's ranking loss; `margin = 0, scored = 1` its margin loss, with the teacher's mean
log-probability as the score. Log-likelihoods are divided by lengths, which is ours: a margin then means the
same for short replies and long ones. A pair that is far enough apart has no gradient.

With scored = 0 it needs text alone, so that the teacher may be any server; else the teacher's distributions
on both replies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from readsim_hf.objectives.baselines import check_setting
from readsim_hf.objectives.compared import ComparesReplies, ReadReply
from readsim_hf.objectives.sampling import Sampling


def hinge(better: Tensor, worse: Tensor, margin: Tensor | float) -> Tensor:
    """max(0, margin - better + worse), elementwise."""
    return (margin - better + worse).clamp_min(0.0)


@dataclass(frozen=True)
class PLaD(ComparesReplies):
    """Settings: margin >= 0 and scored >= 0, not both 0."""

    margin: float = 1.0
    scored: float = 0.0

    def __post_init__(self) -> None:
        for name in ("margin", "scored"):
            value = getattr(self, name)
            check_setting(name, value, lambda x: 0 <= x < float("inf"), "of at least 0")
        if not self.margin + self.scored:
            check_setting("margin", self.margin, lambda x: x > 0, "above 0 where scored is 0")

    @property
    def needs_soft(self) -> bool:
        return self.scored > 0

    @property
    def sampling(self) -> Sampling:
        """Pairs; their scores where the margin needs them."""
        return Sampling(1, teacher=True, constants=("score",) if self.scored else ())

    def of_group(self, replies: Sequence[ReadReply]) -> Tensor:
        """See the module; 0 for a reply alone."""
        best, *others = replies
        if not others:
            return 0.0 * best.mean
        margins = [
            self.margin + self.scored * (best.constants["score"][0] - other.constants["score"][0])
            if self.scored
            else self.margin
            for other in others
        ]
        pairs = zip(margins, others, strict=True)
        return torch.stack([hinge(best.mean, other.mean, m) for m, other in pairs]).mean()
