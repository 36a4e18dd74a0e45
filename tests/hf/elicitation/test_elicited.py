"""Signals of several requests in runs: records, tokens by kind, distributions, resuming, refusals."""

from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, TrainingError, UnknownNameError
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)


def run_of(method: str, **settings: Any) -> Any:
    return small(method=method, **settings)


def spent(backend: Any, steps: int = 1) -> dict[str, int]:
    backend.reset(0)
    used: dict[str, int] = {}
    for step in range(steps):
        taken = backend.run_interval(step, np.array([0.5, 0.5]), TOKENS).token_usage
        used = {k: used.get(k, 0) + n for k, n in taken.items()}
    return used


@pytest.mark.parametrize("method", ["principle-first", "own-words", "answer-shown"])
def test_runs_charge_what_they_take_and_resume_equal(method: str) -> None:
    import torch

    backend = run_of(method)
    used = spent(backend)
    assert used["student"] == TOKENS
    assert used["student_rollout"] > 0
    saved = backend.snapshot()
    straight = backend.run_interval(1, np.array([0.5, 0.5]), TOKENS)
    weights = {k: v.clone() for k, v in backend.student.weights().items()}
    backend.restore(saved)
    again = backend.run_interval(1, np.array([0.5, 0.5]), TOKENS)
    assert again.token_usage == straight.token_usage
    for name, tensor in backend.student.weights().items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize("lora", [0, pytest.param(2, marks=pytest.mark.extra("peft"))])
def test_own_distributions_are_those_that_the_student_has_where_it_is_shown(lora: int) -> None:
    """Each against one forward pass over the shown text, by the student as trained, its adapters with it."""
    import torch

    recipe = {"batch": 4, "learning_rate": 0.01, "lora": lora}
    backend = run_of("answer-shown", soft={"kind": "full"}, training=recipe)
    backend.reset(0)
    backend.run_interval(0, np.array([0.5, 0.5]), TOKENS)
    feed, student = backend._feed, backend.student.model
    prompts = feed.streams[1].take(3, 0.0)
    replies = feed.teacher.ask(prompts)
    tokenizer = backend.components.pair.tokenizer
    for prompt, (record,) in zip(prompts, replies, strict=True):
        gold = f"{prompt.text}{prompt.rationale}={prompt.answer} {prompt.text}~"
        shown = tokenizer(gold)["input_ids"]
        assert tokenizer.decode(record.prompt_ids) == f"{prompt.text}~"
        ids = torch.tensor([[*shown, *record.completion_ids.tolist()]])
        with torch.no_grad():
            logits = student(ids).logits[0, len(shown) - 1 : -1]
        np.testing.assert_allclose(record.soft.logp, logits.log_softmax(-1).numpy(), atol=1e-4)
        assert record.span == (0, len(record.completion_ids))


def test_a_model_shown_nothing_new_learns_nothing() -> None:
    """Scored where it reads the plain prompt, the loss and its gradient are 0."""
    from dataclasses import replace

    from readsim_hf.elicitation.answer_shown import AnswerShown

    backend = run_of("answer-shown", soft={"kind": "full"})
    backend.reset(0)
    feed = backend._feed
    whole = AnswerShown.lessons

    def unshown(self: Any, prompts: Any, voices: Any) -> Any:
        made: Any = whole(self, prompts, voices)
        return [
            [replace(x, shown=voices.style.ask(x.asked, x.form)) for x in some] for some in made
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnswerShown, "lessons", unshown)
        weights = np.array([0.0, 1.0])
        examples = feed.window(weights, np.zeros(2), TOKENS, 4, 0.0)
        window = backend.student.train_window(examples, 0.0)
    assert abs(window.loss) < 1e-6
    assert window.gradient < 1e-3


def test_own_right_asks_the_teacher_nothing(monkeypatch: Any) -> None:
    from readsim_hf.training.elicited import Elicited

    def gold(self: Any, prompts: Any, draw: int = 0) -> Any:
        from readsim_hf.elicitation.base import StudentReply

        return [StudentReply(f"{p.rationale}={p.answer}", [3]) for p in prompts]

    monkeypatch.setattr(Elicited, "attempt", gold)
    backend = run_of("STaR")
    used = spent(backend)
    assert used["teacher_prompt"] == used["teacher_generated"] == 0
    assert used["student"] == TOKENS


def test_draws_of_a_teacher_differ_and_are_kept_apart() -> None:
    from tests.support.made_teachers import PROMPTS, teacher

    one = teacher(None, signal="cot", kind="topk")
    first, second, again = (one.ask(PROMPTS, draw) for draw in (0, 1, 0))
    ids = [[r.completion_ids.tolist() for r in some] for some in (first, second, again)]
    assert ids[0] == ids[2]
    assert all(a != b for a, b in zip(ids[0], ids[1], strict=True))


