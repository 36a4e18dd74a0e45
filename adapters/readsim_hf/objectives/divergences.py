"""Losses between a teacher's distribution p and a student's q, one number a position, in nats.

Each takes the teacher's log-probabilities `logp` (N, V), which may hold -inf, and the student's logits
(N, V) in any float type, and returns (N,) in float32. Gradients flow to the logits only.

Two guards keep values and gradients finite. A log-probability counts as at least -10000. In reverse KL,
which weighs log p by q, log p counts as at least -87.3, the log of float32's smallest normal number:
student mass on a token that the teacher never says costs 87.3 nats a unit, and no more.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = -1e4
REVERSE_FLOOR = math.log(torch.finfo(torch.float32).tiny)


def log_probs(logits: Tensor) -> Tensor:
    """The student's log q (N, V), float32, at least -10000."""
    return F.log_softmax(logits.float(), dim=-1).clamp_min(FLOOR)


def temper(logp: Tensor, temperature: float) -> Tensor:
    """Log-probabilities (N, V) of the distribution proportional to p^(1 / temperature)."""
    return logp if temperature == 1 else F.log_softmax(logp / temperature, dim=-1)


def token_cross_entropy(tokens: Tensor, logits: Tensor) -> Tensor:
    """-log q(token), `tokens` (N,) int64: the summand of the survey's Eq. 9."""
    return F.cross_entropy(logits.float(), tokens, reduction="none")


def soft_cross_entropy(logp: Tensor, logits: Tensor) -> Tensor:
    """-sum p log q. Its gradient is that of `forward_kl`; its value is larger by p's entropy."""
    return -(logp.exp() * log_probs(logits)).sum(-1)


def forward_kl(logp: Tensor, logits: Tensor) -> Tensor:
    """KL(p || q) = sum p log(p / q): wants q to cover all of p."""
    return _kl(logp.clamp_min(FLOOR), log_probs(logits))


def reverse_kl(logp: Tensor, logits: Tensor) -> Tensor:
    """KL(q || p) = sum q log(q / p): wants q inside p. At most 87.3 by the guard above."""
    return _kl(log_probs(logits), logp.clamp_min(REVERSE_FLOOR))


def jensen_shannon(logp: Tensor, logits: Tensor) -> Tensor:
    """KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2: symmetric, between 0 and ln 2."""
    return generalized_jsd(logp, logits, 0.5)


def generalized_jsd(logp: Tensor, logits: Tensor, beta: float) -> Tensor:
    """beta KL(p || m) + (1 - beta) KL(q || m), m = beta p + (1 - beta) q: GKD (2306.13649), Eq. 1.

    This is 0 at both ends of [0, 1]; there, as in TRL, beta = 0 is `forward_kl` and 1 is `reverse_kl`.
    """
    if beta == 0:
        return forward_kl(logp, logits)
    if beta == 1:
        return reverse_kl(logp, logits)
    logp, logq = logp.clamp_min(FLOOR), log_probs(logits)
    mixture = log_mixture(logp, logq, beta)
    return beta * _kl(logp, mixture) + (1 - beta) * _kl(logq, mixture)


def skew_forward_kl(logp: Tensor, logits: Tensor, alpha: float) -> Tensor:
    """KL(p || alpha p + (1 - alpha) q), 0 < alpha < 1: DistiLLM (2402.03898). At most -ln alpha."""
    logp = logp.clamp_min(FLOOR)
    return _kl(logp, log_mixture(logp, log_probs(logits), alpha))


def skew_reverse_kl(logp: Tensor, logits: Tensor, alpha: float) -> Tensor:
    """KL(q || (1 - alpha) p + alpha q), 0 < alpha < 1: DistiLLM (2402.03898). At most -ln alpha.

    The gradient is the equation's: it flows through the mixture too.
    """
    logq = log_probs(logits)
    return _kl(logq, log_mixture(logp.clamp_min(FLOOR), logq, 1 - alpha))


def log_mixture(logp: Tensor, logq: Tensor, weight: float) -> Tensor:
    """log(weight p + (1 - weight) q), elementwise, of finite logarithms; 0 < weight < 1."""
    return torch.logaddexp(logp + math.log(weight), logq + math.log1p(-weight))


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """sum a log(a / b) of finite logarithms."""
    return (log_a.exp() * (log_a - log_b)).sum(-1)
