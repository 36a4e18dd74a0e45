"""The loss of the student against itself: 0 where labels, masks and padding are right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from readsim_hf.components import Components
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.objectives.across import Span
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.baselines import KD, SFT, ForwardKL, SoftSFT
from readsim_hf.objectives.hidden import Hidden
from readsim_hf.objectives.origin import On
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.objectives.selection import Selected
from readsim_hf.objectives.sums import Sum
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.teachers.record import soft_at
from readsim_hf.teachers.scoring import Passage, SoftSettings, score
from readsim_hf.training.batch import Example
from readsim_hf.training.logits import bare
from readsim_hf.training.student import Student

# Nats a token. What rounding alone makes is far below: 1e-7 in float32, 1e-3 in bfloat16.
BOUNDS = {"fp32": 1e-5, "bf16": 2e-2}
K = 64  # entries a position, where the run stores no distributions


@dataclass(frozen=True)
class SelfLoss:
    """`loss` in nats a token; 0 is right, and not above `bound`. `objective` is what was minimised."""

    loss: float
    bound: float
    tokens: int
    objective: str

    @property
    def ok(self) -> bool:
        """False for a loss that is not a number, too."""
        return abs(self.loss) <= self.bound


def divergence(objective: Objective) -> Objective:
    """The part of an objective that is 0 where teacher and student are the same; forward KL for one
    without such a part."""
    if isinstance(objective, Cut):
        return replace(objective, objective=divergence(objective.objective))
    if isinstance(objective, On | Selected):
        return divergence(objective.objective)
    if isinstance(objective, Sum):  # their mean: what rounding makes does not grow with the weights
        terms = tuple(map(divergence, objective.terms))
        return Sum((1 / len(terms),) * len(terms), terms)
    if isinstance(objective, KD):
        return replace(objective, alpha=1.0)
    grouped = sampling_of(objective) is not None  # it trains on what the student wrote for it
    plain = isinstance(objective, SFT | SoftSFT | Hidden | Span)
    return ForwardKL() if grouped or plain else objective


def self_loss(parts: Components, examples: Sequence[Example]) -> SelfLoss:
    """One optimiser step on these examples, of a student that is its own teacher and is then thrown away.

    The distributions come from `score`, which pads on the right; the loss from the trainer's own batches,
    which pad on the left.
    """
    goal = divergence(parts.objective)
    student = Student(parts.pair.fresh_student(), parts.recipe, goal)
    model = bare(student.model)
    vocab = goal.size if isinstance(goal, Cut) else vocabulary_size(model.config)
    soft = parts.teacher.soft or SoftSettings("topk", min(K, vocab))
    passages = [
        Passage(e.record.prompt_ids, e.record.completion_ids, e.record.span) for e in examples
    ]
    with student.autocast():
        softs = score(model, passages, soft, vocab=vocab, batch_size=1)
    own = [
        Example(replace(e.record, soft=soft_at(s, e.record)), e.tokens)
        for e, s in zip(examples, softs, strict=True)
    ]
    window = student.train_window(own, 0.0)
    inner = goal.objective if isinstance(goal, Cut) else goal
    return SelfLoss(
        window.loss, BOUNDS[parts.recipe.precision], window.tokens, type(inner).__name__
    )
