"""A served teacher answers while the student trains: the same examples, whatever arrives when."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import TrainingError
from tests.support.hf import NEEDS
from tests.support.made_server import Fake, digits, served, serving
from tests.support.made_teachers import asking
from tests.support.processes import PATIENCE, wait_for

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SHARES, TOTAL, WINDOW, GROUP = np.array([0.5, 0.5]), 160, 2, 4


class Numbers:
    """Endless prompts of one source."""

    counts: dict[str, float] = {}  # noqa: RUF012

    def __init__(self, name: str) -> None:
        self.name, self.at = name, 0

    def take(self, n: int, spent: float) -> list[Any]:
        self.at += n
        return [asking(f"{self.name}{m}", self.name) for m in range(self.at - n, self.at)]

    def state(self) -> dict[str, Any]:
        return {"at": self.at}

    def restore(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


def feed(url: str, cache: Path | None = None, **settings: Any) -> Any:
    """Of two sources; every third reply is rejected."""
    from readsim_hf.training.example_stream import ExampleStream
    from readsim_hf.training.replies import Replies

    given = {"concurrency": GROUP, "format_ok": lambda prompt, answer: int(answer) % 3 > 0}
    teacher = served(url, cache, **(given | settings))
    replies = Replies(teacher, lambda: pytest.fail("no student answers"))
    return ExampleStream([Numbers("a"), Numbers("b")], replies, GROUP, begin=replies.begin)


def windows(stream: Any, trained: Any, count: int = 1000) -> Iterator[list[tuple[str, str, int]]]:
    """What is trained on of an interval, step by step."""
    while count and trained.sum() < TOTAL:
        count -= 1
        yield [
            (e.record.source, e.record.completion_ids.tobytes().hex(), e.tokens)
            for e in stream.window(SHARES, trained, TOTAL, WINDOW, 0.0)
        ]


def interval(stream: Any) -> list[list[tuple[str, str, int]]]:
    return list(windows(stream, np.zeros(2)))


class Late:
    """Answers that wait: the first few until so many requests have come."""

    def __init__(self, first: int, until: int) -> None:
        self._first, self._until, self._come = first, until, 0
        self._all, self._lock = threading.Event(), threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Any:
        with self._lock:
            number = self._come
            self._come += 1
            if self._come >= self._until:
                self._all.set()
        if number < self._first:
            assert self._all.wait(PATIENCE)
        return digits(body)


def test_the_examples_do_not_depend_on_what_arrives_when() -> None:
    found = []
    for concurrency, answer in ((1, digits), (GROUP, digits), (GROUP, Late(3, 7))):
        with serving(answer=answer) as fake:
            one = feed(fake.url, concurrency=concurrency)
            runs = [interval(one) for _ in range(2)]
            counts = one.teacher.teacher.counts
            assert counts.asked_prompt_tokens == counts.prompt_tokens == fake.usage[0]
            assert counts.asked_generated_tokens == fake.usage[1]  # what was paid for is counted
            assert counts.in_doubt == 0
            found.append((runs, one.tokens, counts.rejected))
    assert found[0] == found[1] == found[2]
    assert found[0][2] > 0


def test_the_student_trains_while_later_replies_are_made() -> None:
    """The first window needs two replies of eight: it is there although the last ones are not."""
    gate = threading.Event()

    def answer(body: dict[str, Any]) -> Any:
        if int(body["messages"][0]["content"][1:].rstrip("=~")) >= WINDOW:
            assert gate.wait(PATIENCE)
        return digits(body)

    with serving(answer=answer) as fake:
        one = feed(fake.url, format_ok=lambda prompt, answer: True, concurrency=2 * GROUP)
        trained = np.zeros(2)
        (first,) = windows(one, trained, 1)
        assert len(first) == WINDOW
        wait_for(lambda: len(fake.asked) == 2 * GROUP)  # all of two groups are under way
        assert len(fake.sent) < 2 * GROUP
        gate.set()
        rest = list(windows(one, trained))
        assert sum(tokens for window in [first, *rest] for _, _, tokens in window) == TOTAL
        assert len(fake.asked) == len(fake.sent)  # nothing is under way between intervals


@pytest.mark.slow
@pytest.mark.parametrize("middle", [False, True])
def test_a_resumed_run_is_given_the_same_and_pays_once(middle: bool, tmp_path: Path) -> None:
    with serving() as fake:
        one = feed(fake.url, tmp_path / "c")
        trained = np.zeros(2)
        list(windows(one, trained, 2 if middle else 1000))
        state, done = one.state(), trained.copy()
        assert len(fake.asked) == len(fake.sent)
        expected = [*windows(one, trained), *interval(one)]
        paid = len(fake.asked)
        other = feed(fake.url, tmp_path / "c")
        other.restore(state)
        assert [*windows(other, done), *interval(other)] == expected
        assert len(fake.asked) == paid
        assert other.tokens["teacher_generated"] > 0


def test_an_error_in_the_background_is_said_and_what_arrived_is_kept(tmp_path: Path) -> None:
    with serving(lambda n, body: "500" if n > 12 else "") as fake:
        one = feed(fake.url, tmp_path / "c", retries=0, format_ok=lambda prompt, answer: True)
        with pytest.raises(TrainingError, match=r"gave no reply.*kept in"):
            interval(one)
        assert isinstance(fake, Fake)
        kept = len(fake.sent)
    with serving() as other:
        again = feed(other.url, tmp_path / "c", format_ok=lambda prompt, answer: True)
        whole = interval(again)
        assert len(other.asked) == again.teacher.teacher.counts.generated
        assert again.teacher.teacher.counts.cached >= min(kept, 12)
    with serving() as third:
        assert interval(feed(third.url, format_ok=lambda prompt, answer: True)) == whole


def test_several_teachers_answer_meanwhile_where_all_are_served() -> None:
    from readsim_hf.teachers.router import Router

    with serving() as fake:
        both = [served(fake.url, format_ok=lambda prompt, answer: True) for _ in range(2)]
        first = both[0]
        several = Router(
            first, {"b": both[1]}, both, first.tokenizer, ends=first.ends, vocab=first.vocab
        )
        assert several.begin is not None
        several.begin([asking("a1", "a"), asking("b1", "b")])
        several.ask([asking("a1", "a"), asking("b1", "b")])
        assert [t.counts.generated for t in both] == [1, 1]
        assert len(fake.asked) == 2
        several.stop()
        first.begin = None  # as a teacher that is loaded here has none
        assert several.begin is None


def test_jobs_are_done_in_order_and_none_after_an_error() -> None:
    from readsim_hf.teachers.lines import Crew, Lines

    done: list[int] = []
    gate, started = threading.Event(), threading.Event()
    crew = Crew[int, int](1, Lines())

    def job(n: int) -> Any:
        def work() -> int:
            started.set()
            assert gate.wait(PATIENCE)
            done.append(n)
            if n == 7:
                raise ValueError("seven")
            return n

        return work

    crew.begin({n: job(n) for n in (0, 1, 2)})
    assert started.wait(PATIENCE)
    crew.begin({n: job(n) for n in (1, 5)}, first=True)
    gate.set()
    assert crew.take([1, 2]) == {1: 1, 2: 2}
    assert done == [0, 5, 1, 2]
    assert 0 in crew
    assert 1 not in crew
    crew.begin({n: job(n) for n in (6, 7, 8)})
    out = crew.take([6, 8])
    assert out[6] == 6
    assert isinstance(out[7], ValueError)
    assert 8 not in out
    assert done[-1] == 7


def test_a_thread_that_is_leaving_takes_no_job_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has found nothing to do but is not gone yet when more comes: somebody else does that."""
    from readsim_hf.teachers import lines

    gone = threading.Event()

    class Lingers(threading.Thread):
        def run(self) -> None:
            super().run()
            gone.wait(PATIENCE)

    monkeypatch.setattr(lines, "Thread", Lingers)
    crew = lines.Crew[int, int](1, lines.Lines())
    found: list[Any] = []

    def both() -> None:
        for n in (0, 1):
            crew.begin({n: partial(int, n)})
            found.append(crew.take([n]))
            wait_for(lambda: not crew._crew)

    asks = threading.Thread(target=both, daemon=True)
    asks.start()
    asks.join(PATIENCE / 2)
    gone.set()
    assert found == [{0: 0}, {1: 1}]
