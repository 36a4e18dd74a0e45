"""Losses between a teacher and a student that cut text into different tokens.

`teachers.alignment` lays the teacher's top-k at each of the student's positions n where a token of both
begins; elsewhere nothing is known, and the first two losses are 0 without a gradient. p and q are the
distributions there, over two vocabularies; (i) is the i-th largest.

    uld     sum_i |p_(i) - q_(i)|, i = 1 ... k, and |rest of p - rest of q|         (N,), 0 to 2
    shared  generalised JSD of p and q over the tokens that both have and the rest: beta = 0 forward KL,
            1 reverse KL
    span    generalised JSD of (P, 1 - P) and (Q, 1 - Q) at the last token of a span, 0 elsewhere; P and Q
            are the likelihoods of its text, each over its own tokens

uld is ULD (arXiv 2402.12030), which is added to the cross entropy with a factor of the user's choice (the
method uld has 1): it knows no meaning, so that only shapes are matched. With a top-k it is a
lower bound of the sum over whole vocabularies. shared and span are two of the three parts of TRL's GOLD:
the mass on the shared vocabulary, and the chain rule over spans, the shortest texts that end at a boundary
of both. Its third, the sorted distance over the tokens that only one of both has, on spans that were
merged, is not here (`uld` is that of all tokens, and may be added); nor is its student's own text. By the
data-processing inequality both are lower bounds of the divergence of the next text. Where both tokenizers
are one, shared is that divergence of the top-k exactly, and a span is a token.

Needs one teacher in this process, soft.kind = "topk", the teacher's own replies (on_policy = 0), and
tokenizers that give a text back as they read it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import GJSD, SoftObjective, soft_of
from readsim_hf.objectives.divergences import generalized_jsd, log_probs
from readsim_hf.objectives.sparse import tail_log_mass


@dataclass(frozen=True)
class ULD(SoftObjective):
    """The distance of the sorted probabilities."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        soft = soft_of(targets)
        if soft.kind == "sampled":
            raise ConfigError("soft targets are 'sampled': uld sorts probabilities; store 'topk'")
        p = soft.logp.exp().sort(-1, descending=True).values
        q = logits.float().softmax(-1)
        k = min(p.shape[-1], q.shape[-1])
        top = q.topk(k, dim=-1).values  # sorted
        losses = (F.pad(top, (0, p.shape[-1] - k)) - p).abs().sum(-1)
        losses = losses + ((1 - top.sum(-1)) - (1 - p.sum(-1))).abs()
        return torch.where(p.sum(-1) > 0, losses, 0.0)


@dataclass(frozen=True)
class Shared(GJSD):
    """The divergence over the shared vocabulary. Setting: 0 <= beta <= 1."""

    beta: float = 0.0


@dataclass(frozen=True)
class Span(GJSD):
    """The divergence of two outcomes: the span's text, or any other. Setting: 0 <= beta <= 1."""

    beta: float = 0.0
    whole_replies = True  # a span is not cut

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        if targets.spans is None:
            raise ConfigError("spans is None: span needs a teacher whose tokens were aligned")
        logq = log_probs(logits).gather(-1, targets.tokens[:, None])[:, 0]
        ends = ~targets.spans.isnan()
        begins = torch.ones_like(ends)
        begins[1:] = ends[:-1]
        if targets.rows is not None:
            begins[1:] |= targets.rows[1:] != targets.rows[:-1]
        span = begins.cumsum(0) - 1  # (N,) which span a token belongs to
        likelihood = torch.zeros_like(logq).index_add(
            0, span, logq
        )  # of each span, from place 0 on
        known = targets.spans.isfinite()
        both = [x[known, None] for x in (targets.spans, likelihood[span])]
        logp, seen = (torch.cat([x, tail_log_mass(x)], -1) for x in both)
        return torch.zeros_like(logq).masked_scatter(known, generalized_jsd(logp, seen, self.beta))
