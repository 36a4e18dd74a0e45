"""The objectives written out in float64: what a device's losses are held against."""

import math

import torch
from torch import Tensor

from readsim_hf.objectives.base import SoftTargets, Targets
from readsim_hf.objectives.table import TABLE


def reference(name: str, logits: Tensor, targets: Targets) -> Tensor:
    """Mean loss of the objective `name` with its default settings, on float64 logits (N, V)."""
    logq = logits.log_softmax(-1)
    hard = -logq.gather(-1, targets.tokens[:, None])[:, 0].mean()
    if name == "sft":
        return hard
    soft = targets.soft
    assert soft is not None
    if name == "kd":
        return 0.5 * hard + 0.5 * _soft("fkl", soft, logq)  # alpha = 0.5, temperature 1
    if name in ("k1", "k2", "k3"):
        return _drawn(name, soft, logq, targets.tokens)
    return _soft(name, soft, logq)


def _drawn(name: str, soft: SoftTargets, logq: Tensor, tokens: Tensor) -> Tensor:
    """From the tokens alone, as if the student had drawn them."""
    logp, at = soft.logp.double(), tokens
    if soft.kind == "topk":
        hit = soft.ids == tokens[:, None]
        at = torch.where(hit.any(-1), hit.int().argmax(-1), soft.ids.shape[-1])
        logp, logq = _with_rest(logp), _with_rest(logq.gather(-1, soft.ids))
    d = (logq - logp).gather(-1, at[:, None])[:, 0]
    if name == "k1":
        return (d.detach() * (1 + d - d.detach())).mean()
    return (d.square() / 2 if name == "k2" else (-d).exp() - 1 + d).mean()


def _soft(name: str, soft: SoftTargets, logq: Tensor) -> Tensor:
    logp = soft.logp.double()
    if soft.kind == "sampled":  # draws of the teacher's: means over them
        at = logq.gather(-1, soft.ids)
        if name == "soft-sft":
            return -at.mean()
        return (logp - (_mixed(logp, at, 0.1) if name == "skew-fkl" else at)).mean()
    if soft.kind == "topk":  # and a bucket with the rest
        logq = _with_rest(logq.gather(-1, soft.ids))
        logp = _with_rest(logp)
    if name == "soft-sft":
        return -(logp.exp() * logq).sum(-1).mean()
    if name in ("jsd", "gjsd"):  # beta = 0.5
        middle = _mixed(logp, logq, 0.5)
        return 0.5 * _kl(logp, middle) + 0.5 * _kl(logq, middle)
    return {
        "fkl": lambda: _kl(logp, logq),
        "shared": lambda: _kl(logp, logq),
        "rkl": lambda: _kl(logq, logp),
        "skew-fkl": lambda: _kl(logp, _mixed(logp, logq, 0.1)),
        "skew-rkl": lambda: _kl(logq, _mixed(logp, logq, 0.9)),
    }[name]()


def _kl(a: Tensor, b: Tensor) -> Tensor:
    return (a.exp() * (a - b)).sum(-1).mean()


def _mixed(a: Tensor, b: Tensor, weight: float) -> Tensor:
    return torch.logaddexp(a + math.log(weight), b + math.log1p(-weight))


def _with_rest(logs: Tensor) -> Tensor:
    return torch.cat([logs, torch.log1p(-logs.exp().sum(-1, keepdim=True))], -1)


NAMES = tuple(name for name in TABLE if name not in ("hidden", "uld", "span"))  # of logits alone
