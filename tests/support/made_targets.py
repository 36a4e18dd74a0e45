"""Teachers and students over small vocabularies, and the divergences in numpy."""

from typing import TYPE_CHECKING, Any

import numpy as np

from readsim.arrays import Array

if TYPE_CHECKING:
    from readsim_hf.objectives.base import Targets
    from readsim_hf.teachers.record import SoftKind

# Each with a setting that is not the default, where it has one.
OBJECTIVES: dict[str, dict[str, float]] = {
    "sft": {},
    "soft-sft": {},
    "kd": {"temperature": 2.0},
    "fkl": {},
    "rkl": {},
    "jsd": {},
    "gjsd": {"beta": 0.7},
    "skew-fkl": {},
    "skew-rkl": {},
    "k1": {},
    "k2": {},
    "k3": {},
}
# Those that are a divergence of the two distributions.
DIVERGENCES = ("fkl", "rkl", "jsd", "gjsd", "skew-fkl", "skew-rkl")


def softmax(x: Array, tau: float = 1.0) -> Array:
    e = np.exp((x - x.max(-1, keepdims=True)) / tau)
    out: Array = e / e.sum(-1, keepdims=True)
    return out


def kl(a: Array, b: Array) -> Array:
    out: Array = (a * np.log(a / b)).sum(-1)
    return out


def made(text: str, **settings: float) -> Any:
    """The objective of this text."""
    from readsim_hf.objectives.table import make_objective

    return make_objective(text, **settings)


def pair(seed: int, n: int, v: int) -> tuple[Array, Array, Any, Any]:
    """Logits (n, v) of a teacher and of a student in numpy, and as tensors for the losses."""
    import torch

    t, s = np.random.default_rng(seed).normal(0, 3, (2, n, v))
    teacher, student = (torch.tensor(x, dtype=torch.float32) for x in (t, s))
    return t, s, teacher, student.requires_grad_()


def targets(teacher: Any, kind: "SoftKind", k: int | None = None, seed: int = 0) -> "Targets":
    """What a teacher with these logits (N, V) leaves to train on; its token is its likeliest."""
    import torch

    from readsim_hf.objectives.base import SoftTargets, Targets
    from readsim_hf.objectives.sparse import soft_from_logits

    soft = soft_from_logits(teacher, kind, k, np.random.default_rng(seed))
    ids, logp = torch.from_numpy(soft.ids).long(), torch.from_numpy(soft.logp)
    return Targets(teacher.argmax(-1), SoftTargets(kind, ids, logp))
