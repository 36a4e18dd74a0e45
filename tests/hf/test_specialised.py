"""The specialised baselines of Figure 5: records of hand-made replies, weights, refusals, a run."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from readsim_hf.prompts.library import NANO, PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small
from tests.support.made_teachers import asking, bytes_tokenizer, random_model

pytestmark = pytest.mark.extra(*NEEDS)

END = "<|end|>"


@cache
def shared_tokenizer() -> Any:
    return bytes_tokenizer()


def made(monkeypatch: pytest.MonkeyPatch, signal: str, reply: str, style: Any = PROSE) -> Any:
    """A teacher that says this to everything."""
    from readsim_hf.teachers import teacher as module
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.signals import signal_named

    tokenizer = shared_tokenizer()

    def saying(model: Any, some: Any, decoding: Any, **rest: Any) -> list[Any]:
        text = tokenizer(reply)["input_ids"]
        ids = text if reply.endswith("...") else [*text, 0]  # dots: cut at the length limit
        return [np.array(ids, dtype=np.int32) for _ in some]

    monkeypatch.setattr(module, "generate", saying)
    return module.Teacher(
        random_model(),
        tokenizer,
        style,
        signal_named(signal),
        decoding=Decoding(max_new_tokens=8),
        format_ok=lambda prompt, answer: True,
        keep_cut=True,
    )


def records(teacher: Any, prompt: Prompt, **settings: Any) -> list[tuple[str, str, float]]:
    """Prompt, supervised text and weight of each record of the teacher's reply."""
    from readsim_hf.training.replies import Cutter

    (reply,) = teacher.ask([prompt])
    if reply is None:
        return []
    cut = [reply]
    if teacher.signal.tasks > 1:
        cut = list(Cutter(teacher, teacher.tokenizer, **settings).cut(prompt, reply))
    decode = teacher.tokenizer.decode
    assert all(r.source == prompt.capability and r.soft is None for r in cut)
    return [(decode(r.prompt_ids), decode(r.completion_ids[slice(*r.span)]), r.weight) for r in cut]


REPLY = "4 dogs and 3 cats.\n4 + 3 = 7\nAnswer: 7"


def test_one_reply_two_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = made(monkeypatch, "step-by-step", REPLY)
    assert records(teacher, asking("How many?"), weight=0.5) == [
        (f"How many?{PROSE.answer}", f"7{END}", 1.0),
        (f"How many?{PROSE.rationale}", f"4 dogs and 3 cats.\n4 + 3 = 7{END}", 0.5),
    ]
    nano = made(monkeypatch, "step-by-step", "7+5:12,1+2+1:4=42", NANO)
    assert records(nano, asking("m17+25")) == [
        ("m17+25=", f"42{END}", 1.0),
        ("m17+25~", f"7+5:12,1+2+1:4{END}", 1.0),
    ]
    plan = made(monkeypatch, "plan-then-code", "1. Add.\nAnswer:\ndef f(a):\n  return a + 1\n")
    assert records(plan, asking("Write f.", "code")) == [
        (f"Write f.{PROSE.answer}", f"def f(a):\n  return a + 1{END}", 1.0),
        (f"Write f.{PROSE.plan}", f"1. Add.{END}", 1.0),
    ]


def test_pieces_pass_as_text_to_another_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.training.replies import Replies
    from tests.support.hf import tiny

    teacher, own = made(monkeypatch, "step-by-step", REPLY), char_tokenizer()
    replies = Replies(teacher, tiny, own, auxiliary=0.5)
    (reply,) = replies.ask([asking("How many?")])
    assert replies.cut is not None
    assert reply is not None
    label, steps = replies.cut(asking("How many?"), reply)
    assert own.decode(label.prompt_ids) == f"How many?{PROSE.answer}"
    assert own.decode(label.completion_ids) == "7<eos>"
    assert own.decode(steps.completion_ids) == "4 dogs and 3 cats.\n4 + 3 = 7<eos>"
    assert [r.weight for r in (label, steps)] == [1.0, 0.5]


