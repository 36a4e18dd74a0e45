"""The same losses from a part of the teacher's distribution, and the records that hold such a part.

Top-k. The k entries and one bucket with the rest of the mass, on both sides, are distributions over
k + 1 outcomes, and each divergence of `divergences` applies to them. By the data-processing inequality
it is a lower bound of the same divergence over the vocabulary. Without the bucket, a student could
lower reverse KL by moving its mass out of the top k.

With a temperature, both (k + 1)-outcome distributions are raised to 1 / temperature and normalised. The
loss is 0 exactly where it is without a temperature: the teacher's tempered tail cannot be known from
its mass, so tempering the student before bucketing would compare unlike things, and dropping the tail
would leave the student's mass there free. The result is no bound of the full tempered divergence.

Sampled. An expectation under p becomes a mean over draws from p: value and gradient are unbiased. Only
forward losses are such expectations, and only at temperature 1.
"""

import math
from typing import NamedTuple, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from readsim.errors import ConfigError, unknown
from readsim_hf.objectives.base import SoftTargets
from readsim_hf.objectives.divergences import FLOOR, REVERSE_FLOOR, log_mixture
from readsim_hf.teachers.record import Soft, SoftKind

SOFT_KINDS: tuple[SoftKind, ...] = get_args(SoftKind)

# Below this, one minus the sum of probabilities is rounding error of their float32 logarithms.
_TAIL_FLOOR = 2.0**-24
_ROWS = 64  # positions whose float64 distributions are held at a time


class Truncation(NamedTuple):
    """Teacher mass outside the stored entries, over positions."""

    mean: float
    max: float


