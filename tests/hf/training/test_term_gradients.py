"""The gradient of each objective that is a loss of its own, through three architectures, by differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.hf.training.test_training import examples, student
from tests.support.differences import gradient_and_slopes
from tests.support.hf import NEEDS
from tests.support.made_targets import made

pytestmark = pytest.mark.extra(*NEEDS)

TEXTS = (
    *("sft", "soft-sft", "kd(temperature=2)", "fkl", "rkl", "jsd", "gjsd(beta=.3)"),
    *("skew-fkl", "skew-rkl", "uld", "shared", "span", "k2", "k3"),
    *(
        "skew-fkl(on=teacher) + skew-rkl(on=own)",
        "contrast",
        "fkl(tokens=entropy)",
        "rkl(tokens=gap)",
    ),
)


def some(text: str) -> list[Any]:
    """Every other example is the student's own; where spans are compared, each has a known likelihood."""
    out = []
    for n, example in enumerate(examples(99, soft=True)):
        record = replace(example.record, own=n % 2 == 1)
        if text == "span":
            rng = np.random.default_rng(n)
            spans = np.where(
                rng.random(record.supervised) < 0.3, np.nan, -3 * rng.random(record.supervised)
            )
            record = replace(record, spans=spans.astype(np.float32))
        out.append(example._replace(record=record))
    return out


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("text", TEXTS)
def test_gradients_by_finite_differences(family: str, text: str) -> None:
    """Along the gradient itself, where the slope is its norm, and with each tensor moved equally far."""
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum
    from tests.support.architectures import tiny_of

    one = student(objective=made(text), model=tiny_of(family))
    batch = collate(some(text))

    def value() -> Any:
        return loss_sum(one.trained, batch, one.objective, one.layers)

    for expected, slope in gradient_and_slopes(value, one.parameters):
        assert expected > 1e-3
        assert slope == pytest.approx(expected, rel=3e-2)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("text", ["k1", "mopd(clip=1e9)"])
def test_rewards_of_a_token_are_constants(family: str, text: str) -> None:
    """The gradient is that of minus the sum of A log pi with A = log p - log pi as it was before."""
    import torch

    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum
    from tests.support.architectures import tiny_of

    one = student(objective=made(text), model=tiny_of(family))
    window = examples(99, soft=True)
    old = one.log_probs(one.model, window)
    known = []
    for (record, tokens), mu in zip(window, old, strict=True):
        said = record.completion_ids[record.places]
        teacher = record.soft.logp[np.arange(len(said)), said]
        beside = {"teacher": teacher, "old": np.resize(mu, len(said)).astype(np.float32)}
        known.append(
            (replace(record, own=True, constants=beside), tokens, teacher[:tokens] - mu[:tokens])
        )
    ours = [e._replace(record=k[0]) for e, k in zip(window, known, strict=True)]
    found = torch.autograd.grad(
        loss_sum(one.trained, collate(ours), one.objective, one.layers),
        one.parameters,
        allow_unused=True,
    )
    total = torch.zeros(())
    for record, tokens, advantage in known:
        ids = torch.tensor([[*record.prompt_ids, *record.completion_ids]])
        at = len(record.prompt_ids) + record.places[:tokens]
        logp = one.model(ids).logits[0].log_softmax(-1)[at - 1, ids[0, at]]
        total = total - (logp * torch.from_numpy(advantage)).sum()
    expected = torch.autograd.grad(total, one.parameters, allow_unused=True)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)
