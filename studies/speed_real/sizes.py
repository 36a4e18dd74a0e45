"""The models and texts of the measurements: random ones, since speed does not depend on the weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from readsim_hf.models.tiny import tiny_model
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.record import Soft, SoftKind, TeacherRecord
from readsim_hf.training.batch import Example


@dataclass(frozen=True)
class Size:
    """A student and a teacher of one width, and B sequences of `length` tokens, half of them replies."""

    name: str
    vocabulary: int
    width: int
    layers: int
    teacher_layers: int
    batch: int = 32
    length: int = 128

    @property
    def half(self) -> int:
        """Tokens of a prompt, and of a reply: the supervised ones."""
        return self.length // 2

    @property
    def k(self) -> int:
        """Entries of a top-k distribution."""
        return min(64, self.vocabulary // 4)

    def model(self, layers: int, seed: int) -> PreTrainedModel:
        """A random Llama."""
        return tiny_model(
            "llama", self.vocabulary, layers, self.width, seed, context=self.length, eos_token_id=1
        )

    def student(self) -> PreTrainedModel:
        """The same weights at each call."""
        return self.model(self.layers, 0)

    def teacher(self) -> PreTrainedModel:
        """Deeper than the student, frozen."""
        model = self.model(self.teacher_layers, 1)
        model.requires_grad_(False)
        return model


NANO = Size("nano student (0.1M, V = 99)", 99, 64, 2, 4)
LARGE = Size("10M Llama (V = 49152)", 49152, 160, 6, 6, batch=16)


def texts(size: Size, seed: int) -> np.ndarray:
    """Token ids (B, length)."""
    draws = np.random.default_rng(seed)
    return draws.integers(2, size.vocabulary, (size.batch, size.length)).astype(np.int32)


def records(size: Size, kind: SoftKind, seed: int) -> list[TeacherRecord]:
    """One window's records with made-up distributions, of the sizes that a teacher's have."""
    draws = torch.Generator().manual_seed(seed)
    entries = None if kind == "full" else size.k
    made = []
    for ids in texts(size, seed):
        logits = 3 * torch.randn((size.half, size.vocabulary), generator=draws)
        made.append(record(size, ids, soft_from_logits(logits, kind, entries)))
    return made


def record(size: Size, ids: np.ndarray, soft: Soft | None) -> TeacherRecord:
    """A text whose second half is supervised."""
    prompt, reply = ids[: size.half], ids[size.half :]
    return TeacherRecord("math", prompt, reply, (0, len(reply)), soft)


def examples(some: Sequence[TeacherRecord]) -> list[Example]:
    """All supervised tokens of each record."""
    return [Example(r, r.supervised) for r in some]
