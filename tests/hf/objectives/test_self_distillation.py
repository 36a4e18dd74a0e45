"""Losses of one drawn token and of a top-k beside TRL's, which distils a model into itself."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from tests.hf.objectives.test_groups import own_text
from tests.support.made_targets import made, pair, targets

pytestmark = pytest.mark.extra("trl", "torch")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """TRL's functions."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.sdft import loss_utils

    return loss_utils


def slope_of(loss: Any, logits: Any) -> Any:
    import torch

    return torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0]


@pytest.mark.parametrize("seed", range(5))
def test_drawn_tokens_train_as_theirs_do(theirs: Any, seed: int) -> None:
    import torch

    _, _, student, own = own_text(seed)
    assert own.soft is not None
    one = theirs.compute_sampled_token_self_distillation_loss(
        student, own.soft.logp, own.tokens, distillation_alpha=1.0
    )
    for name in ("k1", "k2"):
        torch.testing.assert_close(
            slope_of(made(name)(student, own), student), slope_of(one, student)
        )

    said = student.log_softmax(-1).gather(-1, own.tokens[:, None])[:, 0]
    clipped = theirs.apply_importance_sampling_clipping(one, said, own.constants["old"], 1e9)
    torch.testing.assert_close(
        slope_of(made("mopd", clip=1e9)(student, own), student), slope_of(clipped, student)
    )


@pytest.mark.parametrize("seed", range(3))
def test_fresh_text_trains_as_their_on_policy_distillation_does(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """TRL's IW-OPD without its weights of positions, whose advantage is of the student that wrote."""
    import torch

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.iw_opd.iw_opd_trainer import IWOPDTrainer

    _, _, student, own = own_text(seed)
    said = student.detach().log_softmax(-1).gather(-1, own.tokens[:, None])[:, 0]
    fresh = own._replace(constants={**own.constants, "old": said})
    measured: Any = defaultdict(lambda: defaultdict(list))
    trainer: Any = SimpleNamespace(
        temperature=1.0,
        iw_opd_gamma=0.0,
        iw_opd_epsilon=1e-8,
        model=torch.nn.Identity(),
        _metrics=measured,
    )
    tokens, teacher = own.tokens[None], own.constants["teacher"][None]
    loss = IWOPDTrainer._compute_iw_opd_loss(
        trainer, student[None], tokens, tokens, teacher, said[None]
    )
    slope = slope_of(loss * len(said), student)
    torch.testing.assert_close(
        slope_of(made("mopd")(student, fresh), student), slope, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "settings", "alpha"),
    [("fkl", {}, 0.0), ("rkl", {}, 1.0), ("gjsd", {"beta": 0.3}, 0.3)],
)
@pytest.mark.parametrize("k", [1, 4])
def test_a_top_k_with_its_rest_is_theirs(
    theirs: Any, name: str, settings: dict[str, float], alpha: float, k: int
) -> None:
    import torch

    _, _, teacher, student = pair(3, 6, 11)
    record = targets(teacher, "topk", k)
    assert record.soft is not None
    both = [
        theirs.add_tail_bucket(x.log_softmax(-1).gather(-1, record.soft.ids))
        for x in (student, teacher)
    ]
    loss = theirs.compute_divergence(*both, alpha)
    ours = made(name, **settings)(student, record)
    torch.testing.assert_close(ours, loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        slope_of(ours, student), slope_of(loss, student), rtol=5e-3, atol=1e-4
    )
