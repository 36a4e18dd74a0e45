"""Losses across tokenizers: where tokens meet, what a teacher says there, each loss beside numpy and TRL."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError
from tests.hf.teachers.test_two_tokenizers import SHARES, other_pair, pairs_of_digits
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_models import word_tokenizer
from tests.support.made_targets import kl, made, pair, softmax, targets
from tests.support.made_teachers import bytes_tokenizer

pytestmark = pytest.mark.extra(*NEEDS, "trl")

TOP = {"kind": "topk", "k": 5}


def said(tokenizer: Any, text: str, seed: int = 0, k: int = 4) -> Any:
    """A reply of a random teacher with its end token, the tokens themselves among the k largest."""
    from readsim_hf.teachers.record import Soft, TeacherRecord

    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (len(ids), len(tokenizer)))
    logits[np.arange(len(ids)), ids] += 14
    logp = np.log(softmax(logits))
    top = np.argsort(-logp)[:, :k].astype(np.int32)
    soft = Soft("topk", top, np.take_along_axis(logp, top, -1).astype(np.float32))
    asked, reply = np.array([3], np.int32), np.array(ids, np.int32)
    return TeacherRecord("math", asked, reply, (0, len(ids)), soft)


def sides(tokenizer: Any, other: Any) -> Any:
    from readsim_hf.teachers.alignment import Alignment

    return Alignment((tokenizer, (tokenizer.eos_token_id,)), (other, (other.eos_token_id,)))


def collated(record: Any) -> Any:
    from readsim_hf.training.batch import Example, collate

    return collate([Example(record, record.supervised)]).targets


def test_where_tokens_meet_the_teacher_says_what_comes() -> None:
    """Beside the alignment by hand: the student reads 19 + 23 = 42 in six tokens, the teacher in nine."""
    teacher, student = char_pair().teacher_tokenizer, pairs_of_digits()
    text = "19+23=42"
    theirs, ours = said(teacher, text), replace(said(student, text), soft=None)
    record = sides(teacher, student).carried(theirs, ours)
    at = [0, 2, 3, 5, 6, 8]  # the teacher's token at each of the student's
    np.testing.assert_array_equal(record.soft.logp, theirs.soft.logp[at])
    for row, place in zip(record.soft.ids, at, strict=True):
        for own, id_ in zip(row, theirs.soft.ids[place], strict=True):
            if id_ in teacher.all_special_ids:
                assert own == (student.eos_token_id if id_ == teacher.eos_token_id else -1)
            else:
                assert student.decode([own]) == teacher.decode([id_])
    top = theirs.soft.ids == theirs.completion_ids[:, None]
    own = np.where(top, theirs.soft.logp, -np.inf).max(-1)
    by_hand = [own[a:b].sum() for a, b in ((0, 2), (2, 3), (3, 5), (5, 6), (6, 8), (8, 9))]
    np.testing.assert_allclose(record.spans, by_hand, rtol=1e-6)
    back = sides(student, teacher).carried(said(student, text), replace(theirs, soft=None))
    assert np.isnan(back.spans).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert np.isinf(back.soft.logp).all(-1).tolist() == [n in (1, 4, 7) for n in range(9)]


def test_a_supervised_part_and_a_token_that_the_top_k_does_not_hold() -> None:
    teacher, student = char_pair().teacher_tokenizer, pairs_of_digits()
    theirs, ours = said(teacher, "x=4217"), replace(said(student, "x=4217"), soft=None)
    soft = theirs.soft
    soft.ids[3] = np.where(
        soft.ids[3] == theirs.completion_ids[3], 5, soft.ids[3]
    )  # of the first "2"
    cut = replace(theirs, span=(2, 7), soft=soft._replace(ids=soft.ids[2:], logp=soft.logp[2:]))
    record = sides(teacher, student).carried(cut, replace(ours, span=(1, 5)))
    assert np.isinf(record.soft.logp).all(-1).tolist() == [True, False, False, False]
    assert np.isinf(record.spans).tolist() == [True, True, False, False]  # "=", "42", "17", end
    exact = -np.arange(1, 6, dtype=np.float32)  # what the teacher said of each of its tokens
    told = replace(cut, soft=cut.soft._replace(said=exact))
    known = sides(teacher, student).carried(told, replace(ours, span=(1, 5)))
    top = cut.soft.ids[0] == cut.completion_ids[2]
    assert known.spans[1] == pytest.approx(cut.soft.logp[0][top][0] - 2)  # "4", and "2" as told
    assert known.spans[2:] == pytest.approx(record.spans[2:])


@pytest.mark.parametrize("make", [lambda: char_pair().tokenizer, bytes_tokenizer])
def test_one_tokenizer_on_both_sides_has_the_divergence_of_the_top_k_exactly(
    make: Callable[[], Any],
) -> None:
    import torch

    tokenizer = make()
    record = said(tokenizer, "42 is right, so far so good")
    carried = sides(tokenizer, tokenizer).carried(record, replace(record, soft=None))
    np.testing.assert_array_equal(carried.soft.logp, record.soft.logp)
    logits = torch.randn(
        record.supervised, len(tokenizer), generator=torch.Generator().manual_seed(0)
    )
    ours, theirs = collated(carried), collated(record)
    for one, other in (("shared", "fkl"), ("shared(beta=1)", "rkl"), ("shared(beta=.5)", "jsd")):
        assert torch.equal(made(one)(logits, ours), made(other)(logits, theirs))
    top = record.soft.ids == record.completion_ids[:, None]
    own = np.where(top, record.soft.logp, -np.inf).max(-1)
    np.testing.assert_allclose(carried.spans, own)
    p, q = np.exp(own), softmax(logits.double().numpy())[np.arange(len(own)), record.completion_ids]
    two = kl(np.stack([p, 1 - p], -1), np.stack([q, 1 - q], -1))
    np.testing.assert_allclose(made("span")(logits, ours).numpy(), two, rtol=1e-3, atol=1e-5)


@given(text=st.text("ab🙂éà 東\n", min_size=1, max_size=12))
def test_tokens_begin_where_the_text_before_them_decodes(text: str) -> None:
    from readsim_hf.teachers.alignment import starts
    from readsim_hf.teachers.encoding import decoder

    tokenizer = bytes_tokenizer()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    decode = decoder(tokenizer, (tokenizer.eos_token_id,))
    found = starts(ids, decode, text)
    assert found[0] == 0
    for n, at in enumerate(found):
        whole = "\ufffd" not in tokenizer.decode(ids[:n])
        assert at == (len(tokenizer.decode(ids[:n])) if whole else None)


def test_sorted_distances_are_those_of_numpy_and_of_trl(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.gold.gold_trainer import ULDLoss

    t, s, teacher, logits = pair(0, 6, 11)
    p, q = (np.sort(softmax(x))[:, ::-1] for x in (t[:, :8], s))
    expected = np.abs(np.pad(p, ((0, 0), (0, 3))) - q).sum(-1)
    losses = made("uld")(logits, targets(teacher[:, :8], "full"))
    np.testing.assert_allclose(losses.detach().numpy(), expected, rtol=1e-5)
    settings = {
        "uld_crossentropy_weight": 0.0, "uld_distillation_weight": 1.0, "uld_student_temperature": 1.0,
        "uld_teacher_temperature": 1.0, "uld_skip_student_eos": False, "uld_skip_teacher_eos": False,
        "use_extended_uld": False, "uld_token_merge_strategy": "observed", "uld_use_hybrid_loss": False,
    }  # fmt: skip
    theirs = ULDLoss(type("Config", (), settings)())
    labels = torch.zeros((1, 6), dtype=torch.int64)
    given_ = logits.detach()[None], teacher[None, :, :8], labels, labels, labels, labels
    assert losses.mean().item() == pytest.approx(float(theirs(*given_)), rel=1e-5)
    part = made("uld")(logits, targets(teacher[:, :8], "topk", 3)).detach().numpy()
    by_hand = np.abs(p - q[:, :8])[:, :3].sum(-1) + np.abs(q[:, 3:].sum(-1) - p[:, 3:].sum(-1))
    np.testing.assert_allclose(part, by_hand, rtol=1e-4)
    assert (part <= expected + 1e-6).all()


@pytest.mark.parametrize("text", ["uld", "shared", "shared(beta=1)"])
def test_nothing_to_learn_from_oneself(text: str) -> None:
    import torch

    _, _, teacher, _ = pair(2, 5, 9)
    same = teacher.clone().requires_grad_()
    losses = made(text)(same, targets(teacher, "topk", 4))
    (grad,) = torch.autograd.grad(losses.sum(), same)
    assert float(losses.detach().abs().max()) < 1e-5
    assert text == "uld" or float(grad.abs().max()) < 1e-5


def test_a_span_is_the_product_over_its_tokens_in_chunks_and_across_replies() -> None:
    import torch

    from readsim_hf.objectives.chunks import chunked_loss

    _, s, _, logits = pair(4, 7, 9)
    nan, inf = math.nan, math.inf
    spans = torch.tensor([nan, -0.3, -0.2, nan, nan, -1.5, inf])
    rows = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    record = targets(logits.detach(), "topk", 3)._replace(spans=spans, rows=rows)
    each = np.log(softmax(s))[np.arange(7), record.tokens.numpy()]
    expected = np.zeros(7)
    for place, tokens in (
        (1, [0, 1]),
        (2, [2]),
        (5, [4, 5]),
    ):  # token 3 has no end, token 6 no likelihood
        a, b = math.exp(float(spans[place])), math.exp(each[tokens].sum())
        expected[place] = a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
    losses = made("span")(logits, record)
    np.testing.assert_allclose(losses.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    (grad,) = torch.autograd.grad(losses.sum(), logits)
    assert (grad.abs().sum(-1) > 0).tolist() == [True, True, True, False, True, True, False]
    step = 1e-2 * grad / grad.norm()
    ends = [float(made("span")(logits.detach() + x, record).sum()) for x in (step, -step)]
    assert (ends[0] - ends[1]) / 2e-2 == pytest.approx(float(grad.norm()), rel=1e-2)
    again = logits.detach().requires_grad_()
    total, _ = chunked_loss(again, torch.nn.Identity(), made("span"), record, 2)
    torch.testing.assert_close(torch.autograd.grad(total, again)[0], grad)
    exact = record._replace(spans=torch.tensor(each, dtype=torch.float32), rows=None)
    assert float(made("span")(logits, exact).detach().abs().max()) < 1e-5


@pytest.mark.parametrize("method", ["uld", "gold"])
def test_a_run_between_tokenizers(method: str) -> None:
    """It trains, resumes with the same bits, and is refused where something is in the way."""
    import torch

    backend = small(pair=other_pair(), method=method, soft=TOP)
    backend.reset(1)
    used = backend.run_interval(0, SHARES, TOKENS).token_usage
    assert used["student"] == TOKENS
    saved = backend.snapshot()
    backend.run_interval(1, SHARES, TOKENS)
    ends = [p.clone() for p in backend.student.parameters]
    backend.restore(saved)
    backend.run_interval(1, SHARES, TOKENS)
    assert all(map(torch.equal, ends, backend.student.parameters))


@pytest.mark.parametrize(
    ("objective", "changes", "settings", "message"),
    [
        ("uld", {}, {"soft": {"kind": "full"}}, "different tokenizers, and soft.kind = 'full'; use"),
        ("shared", {}, {"on_policy": 0.5}, "different tokenizers, and on_policy = 0.5; use 0"),
        ("uld", {"teacher": None}, {}, "different tokenizers, and the teacher is not in this process"),
        ("uld + fkl", {}, {}, r"different tokenizers: .* uld and gold \(objectives uld, shared and span\)"),
        ("0.5*sft + span", {"vocabulary": 99}, {}, "'span': teacher and student have the same tokens"),
        ("uld", {"tokenizer": word_tokenizer}, {}, "the student's tokenizer reads '17 .* gives back"),
    ],
)  # fmt: skip
def test_what_is_in_the_way(
    objective: str, changes: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    by_hand = {"method": "", "signal": "cot", "objective": objective, "soft": TOP} | settings
    changed = {name: what() if callable(what) else what for name, what in changes.items()}
    with pytest.raises(ConfigError, match=message):
        small(pair=replace(other_pair(), **changed), **by_hand)
