"""Losses from a part of the teacher's distribution, and the records that hold such a part."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError
from tests.support.made_targets import DIVERGENCES, kl, pair, softmax, targets

pytestmark = pytest.mark.extra("torch")

SHAPES = given(seed=st.integers(0, 10**6), n=st.integers(1, 4), v=st.integers(3, 10))


def draw(seed: int, n: int, v: int) -> tuple[Array, Array, Any, Any]:
    """Distributions p and q in numpy, and the logits of both as tensors."""
    t, s, teacher, student = pair(seed, n, v)
    return softmax(t), softmax(s), teacher, student


def bucketed(x: Array, ids: NDArray[np.intp]) -> Array:
    """The entries at `ids` and the rest of the mass, last."""
    top = np.take_along_axis(x, ids, -1)
    return np.concatenate([top, 1 - top.sum(-1, keepdims=True)], -1)


@SHAPES
def test_top_k_is_the_divergence_over_k_plus_one_outcomes(seed: int, n: int, v: int) -> None:
    from readsim_hf.objectives.table import make_objective

    p, q, teacher, student = draw(seed, n, v)
    k = 1 + seed % (v - 1)
    ids = np.argsort(-p, -1)[:, :k]
    a, b = bucketed(p, ids), bucketed(q, ids)
    m = (a + b) / 2
    references = {
        "soft-sft": -(a * np.log(b)).sum(-1),
        "fkl": kl(a, b),
        "rkl": kl(b, a),
        "jsd": kl(a, m) / 2 + kl(b, m) / 2,
        "skew-fkl": kl(a, 0.1 * a + 0.9 * b),
        "skew-rkl": kl(b, 0.9 * a + 0.1 * b),
    }
    # A record tells the tail to 1e-7, and the logarithm of a small tail to that much over it.
    near = 2e-5 + 2e-7 * b[..., -1] / a[..., -1]
    for name, reference in references.items():
        loss = make_objective(name)(student, targets(teacher, "topk", k)).detach().numpy()
        assert (np.abs(loss - reference) <= near + 2e-3 * np.abs(reference)).all(), name


@SHAPES
def test_top_k_is_a_lower_bound_that_rises_to_the_full_loss(seed: int, n: int, v: int) -> None:
    import torch

    from readsim_hf.objectives.table import make_objective

    _, _, teacher, student = draw(seed, n, v)
    teacher = teacher / 2  # tails well above the 1e-7 to which a record tells them
    for name in DIVERGENCES:
        objective = make_objective(name)
        with torch.no_grad():
            full = objective(student, targets(teacher, "full"))
            parts = [objective(student, targets(teacher, "topk", k)) for k in range(1, v + 1)]
        for less, more in zip(parts, [*parts[1:], full], strict=True):
            assert bool((less <= more + 5e-4 * (1 + more)).all()), name
        torch.testing.assert_close(parts[-1], full, rtol=1e-5, atol=1e-5)


@SHAPES
def test_top_k_is_zero_where_the_student_agrees(seed: int, n: int, v: int) -> None:
    """At any temperature, and also when the student differs within the tail only."""
    import torch

    from readsim_hf.objectives.table import make_objective

    p, _, teacher, _ = draw(seed, n, v)
    record = targets(teacher, "topk", v - 2)
    last = np.argsort(-p, -1)[:, -2:]
    other = p.copy()
    np.put_along_axis(other, last, np.take_along_axis(p, last[:, ::-1], -1), -1)
    student = torch.tensor(np.log(other), dtype=torch.float32, requires_grad=True)
    objectives = [make_objective(name) for name in DIVERGENCES]
    for objective in (*objectives, make_objective("kd", alpha=1.0, temperature=2.5)):
        loss = objective(student, record)
        (grad,) = torch.autograd.grad(loss.sum(), student)
        assert float(loss.detach().abs().max()) < 1e-4
        assert float(grad.abs().max()) < 1e-3


def test_temperature_applies_to_the_bucketed_distributions() -> None:
    from readsim_hf.objectives.table import make_objective

    p, q, teacher, student = draw(5, 4, 9)
    tau, k = 2.0, 3
    ids = np.argsort(-p, -1)[:, :k]
    a, b = (softmax(np.log(bucketed(x, ids)), tau) for x in (p, q))
    loss = make_objective("kd", alpha=1.0, temperature=tau)(student, targets(teacher, "topk", k))
    np.testing.assert_allclose(loss.detach().numpy(), tau**2 * kl(a, b), rtol=1e-4)
    with pytest.raises(ConfigError, match="'sampled': only forward losses at temperature 1"):
        make_objective("kd", temperature=tau)(student, targets(teacher, "sampled", k))


def test_the_tail_stops_reverse_kl_from_being_gamed() -> None:
    """Mass that the student moves out of the top k raises the loss."""
    import torch

    from readsim_hf.objectives.table import make_objective

    teacher = torch.tensor([[4.0, 3.0, 0.0, -1.0, -2.0]])
    record = targets(teacher, "topk", 2)
    away = torch.tensor([[0.0, 0.0, 0.0, 0.0, 6.0]])
    honest = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    objective = make_objective("rkl")
    assert bool(objective(away, record) > objective(honest, record))
    (grad,) = torch.autograd.grad(objective(honest, record).sum(), honest)
    assert bool((grad[0, 2:] > 0).all())  # descent takes mass from the tail


@pytest.mark.parametrize("name", [*DIVERGENCES, "kd", "soft-sft"])
def test_top_k_extremes_are_finite(name: str) -> None:
    import torch

    from readsim_hf.objectives.table import make_objective

    inf = math.inf
    teacher = torch.tensor([[300.0, 0, -inf, -inf, 0], [0, -inf, 0, -inf, -inf], [0] * 5])
    for k in (1, 2, 5):
        record = targets(teacher, "topk", k)
        rows = [[0.0, 200, 0, 0, 0], [500, -500, 0, 0, 0], [0, 0, -inf, -inf, 80]]
        student = torch.tensor(rows, dtype=torch.bfloat16, requires_grad=True)
        loss = make_objective(name)(student, record)
        (grad,) = torch.autograd.grad(loss.sum(), student)
        assert loss.dtype == torch.float32
        assert bool(loss.isfinite().all()), (k, loss)
        assert bool(grad.isfinite().all()), (k, grad)


def test_a_tail_that_float32_cannot_tell_is_not_taken_for_none() -> None:
    """Student mass in it costs log 2^24 at reverse KL, not the 87.3 nats of what is impossible."""
    import torch

    from readsim_hf.objectives.table import make_objective

    record = targets(torch.tensor([[100.0, 0, 0, 0]]), "topk", 1)
    loss = make_objective("rkl")(torch.tensor([[0.0, 0, -50, -50]]), record)
    assert loss.item() == pytest.approx(math.log(0.5) + 0.5 * 24 * math.log(2), rel=1e-5)


def test_a_first_token_without_probability_is_not_drawn() -> None:
    import torch

    from readsim_hf.objectives.sparse import soft_from_logits

    class Zeros(np.random.Generator):
        def random(self, *args: Any, **kwargs: Any) -> Any:
            return np.zeros(*args)

    teacher = torch.tensor([[-math.inf, 0, 0]])
    soft = soft_from_logits(teacher, "sampled", 2, Zeros(np.random.PCG64(0)))
    assert soft.ids.tolist() == [[1, 1]]


def test_sampled_losses_are_unbiased_by_enumeration() -> None:
    """Weighted by their probability, all pairs of draws give the full loss and its gradient."""
    import torch

    from readsim_hf.objectives.base import SoftTargets, Targets
    from readsim_hf.objectives.table import make_objective

    p, _, teacher, student = draw(7, 1, 5)
    pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    logp = teacher.log_softmax(-1)[0]
    weight = torch.tensor(p[0], dtype=torch.float32)[pairs].prod(-1)
    soft = SoftTargets("sampled", pairs, logp[pairs])
    record = Targets(torch.zeros(25, dtype=torch.int64), soft)
    for name in ("soft-sft", "fkl", "skew-fkl", "kd"):
        objective = make_objective(name, **({"alpha": 1.0} if name == "kd" else {}))
        mean = (weight * objective(student.expand(25, 5), record)).sum()
        full = objective(student, targets(teacher, "full"))[0]
        (grad,) = torch.autograd.grad(mean, student)
        (full_grad,) = torch.autograd.grad(full, student)
        torch.testing.assert_close(mean, full, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(grad, full_grad, rtol=1e-5, atol=1e-5)


def test_draws_follow_the_distribution() -> None:
    """Frequencies, and through them loss and gradient, within five standard errors."""
    import torch

    from readsim_hf.objectives.sparse import soft_from_logits
    from readsim_hf.objectives.table import make_objective

    p, q, teacher, student = draw(11, 3, 6)
    teacher = torch.cat([teacher, torch.full((3, 1), -math.inf), teacher[:, :1] * 0 - 1e9], -1)
    n = 100_000
    ids = soft_from_logits(teacher, "sampled", n, np.random.default_rng(0)).ids
    counts = np.stack([np.bincount(row, minlength=8) for row in ids])
    assert counts[:, 6:].sum() == 0
    error = np.sqrt(p * (1 - p) / n)
    assert (np.abs(counts[:, :6] / n - p) <= 5 * error).all()

    record = targets(teacher, "sampled", n)
    padded = torch.cat([student, torch.full((3, 2), -50.0)], -1)
    loss = make_objective("soft-sft")(padded, record)
    (grad,) = torch.autograd.grad(loss.sum(), student)
    mean = -(p * np.log(q)).sum(-1)
    spread = np.sqrt((p * np.log(q) ** 2).sum(-1) - mean**2)
    assert (np.abs(loss.detach().numpy() - mean) <= 5 * spread / math.sqrt(n)).all()
    assert (np.abs(grad.numpy() - (q - p)) <= 5 * error + 1e-5).all()


def test_records_depend_on_the_generator_only() -> None:
    """Also when there are more positions than are drawn at a time."""
    import torch

    from readsim_hf.objectives.sparse import soft_from_logits

    _, _, teacher, _ = draw(13, 150, 7)
    a, b, other = (
        soft_from_logits(teacher, "sampled", 4, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert np.array_equal(a.ids, b.ids)
    assert not np.array_equal(a.ids, other.ids)
    logp = teacher.log_softmax(-1)
    expected = logp.gather(-1, torch.from_numpy(a.ids).long())
    np.testing.assert_allclose(a.logp, expected.numpy(), rtol=1e-6, atol=1e-6)
    for soft in (a, soft_from_logits(teacher.bfloat16(), "topk", 3)):
        assert soft.ids.dtype == np.int32
        assert soft.logp.dtype == np.float32
        assert len(soft.ids) == 150


def test_full_and_top_k_records() -> None:
    from readsim_hf.objectives.sparse import soft_from_logits, truncation_report

    p, _, teacher, _ = draw(17, 5, 8)
    full = soft_from_logits(teacher, "full")
    assert full.ids.shape == (5, 0)
    np.testing.assert_allclose(np.exp(full.logp), p, rtol=1e-5)
    top = soft_from_logits(teacher, "topk", 3)
    order = np.argsort(-p, -1)[:, :3]
    np.testing.assert_array_equal(top.ids, order)
    np.testing.assert_allclose(np.exp(top.logp), np.take_along_axis(p, order, -1), rtol=1e-5)
    outside = 1 - np.take_along_axis(p, order, -1).sum(-1)
    report = truncation_report(top)
    assert report.mean == pytest.approx(outside.mean(), abs=1e-6)
    assert report.max == pytest.approx(outside.max(), abs=1e-6)
    assert truncation_report(full) == (0.0, 0.0)
    empty = soft_from_logits(teacher[:0], "sampled", 3, np.random.default_rng(0))
    assert empty.ids.shape == empty.logp.shape == (0, 3)


@pytest.mark.parametrize(
    ("kind", "k", "message"),
    [
        ("full", 3, "k is 3: full distributions take none"),
        ("topk", None, "k is None: 'topk' needs an integer of at least 1 and at most 6"),
        ("topk", 7, "k is 7"),
        ("topk", True, "k is True"),
        ("sampled", 0, "k is 0: 'sampled' needs an integer of at least 1$"),
        ("sampled", 3, "needs a generator"),
        ("top", 3, "unknown kind of soft targets 'top'; did you mean 'topk'"),
    ],
)
def test_records_refused(kind: Any, k: Any, message: str) -> None:
    from readsim_hf.objectives.sparse import soft_from_logits

    _, _, teacher, _ = draw(19, 2, 6)
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        soft_from_logits(teacher, kind, k)
    teacher[1, 2] = math.nan
    with pytest.raises(ConfigError, match="from position 0 on are no distribution"):
        soft_from_logits(teacher, "full")
