"""Losses on chosen tokens: which, with which weights, and that draws are unbiased."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError, ReadsimError
from tests.hf.training.test_training import examples, student
from tests.support.hf import NEEDS
from tests.support.made_targets import kl, made, pair, softmax, targets

pytestmark = pytest.mark.extra("torch")


@pytest.mark.parametrize("score", ["entropy", "gap"])
def test_the_highest_of_each_reply(score: str) -> None:
    """Beside numpy: the share of a reply rounded up, the mean over these counted for all."""
    import torch

    t, s, teacher, logits = pair(0, 9, 6)
    rows = torch.tensor([0, 0, 0, 0, 0, 2, 2, 3, 3])
    record = targets(teacher, "full")._replace(rows=rows)
    p, q = softmax(t), softmax(s)
    scores = -(q * np.log(q)).sum(-1) if score == "entropy" else kl(p, q)
    expected = np.zeros(9)
    for row, m in ((0, 2), (2, 1), (3, 1)):
        own = np.flatnonzero(rows.numpy() == row)
        best = own[np.argsort(-scores[own])[:m]]
        expected[best] = kl(q, p)[best] * len(own) / m
    losses = made(f"rkl(tokens={score}, share=.4)")(logits, record)
    np.testing.assert_allclose(losses.detach().numpy(), expected, rtol=2e-5)
    (grad,) = torch.autograd.grad(losses.sum(), logits)
    assert ((grad.abs().sum(-1) > 0).numpy() == (expected > 0)).all()
    whole = made(f"rkl(tokens={score}, share=1)")(logits, record).detach().numpy()
    np.testing.assert_allclose(whole, kl(q, p), rtol=2e-5)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), zeros=st.booleans())
def test_draws_are_unbiased(seed: int, n: int, zeros: bool) -> None:
    """The mean over the uniform number of 1 / pi is 1 at each position: taken exactly, at its breaks."""
    from readsim_hf.objectives.selection import drawn_weights, inclusion

    rng = np.random.default_rng(seed)
    scores, m = rng.exponential(size=n) ** 3, int(rng.integers(1, n + 1))
    if zeros:
        scores[: n // 2] = 0.0
    pi = inclusion(scores, m)
    assert pi.sum() == pytest.approx(m)
    assert ((pi > 0) & (pi <= 1 + 1e-12)).all()
    breaks = np.unique(np.append(-np.append(0.0, pi.cumsum()) % 1, [0.0, 1.0]))
    each = [drawn_weights(scores, m, u) for u in (breaks[1:] + breaks[:-1]) / 2]
    np.testing.assert_allclose(np.diff(breaks) @ np.array(each), 1.0, atol=1e-9)
    assert {int((w > 0).sum()) for w in each} <= {m - 1, m, m + 1}


def test_draws_over_many_replies_have_the_mean_of_all_tokens() -> None:
    from readsim_hf.objectives.selection import drawn_weights, uniform_of

    rng = np.random.default_rng(0)
    losses = rng.exponential(size=20)
    seen = np.array(
        [
            drawn_weights(losses**2, 5, uniform_of(rng.integers(0, 50_000, 20))) @ losses
            for _ in range(4_000)
        ]
    )
    assert abs(seen.mean() - losses.sum()) < 5 * seen.std() / np.sqrt(len(seen))
    assert seen.std() < losses.sum()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fkl(tokens=entrpy)", "unknown choice of tokens 'entrpy'; did you mean 'entropy'"),
        ("fkl(tokens=gap, share=0)", "share is 0.0: it must be a number above 0, at most 1"),
        ("fkl(tokens=gap, share=half)", "share is 'half'"),
        ("fkl(tokens=gap, drawn=2)", "drawn is 2.0: it must be 1"),
        ("fkl(share=.5)", "unknown setting of fkl 'share'"),
    ],
)
def test_settings(text: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        made(text)


def test_a_gap_needs_distributions() -> None:
    from readsim_hf.objectives.table import check_compatible

    check_compatible("cot", made("sft(tokens=entropy)"), None, 0.0)
    with pytest.raises(ConfigError, match="tokens=gap needs the teacher's distributions"):
        check_compatible("cot", made("sft(tokens=gap)"), None, 0.0)


@pytest.mark.extra(*NEEDS)
@pytest.mark.parametrize("drawn", [0, 1])
def test_micro_batches_and_chunks_choose_the_same(
    monkeypatch: pytest.MonkeyPatch, drawn: int
) -> None:
    import torch

    from readsim_hf.objectives.vocabulary import Cut
    from readsim_hf.training import logits

    ends = []
    for micro, entries in ((5, 2**24), (1, 2**24), (2, 80), (5, 1)):
        monkeypatch.setattr(logits, "CHUNK_ENTRIES", entries)
        text = f"0.5*sft + fkl(tokens=entropy, share=.5, drawn={drawn})"
        one = student(objective=Cut(made(text), 40), micro_batch=micro, learning_rate=0.01)
        window = one.train_window(examples(soft=True), 0.5)
        ends.append((window.loss, torch.cat([p.flatten() for p in one.parameters])))
    for loss, weights in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5)
        assert torch.allclose(weights, ends[0][1], atol=1e-4)
