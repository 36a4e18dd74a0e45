"""How close a student's next-token choices are to the teacher's on held-out prompts."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from readsim.errors import ConfigError
from readsim_hf.objectives.baselines import ForwardKL
from readsim_hf.objectives.chunks import targets_at
from readsim_hf.objectives.vocabulary import cut_logits
from readsim_hf.teachers.inference import reads_padding
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.batch import Example, collate
from readsim_hf.training.logits import bare, logits_in_pieces


class Agreement(NamedTuple):
    """Over supervised positions: share of equal most likely tokens, mean KL(teacher || student)."""

    top1: float
    kl: float
    positions: int


def agreement(
    model: nn.Module, records: Sequence[TeacherRecord], vocabulary: int, batch: int = 16
) -> Agreement:
    """Of a student with a teacher whose full or top-k distributions the records hold.

    The KL is over the stored outcomes: for top-k with the tail as one of them.
    """
    inner, kl = bare(model), ForwardKL()
    batch = 1 if reads_padding(inner) else batch
    equal = total = 0.0
    count = 0
    with torch.no_grad():
        for start in range(0, len(records), batch):
            part = [Example(r, r.supervised) for r in records[start : start + batch]]
            tensors = collate(part, inner.device)
            soft = tensors.targets.soft
            if soft is None or soft.kind == "sampled":
                raise ConfigError("agreement needs full or top-k distributions of the teacher")
            best = soft.logp.argmax(-1, keepdim=True)
            teacher = best if soft.kind == "full" else soft.ids.gather(-1, best)
            for rows, whole in logits_in_pieces(inner, tensors):
                logits = cut_logits(whole, vocabulary)
                equal += float((logits.argmax(-1) == teacher[rows, 0]).sum())
                total += float(kl(logits, targets_at(tensors.targets, rows)).sum())
                count += len(logits)
    if not count:
        raise ConfigError("agreement of no records")
    return Agreement(equal / count, total / count, count)
