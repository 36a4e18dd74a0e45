"""The teacher's log-probability of the text's own tokens, in what is kept of a distribution or not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hf.objectives.test_groups import OWN, SEEDS
from tests.support.made_targets import made, pair, softmax, targets

pytestmark = pytest.mark.extra("torch")

KINDS = st.sampled_from([("full", None), ("topk", 1), ("topk", 4), ("sampled", 2)])


def told(logits: Any, kind: Any, k: int | None, tokens: Any) -> Any:
    """The log-probabilities of these tokens that the record of a teacher's logits gives back."""
    import torch

    from readsim_hf.objectives.sparse import said_log_probs, soft_from_logits

    rng, said = np.random.default_rng(0), torch.from_numpy(tokens)
    return said_log_probs(soft_from_logits(logits, kind, k, rng, said=said), tokens)


@given(seed=SEEDS, kind=KINDS)
def test_they_are_exact_whatever_is_kept(seed: int, kind: Any) -> None:
    t, _, teacher, _ = pair(seed, 6, 9)
    tokens = np.random.default_rng(seed).integers(0, 9, 6).astype(np.int32)
    expected = np.log(softmax(t))[np.arange(6), tokens]
    np.testing.assert_allclose(
        told(teacher, kind[0], kind[1], tokens), expected, rtol=1e-5, atol=1e-6
    )


def test_without_them_only_entries_are_known() -> None:
    """Of a record by an older readsim: nan, never the mass of the tail."""
    from readsim_hf.objectives.sparse import said_log_probs, soft_from_logits

    t, _, teacher, _ = pair(2, 1, 9)
    soft = soft_from_logits(teacher.expand(9, 9), "topk", 3)
    found = said_log_probs(soft, np.arange(9, dtype=np.int32))
    order = np.argsort(-t[0])
    np.testing.assert_allclose(found[order[:3]], np.log(softmax(t))[0][order[:3]], rtol=1e-5)
    assert np.isnan(found[order[3:]]).all()


@pytest.mark.parametrize(("kind", "k"), [("full", None), ("topk", 64)])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(kind: Any, k: int | None) -> None:
    """With returns as they are made of its record, on a vocabulary of which a top-k is a small part."""
    import torch

    from readsim_hf.objectives.policy_gradient import later_ratios

    numbers = torch.Generator().manual_seed(0)
    student = (2.2 * torch.randn(60, 5000, generator=numbers)).requires_grad_()
    logq = student.detach().double().log_softmax(-1)
    drawn = torch.multinomial(logq.exp(), 1, generator=numbers)
    old = logq.gather(-1, drawn)[:, 0].float()
    tokens = drawn[:, 0].numpy().astype(np.int32)
    record = targets(student.detach(), kind, k)
    of_teacher = told(student.detach(), kind, k, tokens)
    long = torch.from_numpy(later_ratios(of_teacher, old.numpy()))
    assert float(long.abs().max()) < 1e-5
    known = {"teacher": torch.from_numpy(of_teacher), "return": long}
    beside = {"old": old, "advantage": torch.zeros(60), **known}
    own = record._replace(tokens=drawn[:, 0], constants=beside)
    for name in OWN:
        loss = made(name)(student, own)
        (grad,) = torch.autograd.grad(loss.sum(), student)
        assert float(loss.detach().abs().max()) < 2e-5, name
        assert float(grad.abs().max()) < 2e-5, name


@pytest.mark.parametrize(("kind", "k"), [("full", None), ("topk", 64), ("topk", 1)])
def test_junk_is_not_rewarded(kind: Any, k: int | None) -> None:
    """The student says what its teacher hardly ever would, and so do many tokens together."""
    import torch

    from readsim_hf.objectives.policy_gradient import later_ratios

    teacher, student = (
        torch.tensor([head] + [(1 - head) / 2 / 63] * 63 + [(1 - head) / 2 / 4936] * 4936).log()
        for head in (0.9, 0.5)
    )
    tokens = np.full(5, 4000, np.int32)
    found = told(teacher.expand(5, 5000), kind, k, tokens)
    ratio = float(teacher[4000] - student[4000])
    assert ratio < -1
    np.testing.assert_allclose(found - float(student[4000]), ratio, rtol=1e-4)
    long = later_ratios(found, np.full(5, float(student[4000]), np.float32))
    np.testing.assert_allclose(long, [ratio] * 4 + [0.0], rtol=1e-4)
    logits = student.expand(5, 5000).clone().requires_grad_()
    kept, at = targets(teacher.expand(5, 5000), kind, k), torch.from_numpy(tokens).long()
    beside = {"old": torch.full((5,), float(student[4000])), "teacher": torch.from_numpy(found)}
    loss = made("mopd")(logits, kept._replace(tokens=at, constants=beside))
    (grad,) = torch.autograd.grad(loss.sum(), logits)
    assert bool((grad[:, 4000] > 0).all())  # a step makes it rarer
    np.testing.assert_allclose(loss.detach().numpy(), -ratio, rtol=1e-4)
