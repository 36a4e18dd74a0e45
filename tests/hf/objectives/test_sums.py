"""Sums of objectives from one text, and losses by whose words a text is."""

import math
import random
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.hf.training.test_training import examples, student
from tests.support.hf import NEEDS
from tests.support.made_targets import kl, made, pair, softmax, targets

pytestmark = pytest.mark.extra("torch")
CONTRASTIVE = "skew-fkl(on=teacher) + skew-rkl(on=own)"


def test_a_sum_is_the_weighted_sum_of_its_terms() -> None:
    import torch

    t, s, teacher, logits = pair(0, 6, 9)
    record = targets(teacher, "full")
    p, q = softmax(t), softmax(s)
    ce = -np.log(q[np.arange(6), t.argmax(-1)])
    by_hand = 0.3 * ce + 2e-1 * kl(q, p) + kl(p, 0.25 * p + 0.75 * q)
    for text in (
        "0.3*sft + 0.2*rkl + skew-fkl(alpha=.25)",
        " .3 * sft+2e-1*rkl + 1*skew-fkl( alpha = 0.25 )",
    ):
        objective = made(text)
        assert objective.needs_soft
        np.testing.assert_allclose(objective(logits, record).detach().numpy(), by_hand, rtol=2e-5)
    assert made("fkl") == made("1*fkl")  # one name is that objective itself
    assert made("kd(alpha=1)") == made("kd", alpha=1.0)
    assert not made("0.5*sft").needs_soft
    terms = [made("sft"), made("rkl"), made("skew-fkl(alpha=.25)")]
    (grad,) = torch.autograd.grad(made(" + ".join(("0.3*sft", "0.2*rkl", "skew-fkl(alpha=.25)")))(
        logits, record
    ).sum(), logits)  # fmt: skip
    each = [torch.autograd.grad(term(logits, record).sum(), logits)[0] for term in terms]
    torch.testing.assert_close(grad, 0.3 * each[0] + 0.2 * each[1] + each[2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3*sft + 0.7*rk", "unknown objective 'rk'; did you mean 'rkl'"),
        ("0.3*sft + skew-fkl(alpa=.1)", "unknown setting of skew-fkl 'alpa'; did you mean 'alpha'"),
        ("0.3*sft + kd(alpha=3)", "alpha is 3.0: it must be a number from 0 to 1"),
        ("kd(alpha=half)", "alpha is 'half': it must be a number"),
        ("sft + ", "'' is no term; accepted: a name, or terms such as"),
        ("", "'' is no term"),
        ("sft + -0.5*rkl", "'-0.5[*]rkl' is no term"),
        ("sft - rkl", "'- rkl' follows 'sft'"),
        ("sft rkl", "'rkl' follows 'sft'"),
        ("rkl*0.5", r"'\*0.5' follows 'rkl'"),
        ("0*sft + rkl", "the weight of 'sft' is 0; accepted: numbers above 0"),
        ("1e999*rkl", "the weight of 'rkl' is 1e999"),
        ("kd(alpha)", "'alpha' of 'kd' is no setting; accepted: name=value"),
        ("kd(alpha=1, alpha=1)", "each name once"),
        ("fkl(on=techer)", "unknown origin of a text .on. 'techer'; did you mean 'teacher'"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message) as caught:
        made(text)
    assert "\n" not in str(caught.value)


def test_settings_stand_in_one_place() -> None:
    for text in ("0.5*kd + sft", "kd(alpha=.2)"):
        with pytest.raises(
            ConfigError, match=r"stand in its terms, such as kd\(temperature=\.\.\.\)"
        ):
            made(text, temperature=2.0)


def test_each_origin_has_its_own_loss() -> None:
    """DistiLLM-2's: skew forward KL on the teacher's text, skew reverse KL on the student's."""
    import torch

    t, s, teacher, logits = pair(1, 6, 9)
    own = torch.tensor([True, False, False, True, True, False])
    record = targets(teacher, "full")._replace(own=own)
    p, q = softmax(t), softmax(s)
    by_hand = np.where(own, kl(q, 0.9 * p + 0.1 * q), kl(p, 0.1 * p + 0.9 * q))
    objective = made(CONTRASTIVE)
    losses = objective(logits, record)
    np.testing.assert_allclose(losses.detach().numpy(), by_hand, rtol=2e-5)
    (grad,) = torch.autograd.grad(made("rkl(on=own)")(logits, record).sum(), logits)
    assert (grad.abs().sum(-1) > 0).tolist() == own.tolist()
    same = teacher.clone().requires_grad_()
    zero = objective(same, record).sum()
    (grad,) = torch.autograd.grad(zero, same)
    assert abs(zero.item()) < 1e-5
    assert float(grad.abs().max()) < 1e-6
    nobody = objective(logits, record._replace(own=None)).detach().numpy()
    np.testing.assert_allclose(nobody, kl(p, 0.1 * p + 0.9 * q), rtol=2e-5)


@pytest.mark.parametrize(
    ("text", "share", "message"),
    [
        ("0.3*sft + 0.7*rkl", 0.5, "'sft' is not defined on the student's own text"),
        ("0.3*sft(on=teacher) + 0.7*rkl", 0.5, ""),
        (CONTRASTIVE, 0.5, ""),
        (CONTRASTIVE, 0.0, "there is no such text for a term with on=own; use a share"),
        (CONTRASTIVE, 1.0, "there is no such text for a term with on=teacher"),
    ],
)
def test_terms_are_checked_one_by_one(text: str, share: float, message: str) -> None:
    from readsim_hf.objectives.table import check_compatible
    from readsim_hf.objectives.vocabulary import Cut

    for each in (made(text), Cut(made(text), 5)):
        if not message:
            check_compatible("cot", each, "topk", share)
            continue
        with pytest.raises(ConfigError, match=message):
            check_compatible("cot", each, "topk", share)


@pytest.mark.parametrize(
    "text", ["rrhf + pro", "dpo + dpo(beta=.5)", "0.1*sft + plad + plad(margin=2)"]
)
def test_two_orders_of_the_same_replies_are_refused(text: str) -> None:
    from readsim_hf.objectives.table import check_compatible

    with pytest.raises(
        ConfigError, match="puts the replies to a prompt in an order of its own; use one"
    ):
        check_compatible("cot", made(text), "topk", 0.5)


@pytest.mark.extra(*NEEDS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_advice_for_words_that_nobody_says_ends(share: float) -> None:
    """Where the student alone answers, no share of the teacher's text is advised and then refused."""
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    table = {"signal": "cot", "objective": "kdrl + 0.1*sft(on=teacher)", "on_policy": share}
    with pytest.raises(ConfigError) as error:
        supervision(RunConfig.of(table))
    words = (
        "use on_policy = 1" if share < 1 else "leave the term out, or use one that has the teacher"
    )
    assert words in str(error.value)


def test_random_combinations_start_or_are_refused_in_one_line() -> None:
    import torch

    from readsim_hf.objectives.sampling import sampling_of
    from readsim_hf.objectives.table import OWN, TABLE, TASKS, TEXTS, WHOLE, check_compatible
    from readsim_hf.objectives.vocabulary import Cut

    rng = random.Random(0)
    _, _, teacher, logits = pair(3, 5, 11)
    kinds: tuple[Any, ...] = ("full", "topk", "sampled")
    kept = {kind: targets(teacher[:, :9], kind, None if kind == "full" else 4) for kind in kinds}
    own = torch.tensor([True, False, True, False, False])
    known = ("old", "advantage", "return", "teacher", "value", "slope")
    constants = {name: -torch.ones(5) for name in known}  # of replies that are trained on in groups
    started, refused = 0, []
    for _ in range(600):
        names = rng.sample(sorted(TABLE), rng.choice([1, 1, 2, 3]))
        origin = ["", "", "(on=teacher)", "(on=own)", "(tokens=entropy)", "(tokens=gap)"]
        text = " + ".join(f"{rng.random() + 0.1:.2f}*{n}{rng.choice(origin)}" for n in names)
        signal, kind = rng.choice((*WHOLE, *WHOLE, *WHOLE, *TASKS, *TEXTS, *OWN)), rng.choice(kinds)
        objective = Cut(made(text), 9)
        try:
            check_compatible(signal, objective, kind, rng.choice([0.0, 0.5, 1.0]))
            sampling_of(objective)
        except ConfigError as error:
            refused.append(str(error))
            continue
        started += 1
        spans = torch.tensor([-0.5, math.nan, -1.0, math.inf, -0.1])
        beside = logits[:, 0].square()
        record = kept[kind]._replace(own=own, constants=constants)
        losses = objective(logits, record._replace(spans=spans, beside=beside))
        (grad,) = torch.autograd.grad(losses.sum(), logits)
        assert bool(losses.isfinite().all() and grad.isfinite().all())
    assert started > 40
    for message in refused:
        assert "\n" not in message
        assert re.search(r"\b(use|store)\b", message), message


@pytest.mark.extra(*NEEDS)
def test_micro_batches_chunks_and_origins_do_not_change_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from readsim_hf.training import logits
    from readsim_hf.training.batch import Example

    some = [
        Example(replace(e.record, own=n % 2 == 1), e.tokens)
        for n, e in enumerate(examples(soft=True))
    ]
    ends = []
    for micro, entries in ((5, 2**24), (1, 2**24), (2, 80)):
        monkeypatch.setattr(logits, "CHUNK_ENTRIES", entries)
        text = f"0.3*sft(on=teacher) + {CONTRASTIVE}"
        one = student(objective=made(text), micro_batch=micro, batch=5, learning_rate=0.01)
        window = one.train_window(some, 0.5)
        ends.append((window.loss, torch.cat([p.flatten() for p in one.parameters])))
    for loss, weights in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5)
        assert torch.allclose(weights, ends[0][1], atol=1e-4)
