"""Runs whose rewards are a judge's: what it is asked and paid for, what its grades do, where it fails."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, TrainingError
from tests.hf.training.test_groups import SHARES
from tests.support.hf import NEEDS, served_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_server import chat, serving

pytestmark = pytest.mark.extra(*NEEDS, "openai")

METHODS = ("kdrl", "grpo")
_SENT = re.compile(r"instruction to you\):\n(.*)\n\nSay in a few words", re.DOTALL)


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sleeps between attempts."""
    import time

    monkeypatch.setattr(time, "sleep", lambda _: None)


def run(method: str, url: str, **settings: Any) -> Any:
    """A run in miniature whose replies that judge grades."""
    judge = {"address": url, "server": {"retries": 2}}
    return small(method=method, sampling={"reward": "judge"}, probes={"judge": judge}, **settings)


def worth(reply: str) -> int:
    """What this judge likes: small letters, 10 of them at best."""
    return min(sum("a" <= c <= "z" for c in reply), 10)


def graded(body: dict[str, Any]) -> Any:
    """Its answer, with token counts that depend on what it was sent."""
    sent = body["messages"][0]["content"]
    found = _SENT.search(sent)
    assert found is not None
    return chat(
        f"It is so so.\nGRADE: {worth(found[1])}",
        prompt_tokens=len(sent),
        completion_tokens=3 + len(found[1]),
    )


def watched(patch: pytest.MonkeyPatch) -> tuple[list[tuple[str, str, int]], list[Any]]:
    """What is graded from now on (question, reply, tokens of the judge), and the groups that are made."""
    from readsim_hf.training.groups import ReplyGroups
    from readsim_hf.training.rewards import JudgedReward

    replies: list[tuple[str, str, int]] = []
    groups: list[Any] = []
    reward, ask = JudgedReward.__call__, ReplyGroups.ask

    def rewarding(self: Any, prompts: Any, texts: Any) -> Any:
        for p, text in zip(prompts, texts, strict=True):
            sent = self._grader.text({"question": p.text, "answer": p.answer}, text)
            replies.append((p.text, text, len(sent) + 3 + len(text)))
        return reward(self, prompts, texts)

    def asking(self: Any, prompts: Any) -> Any:
        made = ask(self, prompts)
        groups.extend((self, group) for group in made if group is not None)
        return made

    patch.setattr(JudgedReward, "__call__", rewarding)
    patch.setattr(ReplyGroups, "ask", asking)
    return replies, groups


