"""Estimates of KL from draws: bias, variance and gradients beside the exact divergence."""

import math
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, TrainingError
from tests.hf.training.test_training import examples, student
from tests.support.hf import NEEDS
from tests.support.made_targets import kl, made, pair, softmax, targets
from tests.support.trl_trainers import trl_grpo

pytestmark = pytest.mark.extra("torch")
DRAWS = 100_000
SEED = 6


def drawn(name: str, kind: Any = "full", k: int | None = None) -> tuple[Any, ...]:
    """p, q (V,), the losses of DRAWS tokens of the student's, the mean gradient for its logits (V,)."""
    import torch

    from readsim_hf.objectives.table import make_objective

    t, s, teacher, logits = pair(SEED, 1, 7)
    t, s = t / 5, s / 5  # so near that no draw is worth thousands of others
    leaf = (logits.detach() / 5).requires_grad_()
    q = softmax(s)[0]
    tokens = np.random.default_rng(1).choice(7, DRAWS, p=q)
    one = targets(teacher / 5, kind, k)
    assert one.soft is not None
    rows = torch.zeros(DRAWS, dtype=torch.int64)
    soft = one.soft._replace(ids=one.soft.ids[rows], logp=one.soft.logp[rows])
    record = one._replace(tokens=torch.from_numpy(tokens), soft=soft)
    losses = make_objective(name)(leaf.expand(DRAWS, -1), record)
    (grad,) = torch.autograd.grad(losses.mean(), leaf)
    return softmax(t)[0], q, losses.detach().double().numpy(), grad[0].double().numpy()


def near(values: Any, expected: float) -> bool:
    """Within five standard errors."""
    return bool(abs(values.mean() - expected) < 5 * values.std() / math.sqrt(len(values)))


def slope(name: str) -> Any:
    """The exact gradient of a divergence for the same logits."""
    import torch

    from readsim_hf.objectives.table import make_objective

    _, _, teacher, logits = pair(SEED, 1, 7)
    leaf = (logits.detach() / 5).requires_grad_()
    loss = make_objective(name)(leaf, targets(teacher / 5, "full")).sum()
    return torch.autograd.grad(loss, leaf)[0][0].double().numpy()


def test_bias_and_variance_over_many_draws() -> None:
    p, q, k1, _ = drawn("k1")
    (_, _, k2, _), (_, _, k3, _) = drawn("k2"), drawn("k3")
    exact = float(kl(q, p))
    d = np.log(q / p)
    assert near(k1, exact)
    assert near(k3, exact)
    assert near(k2, float((q * d**2 / 2).sum()))
    assert not near(k2, exact)  # the bias that the docstring states
    assert max(k2.var(), k3.var()) < k1.var()
    assert k3.min() >= -1e-6
    assert k1.min() < 0


def test_mean_gradients_are_those_that_the_docstring_states() -> None:
    for name, exact in (("k1", "rkl"), ("k2", "rkl"), ("k3", "fkl")):
        np.testing.assert_allclose(drawn(name)[3], slope(exact), atol=0.015)
    assert np.abs(slope("rkl") - slope("fkl")).max() > 0.03  # else the above says little


def test_a_top_k_has_the_divergence_of_its_outcomes_and_bounds_the_whole() -> None:
    p, q, k1, _ = drawn("k1", "topk", 3)
    top = np.argsort(p)[::-1][:3]
    both = [np.append(x[top], 1 - x[top].sum()) for x in (p, q)]
    coarse = float(kl(both[1], both[0]))
    assert near(k1, coarse)
    assert near(drawn("k3", "topk", 3)[2], coarse)
    assert coarse < float(kl(q, p))


@pytest.mark.parametrize("name", ["k1", "k2", "k3"])
def test_nothing_to_learn_from_oneself(name: str) -> None:
    import torch

    from readsim_hf.objectives.table import make_objective

    _, _, teacher, _ = pair(6, 5, 9)
    same = teacher.clone().requires_grad_()
    losses = make_objective(name)(same, targets(teacher, "full"))
    (grad,) = torch.autograd.grad(losses.sum(), same)
    assert float(losses.detach().abs().max()) < 1e-5
    assert float(grad.abs().max()) < 1e-5