def test_the_teacher_is_charged_once_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = made(monkeypatch, "step-by-step", REPLY)
    records(teacher, asking("How many?"))
    reply = len(teacher.tokenizer(REPLY)["input_ids"]) + 1
    asked = len(teacher.tokenizer(f"How many?{PROSE.rationale}")["input_ids"])
    counts = teacher.counts
    assert (counts.prompt_tokens, counts.generated_tokens) == (asked, reply)
    assert (counts.asked_prompt_tokens, counts.asked_generated_tokens) == (asked, reply)


def test_a_reply_without_both_pieces_is_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for reply in ("7", "Answer: 7", " \nAnswer: 7", "4 + 3 = 7\nAnswer: "):
        assert records(made(monkeypatch, "step-by-step", reply), asking("How many?")) == []


def test_a_reply_that_was_cut_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = made(monkeypatch, "plan-then-code", "Count.\nAnswer: 1, 2, 3, ...")
    answer, plan = records(teacher, asking("Count."))
    assert answer[1] == "1, 2, 3, ..."
    assert plan[1] == f"Count.{END}"
    assert records(teacher, asking("Count."), context=40) == []  # the student's context


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (REPLY, True),
        ("x = 4 + 3\nAnswer: 7", True),
        ("x = 4 + 3\nAnswer: 8", False),
        ("4 + 3 = 8\nAnswer: 8", False),
        ("It is seven.\nAnswer: 7", False),
        ("Answer: 7", False),
        ("x ** 2 = 49\nAnswer: 7", True),  # not solved here: not judged
    ],
)
def test_equations_have_to_lead_to_the_answer(
    reply: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = made(monkeypatch, "equation-of-thought", reply)
    number = Prompt("math", "math/sum", "How many?", checker="number")
    expected = [(f"How many?{PROSE.equations}", reply + END, 1.0)] if kept else []
    assert records(teacher, number) == expected
    assert teacher.counts.rejected == (0 if kept else 2)  # asked for once more
    assert records(teacher, asking("How many?")) != []  # no number is asked for


def test_weights_multiply_the_losses() -> None:
    import torch

    from readsim_hf.objectives.baselines import SFT
    from readsim_hf.objectives.chunks import chunked_loss
    from readsim_hf.training.batch import Example, collate
    from readsim_hf.training.logits import loss_sum
    from tests.support.hf import record, tiny

    model = tiny()
    label, other = record([3, 4], [5, 1]), record([3, 6], [7, 8, 9, 1])
    object.__setattr__(other, "weight", 0.25)
    assert collate([Example(label, 2)]).targets.weights is None

    def loss(*some: Any) -> Any:
        return loss_sum(model, collate([Example(r, r.supervised) for r in some]), SFT())

    alone = record([3, 6], [7, 8, 9, 1])
    expected = loss(label) + 0.25 * loss(alone)
    torch.testing.assert_close(loss(label, other), expected)
    batch = collate([Example(label, 2), Example(other, 4)])
    hidden = torch.randn(6, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    head = torch.nn.Linear(16, 40)
    weights = batch.targets.weights
    assert weights is not None
    assert weights.tolist() == [1.0] * 2 + [0.25] * 4
    each = SFT()(head(hidden), batch.targets) * weights
    (whole,) = torch.autograd.grad(each.sum(), hidden)
    total, _ = chunked_loss(hidden, head, SFT(), batch.targets, 4)
    (chunked,) = torch.autograd.grad(total, hidden)
    torch.testing.assert_close(total, each.sum())
    torch.testing.assert_close(chunked, whole)


def test_weights_survive_a_checkpoint() -> None:
    from readsim_hf.teachers.codec import record_from_tree, record_to_tree
    from tests.support.hf import record

    one = record([3], [4, 1])
    object.__setattr__(one, "weight", 0.25)
    assert record_from_tree(record_to_tree(one)).weight == 0.25


def saying(reply: Callable[[str], str], heard: list[Any]) -> Any:
    """Stands for `generate` on the characters' tokenizer."""
    from readsim_hf.models.char_tokenizer import char_tokenizer

    tokenizer = char_tokenizer()

    def generate(model: Any, some: Sequence[Any], decoding: Any, **rest: Any) -> list[Any]:
        out = []
        for ids in some:
            text = str(tokenizer.decode(ids))
            out.append(np.array([*tokenizer(reply(text))["input_ids"], 1], dtype=np.int32))
            heard.append((text, out[-1]))
        return out

    return generate


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_a_nano_run_of_step_by_step(weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.teachers import teacher as module
    from readsim_hf.training.student import Student

    heard: list[Any] = []
    trained: list[Any] = []
    window = Student.train_window

    def training(self: Any, examples: Any, spent: float) -> Any:
        trained.extend(examples)
        return window(self, examples, spent)

    monkeypatch.setattr(module, "generate", saying(lambda text: f"{len(text)}:1=9", heard))
    monkeypatch.setattr(Student, "train_window", training)
    backend = small(method="step-by-step", auxiliary_weight=weight)
    backend.reset(1)
    token_usage = [
        backend.run_interval(step, np.array([0.7, 0.3]), TOKENS).token_usage for step in (0, 1)
    ]
    assert [c["student"] for c in token_usage] == [TOKENS, TOKENS]
    assert sum(e.tokens for e in trained) == 2 * TOKENS  # of both tasks, to the token
    assert sum(c["teacher_generated"] for c in token_usage) == sum(len(reply) for _, reply in heard)
    assert all(text.endswith("~") for text, _ in heard)
    decode = backend.components.pair.tokenizer.decode
    seen = [
        (decode(e.record.prompt_ids), decode(e.record.completion_ids), e.record.weight)
        for e in trained
    ]
    labels = {(p[:-1], said, w) for p, said, w in seen if p.endswith("=")}
    steps = {(p[:-1], said, w) for p, said, w in seen if p.endswith("~")}
    assert len(labels) + len(steps) == len(set(seen))
    assert {(said, w) for _, said, w in labels} == {("9<eos>", 1.0)}
    assert {w for _, _, w in steps} == {weight}
    assert all(said == f"{len(p) + 1}:1<eos>" for p, said, _ in steps)
    assert abs(len(labels) - len(steps)) <= 3  # both tasks of nearly every reply
    saved = backend.snapshot()
    backend.restore(saved)
    assert backend.run_interval(1, np.array([0.7, 0.3]), 20).token_usage["student"] == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"method": "equation-of-thought"},
            "form = 'equations': prompts of style 'nano'.*rationale",
        ),
        ({"method": "plan-then-code"}, "form = 'plan': prompts of style 'nano' do not ask for it"),
        ({"probes": {"form": "plan"}}, "form = 'plan': prompts of style 'nano'"),
        (
            {"method": "cot-sft", "auxiliary_weight": 0.5},
            "auxiliary_weight = 0.5: signal 'cot'",
        ),
        (
            {"method": "step-by-step", "auxiliary_weight": 0.0},
            "auxiliary_weight = 0.0: expected a number ab",
        ),
        (
            {"method": "", "signal": "step-by-step", "objective": "kd"},
            "not defined on signal 'step-by-step', which trains on text alone; use sft",
        ),
        ({"method": "step-by-step", "on_policy": 0.5}, "student's own text|text alone"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(**settings)


def test_the_identity_names_the_weight() -> None:
    """Runs with other weights are other runs; those of other signals are what they were."""
    one, other = (small(method="step-by-step", auxiliary_weight=w) for w in (1.0, 0.5))
    assert one.components.identity != other.components.identity
    assert one.components.manifest["auxiliary_weight"] == 1.0
    assert "auxiliary_weight" not in small(method="cot-sft").components.manifest
