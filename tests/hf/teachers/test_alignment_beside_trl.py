"""Alignment across tokenizers, and its losses, beside TRL's GOLD, where both mean the same; and where not.

Where one vocabulary is the other in another order, `shared` is TRL's whole hybrid loss. Elsewhere:

* TRL's shared tokens are those of one name, ours also those of one text (a text of spellings such as a
  leading mark for a space: TRL reads byte-level tokenizers alone).
* TRL sums p log(p / q) over shared tokens as they are, without the rest of the mass, and adds a sorted
  distance of the other tokens; `shared` has the rest as one outcome, and no sorted distance.
* TRL's groups end where bytes meet, our spans where these also end a character.
* In a group of several tokens TRL compares distributions times the likelihood of its other tokens, at the
  last token (`bayesian`) or the first (`observed`); `span` compares the likelihood of the whole text with
  that of any other, and `shared` what comes next where tokens of both begin.
"""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hf import NEEDS
from tests.support.made_targets import kl, made, softmax
from tests.support.made_teachers import CORPUS, END, bytes_tokenizer

pytestmark = pytest.mark.extra(*NEEDS, "trl")

TEXT = "the answer: 42 is right, so far 17+25=42"


@pytest.fixture(autouse=True)
def _unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL says nothing of what is experimental."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