def outcomes(soft: SoftTargets, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's log-probabilities and the student's logits over the same outcomes.

    (N, V) when `soft` is full, (N, k + 1) with the tail last when it is top-k, (N, V) again when k = V.
    Raises ConfigError for sampled targets and for a student of another vocabulary size.
    """
    width = logits.shape[-1]
    if soft.kind == "full":
        if soft.logp.shape[-1] != width:
            raise ConfigError(
                f"the student has {width} logits and the teacher's distributions have "
                f"{soft.logp.shape[-1]} entries: cut both to the shared vocabulary (vocabulary.Cut)"
            )
        return soft.logp, logits
    if soft.kind == "sampled":
        raise ConfigError(
            "soft targets are 'sampled': only forward losses at temperature 1 can use draws; "
            "store 'topk' or 'full'"
        )
    logits = logits.float()
    if soft.partial:
        return _known_outcomes(soft, logits)
    top = logits.gather(-1, soft.ids)
    if soft.ids.shape[-1] == width:
        return soft.logp, top
    rest = logits.scatter(-1, soft.ids, -math.inf).logsumexp(-1, keepdim=True)
    return torch.cat([soft.logp, tail_log_mass(soft.logp)], -1), torch.cat([top, rest], -1)


def _known_outcomes(soft: SoftTargets, logits: Tensor) -> tuple[Tensor, Tensor]:
    """`outcomes` (N, k + 1) of a top-k in which -1 stands for tokens that the student does not have: their
    mass is in the tail, they are outcomes that nobody has."""
    unknown = soft.ids < 0
    logp = soft.logp.masked_fill(unknown, -math.inf)
    wide = F.pad(logits, (0, 1), value=-math.inf)  # a column for them
    ids = soft.ids.masked_fill(unknown, logits.shape[-1])
    rest = wide.scatter(-1, ids, -math.inf).logsumexp(-1, keepdim=True)
    return torch.cat([logp, tail_log_mass(logp)], -1), torch.cat([wide.gather(-1, ids), rest], -1)


def said_log_probs(soft: Soft, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
    """The teacher's log-probability of each of the text's own tokens (L,), exactly, at least -87.3.

    It is `soft.said`, or that of the token's entry; nan where neither is there. The mass of a tail stands in
    for nothing here: compared with what a student gave to one token, all that lies outside of a top-k would
    be a reward for saying it.
    """
    if soft.kind == "full":
        out = soft.logp[np.arange(len(tokens)), tokens]
    else:
        hit = soft.ids == np.asarray(tokens)[:, None]
        inside = np.where(hit, soft.logp, -np.inf).max(axis=-1, initial=-np.inf)
        out = np.where(hit.any(-1), inside, np.nan if soft.said is None else soft.said)
    return np.maximum(out, REVERSE_FLOOR).astype(np.float32)


def tail_log_mass(logp: Tensor) -> Tensor:
    """Log of the mass outside (N, k) top entries: (N, 1), at least log 2^-24.

    Float32 log-probabilities tell the mass to about 1e-7.
    """
    mass = 1 - logp.double().exp().sum(-1, keepdim=True)
    return mass.clamp_min(_TAIL_FLOOR).log().float()


def sampled_cross_entropy(ids: Tensor, logits: Tensor) -> Tensor:
    """Mean of -log q over draws `ids` (N, n) from p: unbiased for -sum p log q."""
    return -_log_probs_at(ids, logits).mean(-1)


def sampled_forward_kl(ids: Tensor, logp: Tensor, logits: Tensor) -> Tensor:
    """Mean of log(p / q) over draws from p: unbiased for KL(p || q), below 0 for some draws."""
    return (logp - _log_probs_at(ids, logits)).mean(-1)


def sampled_skew_forward_kl(ids: Tensor, logp: Tensor, logits: Tensor, alpha: float) -> Tensor:
    """Mean of log(p / (alpha p + (1 - alpha) q)) over draws from p: unbiased for skew forward KL."""
    return (logp - log_mixture(logp, _log_probs_at(ids, logits), alpha)).mean(-1)


def _log_probs_at(ids: Tensor, logits: Tensor) -> Tensor:
    logits = logits.float()
    return (logits.gather(-1, ids) - logits.logsumexp(-1, keepdim=True)).clamp_min(FLOOR)


def soft_from_logits(
    logits: Tensor,
    kind: SoftKind,
    k: int | None = None,
    generator: np.random.Generator | None = None,
    said: Tensor | None = None,
) -> Soft:
    """The record of a teacher's logits (L, V), already cut to the shared vocabulary.

    `k` is the number of entries ('topk', 1 to V) or of draws ('sampled', at least 1), and None for
    'full'. Only 'sampled' uses the generator: L k uniform numbers. `said` (L,) are the text's own
    tokens, where it is known. Raises ConfigError, or UnknownNameError for another kind.
    """
    rows, width = logits.shape
    if kind not in SOFT_KINDS:
        raise unknown("kind of soft targets", kind, SOFT_KINDS)
    if kind == "full":
        if k is not None:
            raise ConfigError(f"k is {k!r}: full distributions take none; use 'topk' or 'sampled'")
        k = 0
    elif not isinstance(k, int) or isinstance(k, bool) or k < 1 or (kind == "topk" and k > width):
        limit = f" and at most {width}" if kind == "topk" else ""
        raise ConfigError(f"k is {k!r}: {kind!r} needs an integer of at least 1{limit}")
    if kind == "sampled" and generator is None:
        raise ConfigError("kind 'sampled' needs a generator for its draws")
    ids = np.empty((rows, k), np.int32)
    logp = np.empty((rows, width if kind == "full" else k), np.float32)
    own = np.empty(rows, np.float32)
    uniform = generator.random((rows, k)) if kind == "sampled" and generator is not None else ids
    for start in range(0, rows, _ROWS):
        some = slice(start, start + _ROWS)
        # In float64: the tail of a sure teacher is lost in a float32 normaliser.
        full = logits[some].detach().double().log_softmax(-1)
        if bool(full.isnan().any()):
            raise ConfigError(f"the teacher's logits from position {start} on are no distribution")
        if kind == "full":
            logp[some] = full.float().cpu().numpy()
            continue
        if kind == "topk":
            at = full.topk(k, dim=-1).indices
        else:
            at = draw(full, torch.from_numpy(uniform[some]).to(full.device))
        ids[some] = at.cpu().numpy()
        logp[some] = full.gather(-1, at).float().cpu().numpy()
        if said is not None:
            tokens = said[some].long().to(full.device)[:, None]
            own[some] = full.gather(-1, tokens)[:, 0].float().cpu().numpy()
    return Soft(kind, ids, logp, None if said is None or kind == "full" else own)


def draw(logp: Tensor, uniform: Tensor) -> Tensor:
    """Ids (L, n) of float64 log-probabilities (L, V) by the inverse distribution function, at uniform numbers
    (L, n) in [0, 1); what has no probability is never drawn."""
    reached = logp.exp().cumsum(-1)
    total = reached[:, -1:]
    below = torch.minimum(uniform * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(reached, below, right=True)


def truncation_report(soft: Soft) -> Truncation:
    """Teacher mass that a top-k record keeps in its tail bucket; 0 for the other kinds."""
    if soft.kind != "topk" or not len(soft.logp):
        return Truncation(0.0, 0.0)
    outside = np.maximum(1 - np.exp(soft.logp.astype(np.float64)).sum(-1), 0)
    return Truncation(float(outside.mean()), float(outside.max()))