@pytest.mark.parametrize("method", METHODS)
def test_a_judged_run_pays_what_the_judge_counts_and_resumes(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is what the server counted, a reply that came twice counted twice; a second backend,
    whose judge is asked anew, goes on with the same losses and the same account."""
    from readsim_hf.training.student import Student

    replies, _ = watched(monkeypatch)
    losses: list[float] = []
    train = Student.train_window

    def training(self: Any, examples: Any, spent: float) -> Any:
        made = train(self, examples, spent)
        losses.append(made.loss)
        return made

    monkeypatch.setattr(Student, "train_window", training)
    with serving(answer=graded) as fake:
        one, other = run(method, fake.url), run(method, fake.url)
        one.reset(1)
        usage = one.run_interval(0, SHARES, TOKENS).token_usage
        assert usage["student"] == TOKENS
        assert usage["judge"] == sum(tokens for *_, tokens in replies) > 0
        distinct = {(question, text): tokens for question, text, tokens in replies}
        assert len(fake.asked) == len(distinct)
        assert sum(fake.usage) == sum(distinct.values())
        assert {(body["temperature"], body["seed"]) for body in fake.asked} == {(0.0, 1)}
        one.save(tmp_path)
        mark, before = len(losses), len(replies)
        again = one.run_interval(1, SHARES, TOKENS).token_usage
        middle, after = len(losses), len(replies)
        other.load(tmp_path)
        assert other.run_interval(1, SHARES, TOKENS).token_usage == again
    assert again["judge"] == sum(tokens for *_, tokens in replies[before:after])
    assert replies[before:after] == replies[after:]
    assert losses[mark:middle] == losses[middle:]
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("method", METHODS)
def test_advantages_follow_the_grades(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside (grade - mean) / sd of each group by hand; above 0 just where the grade is above the mean."""
    _, groups = watched(monkeypatch)
    with serving(answer=graded) as fake:
        one = run(method, fake.url)
        one.reset(1)
        one._feed.teacher.ask(one._feed.streams[0].take(8, 0.5))
    spread = 0
    for owner, group in groups:
        grades = np.array([worth(owner._replies.text(r)) / 10 for r in group])
        found = np.array([float(r.constants["advantage"][0]) for r in group])
        assert all(len(set(r.constants["advantage"].tolist())) == 1 for r in group)
        if np.ptp(grades) == 0:
            assert not found.any()
            continue
        spread += 1
        np.testing.assert_allclose(found, (grades - grades.mean()) / grades.std(ddof=1), rtol=1e-5)
        assert ((found > 0) == (grades > grades.mean())).all()
        assert np.argmax(found) == np.argmax(grades)
    assert spread > 3


def test_a_step_makes_what_the_judge_likes_likelier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards alone, without a teacher: log-probability times how far a grade is above its group's rises."""
    from readsim_hf.training.batch import Example

    _, groups = watched(monkeypatch)
    with serving(answer=graded) as fake:
        one = run("grpo", fake.url)
        one.reset(1)
        one._feed.teacher.ask(one._feed.streams[0].take(4, 0.5))
    examples = [Example(r, r.supervised) for _, group in groups for r in group]
    by_group = [np.array([worth(o._replies.text(r)) for r in group]) for o, group in groups]
    better = np.concatenate([(g - g.mean()) / max(g.std(), 1) for g in by_group])

    def liked() -> float:
        logp = one.student.log_probs(one.student.model, examples)
        return float(sum(b * row.sum() for b, row in zip(better, logp, strict=True)))

    before = liked()
    one.student.train_window(examples, 0.0)
    assert liked() > before


# ---------------------------------------------------------------- a judge that does not judge


def interval(one: Any) -> str:
    """The words with which an interval ends that cannot go on."""
    one.reset(1)
    with pytest.raises(TrainingError) as caught:
        one.run_interval(0, SHARES, TOKENS)
    words = str(caught.value)
    assert "\n" not in words
    return words


@pytest.mark.parametrize("said", ["A fine reply, I like it.", "", "GRADE: 11", "<html>42</html>"])
@pytest.mark.parametrize("method", METHODS)
def test_a_judge_that_grades_nothing_ends_the_run_in_a_sentence(method: str, said: str) -> None:
    with serving(answer=lambda body: chat(said)) as fake:
        words = interval(run(method, fake.url))
    every = re.match(r"the judge 'm': (\d+) of \1 replies do not end in a grade", words)
    assert every is not None
    assert words.endswith("raise probes.judge.max_new_tokens or take another judge")
    assert ". " not in words


@pytest.mark.parametrize("fault", ["garbage", "no choices", "500", "401", "dies"])
def test_a_server_that_answers_garbage_ends_the_run_in_a_sentence(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")  # which the fake repeats
    with serving(lambda n, body: fault, answer=graded) as fake:
        words = interval(run("kdrl", fake.url))
    assert words.startswith("as a judge: ")
    assert fake.url in words
    assert "s3cret" not in words


def test_a_few_replies_without_a_grade_have_no_reward_and_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are worth 0, as the worst one is; the run goes on."""
    _, groups = watched(monkeypatch)

    def mute(text: str) -> bool:
        return len(text) % 3 == 0 or text.startswith(tuple("0123456789"))

    def answer(body: dict[str, Any]) -> Any:
        found = _SENT.search(body["messages"][0]["content"])
        assert found is not None
        return chat("no idea") if mute(found[1]) else graded(body)

    with serving(answer=answer) as fake:
        one = run("kdrl", fake.url)
        one.reset(1)
        prompts = one._feed.streams[0].take(4, 0.5)
        with pytest.warns(UserWarning, match=r"replies do not end in a grade .*; they score 0"):
            one._feed.teacher.ask(prompts)
    unread = 0
    for owner, group in groups:
        texts = [owner._replies.text(r) for r in group]
        grades = np.array([0.0 if mute(t) else worth(t) / 10 for t in texts])
        found = np.array([float(r.constants["advantage"][0]) for r in group])
        unread += sum(map(mute, texts))
        if np.ptp(grades):
            expected = (grades - grades.mean()) / grades.std(ddof=1)
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert unread > 0


def test_a_run_whose_judge_was_gone_goes_on_from_its_save(tmp_path: Path) -> None:
    """As the run of a judge that was always there."""
    gone: list[bool] = []
    with serving(lambda n, body: "500" if gone else "", answer=graded) as fake:
        one, other = run("kdrl", fake.url), run("kdrl", fake.url)
        for backend in (one, other):
            backend.reset(1)
            backend.run_interval(0, SHARES, TOKENS)
        one.save(tmp_path)
        expected = other.run_interval(1, SHARES, TOKENS).token_usage
        gone.append(True)
        with pytest.raises(TrainingError, match="as a judge"):
            one.run_interval(1, SHARES, TOKENS)
        gone.clear()
        third = run("kdrl", fake.url)
        third.load(tmp_path)
        assert third.run_interval(1, SHARES, TOKENS).token_usage == expected


def test_a_judge_that_is_not_there_is_refused_before_the_run() -> None:
    with serving() as fake:
        url = fake.url
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        run("kdrl", url)


def test_the_teachers_own_server_may_be_the_judge() -> None:
    """Two accounts: what it is asked as a judge is `judge`'s, and as a teacher it is asked nothing."""
    with serving(answer=graded) as fake:
        one = run("grpo", fake.url, pair=served_pair(fake.url))
        one.reset(1)
        usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["judge"] >= sum(fake.usage) > 0
    assert usage["teacher_prompt"] == usage["teacher_generated"] == 0
