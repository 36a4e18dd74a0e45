"""Groups of the student's own replies in training: gradients, cuts, accounts, resuming, what is refused."""

import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError, TrainingError, UnknownNameError
from tests.hf.teachers.test_router import two
from tests.support.differences import gradient_and_slopes
from tests.support.hf import NEEDS, full_soft, record, tiny
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)

SHARES = np.array([0.7, 0.3])
OWN = ("mopd", "mopd-kl", "kdrl", "minillm")
PAIRS = ("dpo", "dpkd", "plad", "rrhf", "pro")


def sampled(objective: str, **settings: Any) -> Any:
    """A run in miniature with that objective."""
    named = {"method": "", "signal": "cot", "objective": objective}
    return small(**named, on_policy=float(objective in OWN), **settings)


def window(vocabulary: int = 40) -> list[Any]:
    """Two groups of two and three replies with all constants, of two sources."""
    from readsim_hf.training.batch import Example

    rng, out = np.random.default_rng(3), []
    for source, lengths in (("a", (4, 6)), ("b", (3, 1, 5))):
        prompt = rng.integers(2, vocabulary, 4).tolist()
        for place, n in enumerate(lengths):
            made = record(
                prompt, rng.integers(2, vocabulary, n).tolist(), None, full_soft(n, vocabulary, n)
            )
            names = ("old", "start", "teacher", "return")
            beside = {name: (-rng.exponential(3.6, n)).astype(np.float32) for name in names}
            beside["score"] = np.full(n, -1.0 - place, np.float32)
            beside["advantage"] = np.full(n, 1.0 - place, np.float32)
            group = place, len(lengths)
            own, spans = place > 0, np.where(np.arange(n) % 3 == 1, np.nan, beside["teacher"])
            made = dataclasses.replace(made, own=own, spans=spans.astype(np.float32))
            one = dataclasses.replace(made, source=source, group=group, constants=beside)
            out.append(Example(one, n))
    return out


def student(objective: str, family: str = "llama", settings: Any = None, **recipe: Any) -> Any:
    from readsim_hf.models.tiny import tiny_model
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student
    from tests.support.architectures import tiny_of

    given_ = {"learning_rate": 0.01, "batch": 8, **recipe}
    llama = tiny_model("llama", 40, 2, 16, 1, context=64, eos_token_id=1)
    model = llama if family == "llama" else tiny_of(family, 40)
    return Student(model, Recipe(**given_), make_objective(objective, **(settings or {})))


def whole_loss(one: Any, examples: Any) -> float:
    """The mean over groups of a loss of whole replies, read from the log-probabilities as they are now."""
    from readsim_hf.objectives.compared import slopes
    from readsim_hf.training.slopes import reply_groups

    total, groups = 0.0, reply_groups(examples)
    for group in groups:
        logp = one.log_probs(one.model, group)
        found = slopes(one.objective.objective, logp, [e.record.constants for e in group])
        total += sum(float(part["value"].sum()) for part in found) / len(groups)
    return total


def mean_loss(one: Any, examples: Any) -> Any:
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum

    batch = collate(examples)
    return loss_sum(one.trained, batch, one.objective) / sum(e.tokens for e in examples)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("name", ["kdrl", "minillm", "mopd-kl", *PAIRS])
