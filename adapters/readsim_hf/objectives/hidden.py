"""Losses between hidden states of student and teacher on the same text: TinyBERT (1909.10351), PKD
(1908.09355), CKA (1905.00414; for distillation 2402.11148).

For a pair of layers with states s (N, D) and t (N, D') at the N supervised positions, P a learned D' x D
matrix where the widths differ and the identity where they are one:

    cosine    1 - cos(P s_n, t_n)                            (N,), from 0 to 2
    mse       |P s_n - t_n|^2 / D'                           (N,)
    cka       1 - <K, L> / (|K| |L|), at each n of a reply   from 0 to 1; any widths, nothing is learned

K = S_c S_c', L = T_c T_c' are Gram matrices of a reply's positions, centred over them: replies of one or
two tokens have no loss. The loss is the mean over the pairs; it is 0 where student and teacher are one.

`layers` is text such as "2:4 6:12", student : teacher, from 0 (embeddings) to the number of layers (what the
head reads); without it each layer of the student has the one at the same share of the teacher's depth.

Needs a teacher in this process with the student's token ids (`training.layer_pairs`): no distributions, no
served teacher, no store, one process.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from readsim.errors import ConfigError, unknown
from readsim_hf.objectives.base import Targets

Kind = Literal["cosine", "mse", "cka"]
_TINY = 1e-12


@dataclass(frozen=True)
class Hidden:
    """Mean loss of its layer pairs, which `training.layer_pairs` computes of a batch (`Targets.beside`)."""

    kind: Kind = "cosine"
    layers: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind of hidden", str(self.kind), get_args(Kind))
        self._named()

    @property
    def needs_soft(self) -> bool:
        return False

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        if targets.beside is None:
            raise ConfigError(
                "beside is None: the objective 'hidden' needs the states of a teacher"
            )
        return targets.beside

    def pairs(self, student: int, teacher: int) -> tuple[tuple[int, int], ...]:
        """Layers of student and teacher, which have so many. ConfigError for what they do not have."""
        named = self._named()
        for one, other in named:
            if one > student or other > teacher:
                raise ConfigError(
                    f"layers = {self.layers!r}: '{one}:{other}' cannot be matched; the student has layers 0 "
                    f"to {student}, the teacher 0 to {teacher}"
                )
        return named or tuple((n, -(-n * teacher // student)) for n in range(1, student + 1))

    def _named(self) -> tuple[tuple[int, int], ...]:
        """The pairs that `layers` names. ConfigError for what is no pair."""
        out = []
        for pair in str(self.layers).split():
            ends = pair.split(":")
            if len(ends) != 2 or not all(end.isdecimal() for end in ends):
                raise ConfigError(
                    f"layers = {self.layers!r}: {pair!r} is no pair; accepted: STUDENT:TEACHER, such as 2:4"
                )
            out.append((int(ends[0]), int(ends[1])))
        return tuple(out)


def cosine_distance(s: Tensor, t: Tensor) -> Tensor:
    """1 - cos of states (N, D): (N,)."""
    cos: Tensor = F.cosine_similarity(s, t, dim=-1)
    return 1 - cos


def mean_square(s: Tensor, t: Tensor) -> Tensor:
    """|s - t|^2 / D of states (N, D): (N,)."""
    return (s - t).square().mean(-1)


def cka_distance(s: Tensor, t: Tensor) -> Tensor:
    """1 - linear CKA of states (n, D), (n, D') of one reply; 0 without a gradient for n < 3."""
    if len(s) < 3:
        return s.new_zeros(())
    k, m = ((x @ x.T) for x in (s - s.mean(0), t - t.mean(0)))
    out: Tensor = 1 - (k * m).sum() / (k.norm() * m.norm()).clamp_min(_TINY)
    return out


def state_losses(kind: Kind, s: Tensor, t: Tensor, rows: Tensor) -> Tensor:
    """Losses (N,) of states (N, D), (N, D') whose examples are `rows` (N,), ascending."""
    if kind == "cosine":
        return cosine_distance(s, t)
    if kind == "mse":
        return mean_square(s, t)
    sizes = torch.unique_consecutive(rows, return_counts=True)[1].tolist()
    each = zip(torch.split(s, sizes), torch.split(t, sizes), strict=True)
    return torch.cat([cka_distance(a, b).expand(len(a)) for a, b in each])
