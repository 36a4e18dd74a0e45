"""Each divergence over the whole vocabulary against its equation, its bounds, its gradient."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from tests.support.made_targets import kl, pair, softmax

pytestmark = pytest.mark.extra("torch")

SHAPES = given(seed=st.integers(0, 10**6), n=st.integers(1, 5), v=st.integers(2, 9))


def close(loss: Any, reference: Array) -> None:
    assert loss.shape == reference.shape
    assert str(loss.dtype) == "torch.float32"
    np.testing.assert_allclose(loss.detach().numpy(), reference, rtol=2e-5, atol=2e-6)


def both(seed: int, n: int, v: int) -> tuple[Array, Array, Any, Any]:
    """p and q in numpy; log p and the student's logits, which the losses take, as tensors."""
    t, s, teacher, student = pair(seed, n, v)
    return softmax(t), softmax(s), teacher.log_softmax(-1), student


@SHAPES
def test_losses_are_their_equations(seed: int, n: int, v: int) -> None:
    import torch

    from readsim_hf.objectives import divergences as d

    p, q, logp, logits = both(seed, n, v)
    m = (p + q) / 2
    tokens = np.random.default_rng(seed).integers(v, size=n)
    close(d.token_cross_entropy(torch.tensor(tokens), logits), -np.log(q[np.arange(n), tokens]))
    close(d.soft_cross_entropy(logp, logits), -(p * np.log(q)).sum(-1))
    close(d.forward_kl(logp, logits), kl(p, q))
    close(d.reverse_kl(logp, logits), kl(q, p))
    close(d.jensen_shannon(logp, logits), kl(p, m) / 2 + kl(q, m) / 2)
    b = 0.3
    m = b * p + (1 - b) * q
    close(d.generalized_jsd(logp, logits, b), b * kl(p, m) + (1 - b) * kl(q, m))
    close(d.skew_forward_kl(logp, logits, 0.1), kl(p, 0.1 * p + 0.9 * q))
    close(d.skew_reverse_kl(logp, logits, 0.1), kl(q, 0.9 * p + 0.1 * q))


@SHAPES
def test_divergences_are_bounded_and_zero_at_equality(seed: int, n: int, v: int) -> None:
    from readsim_hf.objectives import divergences as d

    _, _, logp, logits = both(seed, n, v)
    logq = logits.detach().log_softmax(-1)
    losses: list[tuple[Callable[..., Any], tuple[float, ...], float]] = [
        (d.forward_kl, (), math.inf),
        (d.reverse_kl, (), 87.4),
        (d.jensen_shannon, (), math.log(2)),
        (d.generalized_jsd, (0.9,), math.log(2)),
        (d.skew_forward_kl, (0.1,), math.log(10)),
        (d.skew_reverse_kl, (0.1,), math.log(10)),
    ]
    for loss, setting, bound in losses:
        values = loss(logp, logits, *setting)
        assert bool((values >= -1e-6).all())
        assert bool((values <= bound + 1e-6).all()), loss
        assert bool((loss(logq, logits, *setting).abs() < 1e-5).all()), loss
    swapped = d.jensen_shannon(logq, logp)
    close(swapped, d.jensen_shannon(logp, logits).detach().numpy())


@SHAPES
def test_soft_cross_entropy_has_the_gradient_of_forward_kl(seed: int, n: int, v: int) -> None:
    import torch

    from readsim_hf.objectives import divergences as d

    p, q, logp, logits = both(seed, n, v)
    (a,) = torch.autograd.grad(d.forward_kl(logp, logits).sum(), logits)
    (b,) = torch.autograd.grad(d.soft_cross_entropy(logp, logits).sum(), logits)
    np.testing.assert_allclose(a.numpy(), q - p, atol=2e-6)
    np.testing.assert_allclose(b.numpy(), a.numpy(), atol=2e-6)


@SHAPES
def test_gradients_are_those_of_the_equations(seed: int, n: int, v: int) -> None:
    """Central differences of the numpy formulas in float64, in one random direction."""
    import torch

    from readsim_hf.objectives import divergences as d

    t, s, teacher, logits = pair(seed, n, v)
    p, logp = softmax(t), teacher.log_softmax(-1)
    way = np.random.default_rng(seed + 1).normal(size=s.shape)

    def js(q: Array) -> Array:
        m = (p + q) / 2
        out: Array = kl(p, m) / 2 + kl(q, m) / 2
        return out

    pairs: list[tuple[Any, Callable[[Array], Array]]] = [
        (d.reverse_kl(logp, logits), lambda q: kl(q, p)),
        (d.jensen_shannon(logp, logits), js),
        (d.skew_forward_kl(logp, logits, 0.1), lambda q: kl(p, 0.1 * p + 0.9 * q)),
        (d.skew_reverse_kl(logp, logits, 0.1), lambda q: kl(q, 0.9 * p + 0.1 * q)),
    ]
    for loss, reference in pairs:
        (grad,) = torch.autograd.grad(loss.sum(), logits)
        h = 1e-5
        slope = (reference(softmax(s + h * way)) - reference(softmax(s - h * way))).sum() / (2 * h)
        assert float((grad.numpy() * way).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.extra("trl")
def test_generalized_jsd_is_that_of_trl(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.gkd import GKDTrainer

    from readsim_hf.objectives.divergences import generalized_jsd, temper

    reference: Callable[..., Any] = GKDTrainer.generalized_jsd_loss
    _, _, teacher, logits = pair(3, 6, 11)
    for beta in (0.0, 0.1, 0.5, 0.8, 1.0):
        for tau in (1.0, 2.5):
            theirs = reference(logits, teacher, beta=beta, temperature=tau, reduction="none").sum(
                -1
            )
            (expected,) = torch.autograd.grad(theirs.sum(), logits)
            ours = generalized_jsd(temper(teacher.log_softmax(-1), tau), logits / tau, beta)
            (grad,) = torch.autograd.grad(ours.sum(), logits)
            close(ours, theirs.detach().numpy())
            np.testing.assert_allclose(grad.numpy(), expected.numpy(), atol=2e-6)


def test_reverse_kl_where_the_teacher_has_no_mass() -> None:
    """The student is pushed off such tokens, and each unit of its mass there costs 87.3 nats."""
    import torch

    from readsim_hf.objectives.divergences import reverse_kl

    logp, logits = torch.tensor([[0.0, -math.inf]]), torch.zeros((1, 2), requires_grad=True)
    loss = reverse_kl(logp, logits)
    (grad,) = torch.autograd.grad(loss.sum(), logits)
    close(loss, np.array([math.log(0.5) + 0.5 * 126 * math.log(2)]))
    assert float(grad[0, 1]) > 1