def test_gradients_are_finite_differences(name: str, family: str) -> None:
    """Along the gradient itself, where the slope is its norm, and with each tensor moved equally far."""
    settings = {"kdrl": {"kl": 0.3, "clip": 1e9}, "minillm": {"clip": 1e9}}.get(name, {})
    one = student(name, family, settings)
    examples = one.prepared(window())
    whole = (lambda: whole_loss(one, window())) if name in PAIRS else None
    value = partial(mean_loss, one, examples)
    for expected, slope in gradient_and_slopes(value, one.parameters, whole, 0.001):
        assert expected > 1e-3
        assert slope == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    "name", [*OWN, "contrast", "uld", "shared", "span", "k1", "k2", "k3", *PAIRS]
)
def test_a_step_is_the_same_however_its_window_is_cut(name: str) -> None:
    """Replies of one group need not lie in one micro-batch, and logits come in pieces."""
    import torch

    from readsim_hf.training import logits

    whole, cut = student(name), student(name, micro_batch=1)
    first = whole.train_window(window(), 0.5)
    second = cut.train_window(window(), 0.5)
    assert second.loss == pytest.approx(first.loss, rel=1e-4, abs=1e-6)
    assert second.gradient == pytest.approx(first.gradient, rel=1e-3)
    moments, far = whole.moments(), 1e-5 * first.gradient
    for key, moment in cut.moments().items():
        assert torch.allclose(moment, moments[key], rtol=1e-3, atol=far), key
    assert first.gradient > 1e-3
    if name in PAIRS:
        assert first.loss == pytest.approx(whole_loss(student(name), window()), rel=1e-4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logits, "CHUNK_ENTRIES", 80)
        third = student(name).train_window(window(), 0.5)
    assert third.loss == pytest.approx(first.loss, rel=1e-4, abs=1e-6)
    assert third.gradient == pytest.approx(first.gradient, rel=1e-3)


def test_lora_trains_and_its_reference_is_without_adapters() -> None:
    one, plain = student("dpo", lora=2), student("dpo")
    examples = window()
    start = plain.log_probs(plain.model, examples)
    for _ in range(2):
        one.train_window(examples, 0.5)
    with one.started(tiny()) as model:
        found = one.log_probs(model, examples)
    now = one.log_probs(one.model, examples)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(start, found, strict=True))
    assert not all(np.allclose(a, b, atol=1e-5) for a, b in zip(start, now, strict=True))


def test_signals_of_sources_are_those_of_the_window() -> None:
    """What the sources add to a gradient adds up, also where their losses compare replies."""
    one = student("rrhf")
    signals = one.source_signals(window())
    norm = one.train_window(window(), 0.0).gradient
    assert set(signals) == {"a", "b"}
    assert norm <= sum(s.gradient for s in signals.values()) * 1.001
    assert norm >= abs(signals["a"].gradient - signals["b"].gradient) * 0.999


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 60))
def test_the_last_group_is_cut_in_equal_parts(lengths: list[int], left: int) -> None:
    from readsim_hf.training.slopes import cut_to_fit

    out = cut_to_fit(lengths, left)
    assert sum(out) == min(left, sum(lengths))
    assert all(0 <= n <= most for n, most in zip(out, lengths, strict=True))
    assert out[0] > 0
    if left < sum(lengths):
        exact = [left * n / sum(lengths) for n in lengths]
        assert all(abs(n - e) <= 1 for n, e in zip(out, exact, strict=True))


# ---------------------------------------------------------------- runs


