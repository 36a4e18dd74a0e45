"""Who writes the student's text: the student here, or a server that holds a copy of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from readsim_hf.teachers.decoding import Decoding, generate
from readsim_hf.teachers.ids import Ids
from readsim_hf.teachers.inference import computing
from readsim_hf.training.logits import bare


class Drawing(NamedTuple):
    """How replies are drawn: up to their first of `ends`, and no id from `vocab` on. What is drawn depends on
    the prompt's ids, the temperature and `attempt`."""

    decoding: Decoding
    ends: Sequence[int]
    vocab: int
    attempt: int = 0


class Written(NamedTuple):
    """A reply's tokens (L,), with the end token unless it was cut, and the log-probabilities (L,) that the
    weights which wrote it gave them; None where these are the student's own, which can be asked."""

    ids: NDArray[np.int32]
    logp: NDArray[np.float32] | None = None


class Writer(Protocol):
    """Writes as the student would."""

    def sync(self) -> None:
        """Write with the student's weights as they are now, until the next call."""

    def write(self, prompts: Sequence[Ids], drawing: Drawing) -> list[Written]:
        """The reply to each prompt of token ids, in the order given."""


class InProcess:
    """The student itself, in this process: it always writes with its weights as they are.

    student     gives the model; `precision` is that of its training
    """

    def __init__(self, student: Callable[[], nn.Module], precision: str) -> None:
        self._student, self._precision = student, precision

    def sync(self) -> None:
        """Nothing: there is no copy."""

    def write(self, prompts: Sequence[Ids], drawing: Drawing) -> list[Written]:
        """See `Writer`, and `generate` for the draws."""
        model, (decoding, ends, vocab, attempt) = bare(self._student()), drawing
        with computing(self._precision, model.device.type):
            made = generate(model, prompts, decoding, ends=ends, vocab=vocab, attempt=attempt)
        return [Written(ids) for ids in made]
