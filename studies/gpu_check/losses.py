"""Losses of every objective, and their gradients, on a device in fp32 and bf16 beside float64 on the CPU."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from readsim_hf.objectives.base import SoftTargets, Targets
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.objectives.table import TABLE, make_objective
from readsim_hf.teachers.record import SoftKind
from studies.gpu_check.check import Check
from studies.gpu_check.reference import NAMES, reference

POSITIONS, WIDTH, VOCABULARY, K = 96, 64, 1000, 32
# Relative errors that rounding explains: bfloat16 has 8 bits, a product over WIDTH of them.
BOUNDS = {"fp32": (1e-4, 1e-3), "bf16": (0.03, 0.1)}


def made(kind: SoftKind) -> tuple[Tensor, Tensor, Targets]:
    """States (N, D), an output layer (V, D), and targets, on the CPU."""
    draws = torch.Generator().manual_seed(0)
    hidden = torch.randn((POSITIONS, WIDTH), generator=draws)
    head = torch.randn((VOCABULARY, WIDTH), generator=draws) * 3 / WIDTH**0.5
    teacher = torch.randn((POSITIONS, VOCABULARY), generator=draws) * 3
    soft = soft_from_logits(teacher, kind, K if kind != "full" else None, np.random.default_rng(0))
    stored = SoftTargets(kind, torch.from_numpy(soft.ids).long(), torch.from_numpy(soft.logp))
    return hidden, head, Targets(teacher.argmax(-1), stored)


def _on(targets: Targets, device: torch.device) -> Targets:
    soft = targets.soft
    if soft is not None:
        soft = SoftTargets(soft.kind, soft.ids.to(device), soft.logp.to(device))
    return Targets(targets.tokens.to(device), soft)


def errors(name: str, kind: SoftKind, device: torch.device, precision: str) -> tuple[float, float]:
    """Relative errors of the mean loss and of its gradient for the states (of norms)."""
    hidden, head, targets = made(kind)
    exact = hidden.double().requires_grad_()
    expected = reference(name, exact @ head.double().T, targets)
    [slope] = torch.autograd.grad(expected, exact)
    states = hidden.to(device).requires_grad_()
    weights, there = head.to(device), _on(targets, device)
    mixed = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    with mixed:
        found = make_objective(name)(torch.nn.functional.linear(states, weights), there).mean()
    [ours] = torch.autograd.grad(found, states)
    off = (ours.detach().double().cpu() - slope).norm() / slope.norm()
    value, right = float(found.detach()), float(expected.detach())
    return abs(value - right) / abs(right), float(off)


def alone(name: str, kind: SoftKind, device: torch.device) -> tuple[float, float]:
    """Relative errors of the loss, and of its gradient, on bfloat16 logits, which are exact here: only what
    the loss itself computes in less than float32 is off."""
    hidden, head, targets = made(kind)
    logits = (hidden @ head.T).bfloat16()
    exact = logits.double().requires_grad_()
    expected = reference(name, exact, targets)
    [slope] = torch.autograd.grad(expected, exact)
    there = logits.to(device).requires_grad_()
    with torch.autocast(device.type, torch.bfloat16):
        found = make_objective(name)(there, _on(targets, device)).mean()
    [ours] = torch.autograd.grad(found, there)
    value, right = float(found.detach()), float(expected.detach())
    off = (ours.double().cpu() - slope).norm() / slope.norm()
    return abs(value - right) / abs(right), float(off)


def checks(device: torch.device) -> list[Check]:
    """The worst kind of stored distributions of each objective, at both precisions."""
    out = []
    for name, rule in ((name, TABLE[name]) for name in NAMES):
        each = [alone(name, kind, device) for kind in rule.kinds]
        loss, slope = (max(e[part] for e in each) for part in (0, 1))
        out.append(Check(f"loss {name} on bf16 logits: computed in fp32", loss, 1e-4))
        out.append(Check(f"gradient {name} on bf16 logits", slope, 1e-2))
    for precision, (most, most_slope) in BOUNDS.items():
        for name, rule in ((name, TABLE[name]) for name in NAMES):
            each = [errors(name, kind, device, precision) for kind in rule.kinds]
            loss, slope = (max(e[part] for e in each) for part in (0, 1))
            kinds = ", ".join(rule.kinds)
            out.append(Check(f"loss {name}, {precision}: relative error", loss, most, note=kinds))
            out.append(Check(f"gradient {name}, {precision}", slope, most_slope, note=kinds))
    return out
