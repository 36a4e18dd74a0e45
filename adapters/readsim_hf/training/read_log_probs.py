"""Log-probabilities of the supervised tokens of examples, one reading of each."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from readsim.errors import TrainingError
from readsim_hf.objectives.divergences import token_cross_entropy
from readsim_hf.objectives.vocabulary import cut_logits
from readsim_hf.teachers.inference import batches, reads_padding
from readsim_hf.training.batch import Example, collate
from readsim_hf.training.logits import bare, logits_in_pieces


def read_log_probs(
    model: nn.Module,
    examples: Sequence[Example],
    vocabulary: int | None = None,
    *,
    size: int = 32,
    tokens: int = 8_192,
    whose: str = "the student's",
) -> list[NDArray[np.float32]]:
    """log p(token) at each example's supervised tokens (L_i,), over the first `vocabulary` ids (None: all).

    size, tokens   examples, and tokens with padding, of one forward pass
    whose          for messages

    Raises TrainingError where one is NaN.
    """
    inner = bare(model)
    lengths = [len(r.prompt_ids) + int(r.places[n - 1]) + 1 for r, n in examples]
    out: list[NDArray[np.float32]] = [np.zeros(n, dtype=np.float32) for _, n in examples]
    for rows in batches(lengths, size, equal=reads_padding(inner), tokens=tokens):
        batch = collate([examples[row] for row in rows], inner.device)
        found = []
        for at, logits in logits_in_pieces(inner, batch):
            kept = logits if vocabulary is None else cut_logits(logits, vocabulary)
            found.append(-token_cross_entropy(batch.targets.tokens[at], kept))
        values = torch.cat(found).cpu().numpy()
        for row, part in zip(rows, np.split(values, _ends(examples, rows)), strict=True):
            out[row] = part
    require_numbers(out, whose)
    return out


def require_numbers(values: Sequence[NDArray[np.float32]], whose: str) -> None:
    """TrainingError where log-probabilities are NaN."""
    bad, all_ = sum(int(np.isnan(one).sum()) for one in values), sum(map(len, values))
    if bad:
        raise TrainingError(
            f"{whose} log-probabilities are NaN at {bad} of {all_} tokens of replies: check the weights; for "
            "the student's own, lower training.learning_rate or use precision = 'fp32'"
        )


def _ends(examples: Sequence[Example], rows: Sequence[int]) -> list[int]:
    """Where each row's tokens end but the last one's."""
    return list(accumulate(examples[row].tokens for row in rows))[:-1]