def wrapped(inner: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    return wrap(tokenizer_object=inner, bos_token="<|start|>", eos_token=END, pad_token=END)


def shuffled(tokenizer: Any) -> Any:
    """The same tokens under other ids."""
    from tokenizers import Tokenizer

    tree = json.loads(tokenizer.backend_tokenizer.to_str())
    order = np.random.default_rng(5).permutation(len(tree["model"]["vocab"])).tolist()
    tree["model"]["vocab"] = {t: order[i] for t, i in tree["model"]["vocab"].items()}
    for added in tree["added_tokens"]:
        added["id"] = order[added["id"]]
    return wrapped(Tokenizer.from_str(json.dumps(tree)))


def other() -> Any:
    """Byte-level too, with other merges and other special tokens in front."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|pad|>", END, "<|start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([CORPUS[2][:30], "答え é 🙂 right, righ 42 is"], trainer)
    return wrapped(inner)


class Side:
    """A tokenizer, a text in its tokens with the end, their bytes, and random logits of each token."""

    def __init__(self, tokenizer: Any, text: str, seed: int) -> None:
        import torch
        from trl.experimental.utils import encode_with_byte_offsets

        self.tokenizer, end = tokenizer, len(text.encode())
        ((ids, offsets),) = encode_with_byte_offsets(tokenizer.backend_tokenizer, [text])
        self.ids, self.offsets = [*ids, tokenizer.eos_token_id], [*offsets, (end, end)]
        rng = np.random.default_rng(seed)
        self.logits = rng.normal(0, 1.5, (len(self.ids), len(tokenizer)))
        self.leaf = torch.tensor(self.logits, dtype=torch.float32, requires_grad=True)
        self.probs = self.leaf.softmax(-1)

    def record(self) -> Any:
        """With the distributions of all positions, whole."""
        from readsim_hf.teachers.record import Soft, TeacherRecord

        logp = np.log(softmax(self.logits))
        top = np.argsort(-logp).astype(np.int32)
        soft = Soft("topk", top, np.take_along_axis(logp, top, -1).astype(np.float32))
        asked, reply = np.array([3], np.int32), np.array(self.ids, np.int32)
        return TeacherRecord("math", asked, reply, (0, len(self.ids)), soft)


def carried(teacher: Side, student: Side) -> tuple[Any, Any]:
    """The alignment, and the student's record with what the teacher knows."""
    from dataclasses import replace

    from readsim_hf.teachers.alignment import Alignment

    sides = [(s.tokenizer, (s.tokenizer.eos_token_id,)) for s in (teacher, student)]
    alignment = Alignment(*sides)
    return alignment, alignment.carried(teacher.record(), replace(student.record(), soft=None))


def losses(text: str, student: Side, record: Any) -> Any:
    from readsim_hf.training.batch import Example, collate

    return made(text)(student.leaf, collate([Example(record, record.supervised)]).targets)


def gold(teacher: Side, student: Side, beta: float = 0.0, merge: str = "bayesian") -> Any:
    """TRL's loss with the weights that it takes of the overlap."""
    from trl.experimental.gold.gold_trainer import ULDLoss

    settings = {
        "uld_crossentropy_weight": 0.0, "uld_distillation_weight": 1.0, "uld_student_temperature": 1.0,
        "uld_teacher_temperature": 1.0, "uld_skip_student_eos": False, "uld_skip_teacher_eos": False,
        "use_extended_uld": True, "uld_token_merge_strategy": merge, "uld_use_hybrid_loss": True,
        "beta": beta,
    }  # fmt: skip
    return ULDLoss(type("Config", (), settings)(), student.tokenizer, teacher.tokenizer)


def asked(side: Side) -> tuple[Any, ...]:
    """Logits, labels, ids and bytes as TRL wants them, behind a prompt of one token."""
    import torch

    ids = torch.tensor([[3, *side.ids]])
    logits = torch.cat([side.leaf, torch.zeros(1, side.leaf.shape[1])])[None]
    labels = torch.tensor([[-100, *side.ids]])
    return logits, labels, ids, torch.tensor([[(0, 0), *side.offsets]])


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("same", [True, False])
def test_on_a_matched_vocabulary_shared_is_trls_hybrid_loss(beta: float, same: bool) -> None:
    """Value and gradient, through all of TRL's function: bytes, groups, merging, matching."""
    import torch

    one = bytes_tokenizer()
    teacher = Side(one if same else shuffled(one), TEXT, 0)
    student = Side(one, TEXT, 1)
    assert same == (teacher.ids == student.ids)
    alignment, record = carried(teacher, student)
    theirs = gold(teacher, student, beta)
    np.testing.assert_array_equal(alignment.student_id, theirs.mapping_tensor.numpy())
    parts = [x for both in zip(asked(student), asked(teacher), strict=True) for x in both]
    expected = theirs(*parts)
    ours = losses(f"shared(beta={beta})", student, record).mean()
    assert float(ours.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert float(expected.detach()) > 0.1
    slopes = [torch.autograd.grad(x, student.leaf, retain_graph=True)[0] for x in (ours, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-6)


def test_of_two_vocabularies_shared_is_trls_matched_part_and_the_rest() -> None:
    """Where a token of one stands beside a token of the other."""
    teacher, student = Side(bytes_tokenizer(), TEXT, 0), Side(other(), TEXT, 1)
    alignment, record = carried(teacher, student)
    theirs = gold(teacher, student)
    known = {t: s for t, s in enumerate(alignment.student_id.tolist()) if s >= 0}
    assert known == theirs._vocab_mapping
    own = len(teacher.tokenizer) - len(known), len(student.tokenizer) - len(known)
    assert min(own) > 0  # tokens that only one of both has, on both sides
    groups = theirs._align_by_byte_offsets(student.offsets, teacher.offsets)
    ours = losses("shared", student, record).detach().numpy()
    p, q = (softmax(side.logits) for side in (teacher, student))
    rows = [(s, t) for s, t in zip(*groups, strict=True) if len(s) == len(t) == 1]
    assert 3 < len(rows) < len(student.ids)
    for (s,), (t,) in rows:
        pair = student.probs[[s]], teacher.probs[[t]]
        matched, unmatched = theirs._compute_hybrid_uld_loss(*pair), theirs.last_unmatched_loss
        weight = len(known) / len(teacher.tokenizer)  # TRL's, of what is matched
        matched = (matched - (1 - weight) * unmatched) / weight
        rest = 1 - p[t, list(known)].sum(), 1 - q[s, list(known.values())].sum()
        outside = rest[0] * np.log(rest[0] / rest[1])
        assert ours[s] == pytest.approx(float(matched.detach()) + outside, rel=1e-3, abs=1e-4)
        whole = [
            np.append(x, r)
            for x, r in zip((p[t, list(known)], q[s, list(known.values())]), rest, strict=True)
        ]
        assert ours[s] == pytest.approx(float(kl(*whole)), rel=1e-3, abs=1e-4)


@given(text=st.text("ab42 rightés答え🙂:", min_size=1, max_size=16))
def test_spans_end_where_trls_groups_end_and_a_character_does(text: str) -> None:
    teacher, student = Side(bytes_tokenizer(), text, 0), Side(other(), text, 1)
    _, record = carried(teacher, student)
    groups, others = gold(teacher, student)._align_by_byte_offsets(student.offsets, teacher.offsets)
    borders = np.cumsum([0, *(len(c.encode()) for c in text)])
    ends = [g[-1] for g in groups if student.offsets[g[-1]][1] in borders]
    assert np.flatnonzero(~np.isnan(record.spans)).tolist() == ends
    if text.isascii():
        assert len(ends) == len(groups) == len(others)


@pytest.mark.parametrize("merge", ["bayesian", "observed"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_a_spans_likelihood_is_in_trls_merged_distributions(merge: str, beta: float) -> None:
    """At the last token of a group, or at the first: whichever distribution TRL keeps. `span` is then its
    divergence of two outcomes, value and gradient."""
    import torch
    from trl.experimental.gold import gold_trainer

    text = TEXT[:24]
    teacher, student = Side(bytes_tokenizer(), text, 0), Side(other(), text, 1)
    for side in (
        teacher,
        student,
    ):  # as of models that know the text: likelihoods that are not tiny
        side.logits[np.arange(len(side.ids)), side.ids] += 6
        side.leaf = torch.tensor(side.logits, dtype=torch.float32, requires_grad=True)
        side.probs = side.leaf.softmax(-1)
    _, record = carried(teacher, student)
    theirs = gold(teacher, student, merge=merge)
    groups = theirs._align_by_byte_offsets(student.offsets, teacher.offsets)
    at = -1 if merge == "bayesian" else 0
    found = []
    for side, some in zip((student, teacher), groups, strict=True):
        merged = theirs._merge_probabilities_with_alignment_groups(side.probs, some, side.ids)
        found.append(torch.stack([merged[n, side.ids[g[at]]] for n, g in enumerate(some)]))
    ends = [g[-1] for g in groups[0]]
    assert max(map(len, groups[0])) > 1 < max(map(len, groups[1]))
    np.testing.assert_allclose(np.exp(record.spans[ends]), found[1].detach().numpy(), rtol=1e-4)
    two = [torch.stack([x, 1 - x], -1) for x in found]
    trainer: Any = gold_trainer
    expected = trainer.GOLDTrainer.generalized_jsd_loss(
        *two, beta=beta, reduction="sum", logits_are_probs=True
    )
    ours = losses(f"span(beta={beta})", student, record).sum()
    assert float(ours.detach()) == pytest.approx(float(expected.detach()), rel=1e-3, abs=1e-5)
    slopes = [torch.autograd.grad(x, student.leaf, retain_graph=True)[0] for x in (ours, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-2, atol=1e-5)