def test_they_want_the_students_own_draws() -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    def run(objective: str, on_policy: float, temperature: float = 1.0) -> Any:
        table = {"method": "", "signal": "cot", "objective": objective, "on_policy": on_policy}
        return supervision(RunConfig.of(table, {"decoding": {"student_temperature": temperature}}))

    run("0.5*k2 + 0.5*rkl", 1.0)
    run("sft(on=teacher) + k2(on=own)", 0.5)
    with pytest.raises(ConfigError, match="'k3' is not defined on the teacher's text; use on_pol"):
        run("k3", 0.5)
    with pytest.raises(
        ConfigError, match=r"decoding\.student_temperature = 0.7: objective 'k1' takes"
    ):
        run("sft(on=teacher) + k1(on=own)", 0.5, 0.7)


@pytest.mark.extra(*NEEDS)
@pytest.mark.parametrize("text", ["fkl", "sft + k1", "k2", "k3", "skew-rkl(on=teacher)"])
def test_log_probabilities_that_are_no_number(text: str) -> None:
    from readsim_hf.objectives.table import make_objective

    some = examples(soft=True)
    some[2].record.soft.logp[0] = np.nan
    one = student(objective=make_objective(text))
    with pytest.raises(TrainingError, match="log-probabilities of a reply of 'math' are NaN"):
        one.train_window(some, 0.5)


@pytest.mark.extra("trl")
@pytest.mark.parametrize("corrected", [False, True])
def test_k3_is_the_divergence_of_trls_grpo(
    corrected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewards equal, so that its KL to a reference, weighed beta, is all of its loss; every token once,
    weighed by q, so that the mean over draws is exact.

    Values are the same numbers. So are gradients without `use_bias_correction_kl`, TRL 1.16's default, which
    multiplies k3 by pi / mu: with it the mean gradient is that of reverse KL, as k1's and k2's are here, and
    not that of forward KL.
    """
    import torch

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    import trl

    _, s, teacher, logits = pair(SEED, 1, 7)
    leaf = (logits.detach() / 5).requires_grad_()
    one = targets(teacher / 5, "full")
    assert one.soft is not None
    every = torch.arange(7)
    soft = one.soft._replace(ids=one.soft.ids.expand(7, -1), logp=one.soft.logp.expand(7, -1))
    ours = made("k3")(leaf.expand(7, -1), one._replace(tokens=every, soft=soft))
    now = leaf.log_softmax(-1)[0]
    me = trl_grpo(now[:, None], beta=0.3, use_bias_correction_kl=corrected)
    q = torch.tensor(softmax(s / 5)[0], dtype=torch.float32)
    trainer: Any = trl
    alone = torch.eye(7)
    theirs = []
    for place in range(7):  # TRL gives a mean over the tokens of its mask
        given_ = {
            "prompt_ids": every[:, None],
            "prompt_mask": torch.ones(7, 1),
            "completion_ids": every[:, None],
            "completion_mask": alone[place][:, None],
            "advantages": torch.zeros(7),
            "old_per_token_logps": now.detach()[:, None],
            "ref_per_token_logps": soft.logp[0][:, None],
        }
        theirs.append(trainer.GRPOTrainer._compute_loss(me, None, given_) / 0.3)
    found = torch.stack(theirs)
    torch.testing.assert_close(ours, found, rtol=1e-4, atol=1e-6)
    slopes = [torch.autograd.grad((q * x).sum(), leaf, retain_graph=True)[0] for x in (ours, found)]
    np.testing.assert_allclose(slopes[0][0].numpy(), slope("fkl"), atol=1e-6)
    exact = slope("rkl") if corrected else slope("fkl")
    np.testing.assert_allclose(slopes[1][0].numpy(), exact, atol=1e-6)