def slowly(*values: str) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        *(("mopd", "label"), ("kdrl", "label"), ("dpkd", "label"), ("rrhf", "label")),
        *(slowly("mopd", "dn"), slowly("mopd", "gradient-share"), slowly("minillm", "label")),
        *(slowly("mopd-kl", "label"), slowly("dpo", "label"), slowly("plad", "label")),
        *(slowly("pro", "label"), slowly("contrast", "label")),
    ],
)
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_a_run_trains_charges_and_resumes(
    name: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.training.slopes import reply_groups
    from readsim_hf.training.student import Student

    seen: list[Any] = []
    train = Student.train_window

    def training(self: Any, examples: Any, spent: float) -> Any:
        made = train(self, examples, spent)
        seen.append((examples, made.loss))
        return made

    monkeypatch.setattr(Student, "train_window", training)
    settings: dict[str, Any] = {"training": {"batch": 8, "learning_rate": 0.01}}
    settings["sampling"] = {"weights": weights}
    one, other = sampled(name, **settings), sampled(name, **settings)
    one.reset(1)
    usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS == sum(e.tokens for w, _ in seen for e in w)
    assert usage["student_rollout"] > 0
    assert (usage["teacher_generated"] > 0) == (name not in OWN)
    written = sum(len(e.record.completion_ids) for w, _ in seen for e in w if e.record.own)
    read = usage["teacher_scored"]  # of what the student wrote
    assert read == 0 if name in ("dpo", "plad") else read > written
    assert ("judge" in usage) == (name == "kdrl")
    for examples, loss in seen:
        assert math.isfinite(loss)
        for group in reply_groups(examples):
            assert [e.record.group[0] for e in group] == list(range(len(group)))
            assert {e.record.group[1] for e in group} == {len(group)}
            assert len({e.record.prompt_ids.tobytes() for e in group}) == 1
            if name == "rrhf":
                scores = [float(e.record.constants["score"][0]) for e in group]
                assert scores == sorted(scores, reverse=True)
    one.save(tmp_path)
    mark = len(seen)
    again = one.run_interval(1, SHARES, TOKENS).token_usage
    middle = len(seen)
    other.load(tmp_path)
    assert other.run_interval(1, SHARES, TOKENS).token_usage == again
    assert [loss for _, loss in seen[mark:middle]] == [loss for _, loss in seen[middle:]]


def test_samples_are_of_the_policy_itself() -> None:
    """`old` is the log-probability under the student at temperature 1, whatever the teacher's is (0.7)."""
    backend = sampled("mopd", sampling={"samples": 2}, decoding={"max_new_tokens": 8})
    backend.reset(1)
    prompts = backend._feed.streams[0].take(6, 0.5)
    groups = [g for g in backend._feed.teacher.ask(prompts) if g is not None]
    assert len(groups) == 6
    from readsim_hf.training.batch import Example

    for group in groups:
        examples = [Example(r, r.supervised) for r in group]
        now = backend.student.log_probs(backend.student.model, examples)
        for r, logp in zip(group, now, strict=True):
            np.testing.assert_allclose(r.constants["old"], logp, atol=1e-5)
    written = {tuple(r.completion_ids.tolist()) for g in groups for r in g}
    assert len(written) > 6  # another draw for each sample


def test_each_prompts_own_teacher_scores_it() -> None:
    backend = sampled("mopd", pair=two())
    backend.reset(1)
    alone = {0: sampled("mopd"), 1: sampled("mopd", pair=dataclasses.replace(two(), others={}))}
    from tests.support.hf import char_pair

    alone[1] = sampled("mopd", pair=char_pair(teacher_seed=7))
    for place, one in alone.items():
        one.reset(1)
        prompts = backend._feed.streams[place].take(4, 0.5)
        both = [b._feed.teacher.ask(prompts) for b in (backend, one)]
        for mine, theirs in zip(*both, strict=True):
            for a, b in zip(mine, theirs, strict=True):
                assert np.array_equal(a.soft.logp, b.soft.logp)
                assert np.array_equal(a.completion_ids, b.completion_ids)


def test_equal_rewards_are_said_and_the_gold_answer_is_worth_one() -> None:
    backend = sampled("kdrl")
    backend.reset(1)
    groups = backend._feed.teacher
    prompts = backend._feed.streams[1].take(3, 0.5)
    with pytest.warns(UserWarning, match="equal rewards: their advantages are 0"):
        made = groups.ask(prompts)
    assert all(not r.constants["advantage"].any() for g in made for r in g)
    reward = groups._reward
    style = backend.components.library.style
    right = [f"{style.mark}{p.answer}" for p in prompts]
    assert reward(prompts, right).tolist() == [1.0] * 3
    assert reward(prompts, ["", "so so", f"{style.mark}no"]).tolist() == [0.0] * 3
    with pytest.raises(ConfigError, match="has no gold answer that is checked here; use reward"):
        reward([dataclasses.replace(prompts[0], answer=None)], ["1"])


def test_a_judge_that_answers_in_prose_is_refused() -> None:
    """Through the reward alone: the connection has tests of its own."""
    from readsim_hf.probes.own.config import JudgeConfig
    from readsim_hf.probes.own.judge import Grader
    from readsim_hf.prompts.prompt import Prompt
    from readsim_hf.teachers.reply import Reply
    from readsim_hf.training.rewards import JudgedReward

    said = iter(["GRADE: 7", "well done", "fine", "a fair try"])

    class Told(Grader):
        server = type("S", (), {"model": "m"})()

        def _fetch(self, new: Any) -> None:
            self._known |= {
                k: Reply(next(said), "ended", 5, 2, "m") for k in new if k not in self._known
            }

    reward = JudgedReward(Told(JudgeConfig(address="http://x/v1"), "It is right."))
    prompts = [Prompt("math", "m/s", str(n), "1") for n in range(4)]
    assert reward(prompts[:1], ["a"]).tolist() == [0.7]
    assert reward.tokens == 7
    with pytest.raises(TrainingError, match="3 of 3 replies do not end in a grade"):
        reward(prompts[1:], ["b", "c", "d"])


def test_log_probabilities_that_are_no_numbers_are_refused() -> None:
    import torch

    backend = sampled("dpkd")
    backend.reset(1)
    groups = backend._feed.teacher
    prompts = backend._feed.streams[0].take(2, 0.5)
    score = groups._replies.scored

    def broken(*given: Any) -> Any:
        made = score(*given)
        made[0].soft.logp[:] = np.nan
        return made

    groups._replies.scored = broken
    with pytest.raises(TrainingError, match="the teacher's log-probabilities are NaN at"):
        groups.ask(prompts)
    one = student("dpo")
    with torch.no_grad():
        one.parameters[0].fill_(math.nan)
    with pytest.raises(TrainingError, match="the student's log-probabilities are NaN at 19 of 19"):
        one.train_window(window(), 0.0)


@pytest.mark.parametrize(
    ("objective", "settings", "message"),
    [
        (
            "mopd",
            {"on_policy": 0.5},
            "on_policy = 0.5: the student answers every prompt.*use on_policy = 1",
        ),
        ("dpo", {"on_policy": 0.5}, "every prompt beside the teacher here; use on_policy = 0"),
        ("kdrl", {"sampling": {"samples": 1}}, "samples = 1: a group has at least 2 replies"),
        ("rrhf", {"sampling": {"samples": 4}}, "a group of 5 replies goes into one optimiser step"),
        (
            "rkl",
            {"sampling": {"samples": 2}},
            "trains on one reply a prompt; accepted with: mopd",
        ),
        (
            "plad",
            {"sampling": {"weights": "dn"}},
            "weights = 'dn': log-ratios of the student's own text",
        ),
        (
            "kdrl",
            {"sampling": {"reward": "judge"}},
            r"probes\.judge\.address is empty.* or sampling\.reward = 'judge'",
        ),
        (
            "pro",
            {"training": {"lora": 2, "lora_dropout": 0.1}},
            "lora_dropout = 0.1: replies are compared",
        ),
        (
            "mopd",
            {"signal": "resp"},
            "'mopd' is not defined on signal 'resp'; use signal 'cot' or 'logit'",
        ),
        ("dpo", {"signal": "step-by-step"}, "which trains on text alone; use sft"),
        *[
            (
                f"{name}({part})",
                {},
                f"{part} behind '{name}': it compares whole replies.*use {name}",
            )
            for name in ("dpo", "rrhf")
            for part in ("on=teacher", "on=own", "tokens=entropy", "tokens=gap")
        ],
        (
            "dpkd",
            {"soft": {"kind": "sampled"}},
            "not defined with 'sampled' soft targets; use signal",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    objective: str, settings: dict[str, Any], message: str
) -> None:
    named = {"method": "", "signal": "cot", "objective": objective}
    on_policy = {"on_policy": float(objective in OWN)}
    with pytest.raises(ConfigError, match=message) as error:
        small(**named | on_policy | settings)
    assert "\n" not in str(error.value)


def test_names_of_the_table_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mopd'"):
        sampled("mpod")
    with pytest.raises(ConfigError, match=r"sampling\.weights"):
        sampled("mopd", sampling={"weights": "dm"})
    with pytest.raises(ConfigError, match="rubric = ''"):
        sampled("kdrl", sampling={"rubric": " "})