def test_surprisal_and_rank_against_a_bare_pass() -> None:
    import torch

    from readsim_hf.teachers.scoring import Passage, surprisal_and_rank
    from tests.support.made_teachers import random_model

    model = random_model()
    passages = [Passage([5, 6, 7], [8, 9, 10, 11], (0, 4)), Passage([5], [9, 12], (1, 2))]
    for passage, (surprisal, rank) in zip(
        passages, surprisal_and_rank(model, passages, vocab=320), strict=True
    ):
        first, end = passage.span
        ids = [*passage.prompt_ids, *passage.completion_ids]
        with torch.no_grad():
            logp = model(torch.tensor([ids])).logits[0, :, :320].log_softmax(-1)
        for place, (s, r) in zip(range(first, end), zip(surprisal, rank, strict=True), strict=True):
            at = len(passage.prompt_ids) + place
            own = logp[at - 1, ids[at]]
            assert s == pytest.approx(-float(own), abs=1e-4)
            assert r == 1 + int((logp[at - 1] > own).sum())


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    for settings, words in (
        (
            {"method": "STaR", "decoding": {"student_temperature": 0.0}},
            "decoding.student_temperature = 0 .* its 4 replies to a prompt would be the same; use a temp",
        ),
        (
            {"method": "TPD", "on_policy": 0.5},
            "the signal itself says who writes; use on_policy = 0",
        ),
        ({"signal": "answer-shown", "objective": "sft"}, "the student's own text with its own"),
        ({"signal": "own-words", "objective": "rkl"}, "trains on text alone; use sft"),
        (
            {"signal": "own-wrods", "objective": "sft"},
            "unknown teacher signal 'own-wrods'.*own-words",
        ),
        ({"method": "TPD", "auxiliary_weight": 0.5}, "has no auxiliary task"),
        ({"elicitation": {"traces": 0}}, "traces = 0: expected a number from 1 to 1000"),
    ):
        with pytest.raises((ConfigError, UnknownNameError), match=words):
            small(**settings)


def test_a_run_that_learns_nothing_says_why(monkeypatch: Any) -> None:
    backend = run_of("reverse-question", data={"keep": "correct"})
    with pytest.raises(
        TrainingError,
        match=r"in a row gave nothing to learn; most often .*: .+; look at the replies, or use",
    ):
        spent(backend)


def test_requests_are_charged_to_whom_they_are_for() -> None:
    from readsim_hf.elicitation.base import Request

    backend = run_of("peer-review")
    backend.reset(0)
    voices: Any = backend._feed.teacher
    (prompt,) = backend._feed.streams[1].take(1, 0.0)

    def taken(text: str, kind: str = "") -> dict[str, int]:
        before = voices.tokens
        (said,) = voices.tell([Request(prompt, text)], kind)
        taken.said = said  # type: ignore[attr-defined]
        return {k: n - before[k] for k, n in voices.tokens.items() if n != before[k]}

    plain = taken("how?")
    assert plain["teacher_prompt"] == 4
    assert set(plain) == {"teacher_prompt", "teacher_generated"}
    assert set(taken("well?", "judge")) == {"judge"}
    assert taken("more", "expansion") == {"expansion": 4 + plain["teacher_generated"]}
    assert taken("x" * 200) == {}  # no room in the teacher's context
    assert taken.said is None  # type: ignore[attr-defined]
    assert voices.write([Request(prompt, "x" * 200)]) == [None]
    assert voices.tokens["student_rollout"] == 0


def test_a_store_keeps_every_lesson_of_a_teacher_that_is_asked_alone(
    monkeypatch: Any, tmp_path: Any
) -> None:
    from rich.console import Console

    from readsim_hf.config import RunConfig, preset_table
    from readsim_hf.store.reading import TeachStore
    from readsim_hf.teach import Amount, check_teachable, teach_parts
    from readsim_hf.training.elicited import Elicited

    with pytest.raises(ConfigError, match="the student's own attempts belong to a single run"):
        check_teachable(RunConfig.of({"method": "TPD"}), "exact")
    monkeypatch.setattr(Elicited, "right", lambda self, prompt, reply: True)
    more = {
        "method": "DED",
        "data": {"group": 4, "keep_cut": True},
        "decoding": {"max_new_tokens": 8},
    }
    config = RunConfig.of(preset_table("nano"), more)
    check_teachable(config, "exact")
    parts = small(**more).components
    teach_parts(config, parts, tmp_path / "store", Amount(prompts=3), "exact", Console(quiet=True))
    store = TeachStore(tmp_path / "store")
    for source in parts.sources:
        for n in range(3):
            kept = store.prompt(source, n)
            assert len(kept.records) == 2  # keep_traces
            often, rest = divmod(kept.asked[0], len(kept.text) + 1)  # the suffix is one letter
            assert often >= 4  # draws; what is rejected is asked once more
            assert rest == 0
