"""A student that is served: the same replies as it writes here, from weights that are renewed in time."""

import dataclasses
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, RunLogError, TrainingError
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_student_server import serving_student

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SHARES = np.array([0.5, 0.5])
GREEDY_GKD: dict[str, Any] = {"method": "", "signal": "cot", "objective": "rkl", "on_policy": 1.0}
GREEDY_GKD |= {"decoding": {"max_new_tokens": 8, "student_temperature": 0.0}}
METHODS: dict[str, dict[str, Any]] = {
    "rkl, greedy": GREEDY_GKD,
    "mopd": {"method": "mopd"},
    "dpo": {"method": "dpo"},
    "minillm": {"method": "minillm"},
}


def by_server(url: str, folder: Path, every: int = 1, **settings: Any) -> Any:
    """A run in miniature whose student is served."""
    student = {"address": url, "folder": str(folder), "every": every}
    return small(**settings, student_server=student, server={"retries": 0})


def trained(backend: Any, intervals: int = 2) -> list[Any]:
    backend.reset(1)
    return [backend.run_interval(n, SHARES, TOKENS).token_usage for n in range(intervals)]


def weights(backend: Any) -> list[Any]:
    return [p.detach().numpy().copy() for p in backend.student.parameters]


def close(some: list[Any], others: list[Any]) -> None:
    for a, b in zip(some, others, strict=True):
        assert np.allclose(a, b, atol=2e-5)  # batches differ


@pytest.mark.parametrize("name", ["rkl, greedy", "mopd", "dpo", "minillm"])
def test_a_served_student_says_what_the_student_says(name: str, tmp_path: Path) -> None:
    """Token for token, at the same price, whatever the objective asks of its replies."""
    here = small(**METHODS[name])
    used = trained(here)
    with serving_student(char_pair()) as (fake, copy):
        backend = by_server(fake.url, tmp_path, **METHODS[name])
        assert trained(backend) == used
    assert used[0]["student_rollout"] > 0
    close(weights(backend), weights(here))
    assert copy.resets == len(copy.loaded) > 3
    assert [p.name for p in tmp_path.iterdir()] == [copy.loaded[-1].name]


def test_attempts_of_a_signal_are_the_servers(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "answer-shown"}
    here = small(**settings)
    used = trained(here, 1)
    with serving_student(char_pair()) as (fake, _):
        backend = by_server(fake.url, tmp_path, **settings)
        assert trained(backend, 1) == used
        assert sum("prompt" in body for body in fake.asked) > 4
    close(weights(backend), weights(here))


def test_lora_is_served_merged_and_stays_as_it_is(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "method": "mopd",
        "training": {"batch": 4, "learning_rate": 0.01, "lora": 2},
    }
    here = small(**settings)
    used = trained(here)
    with serving_student(char_pair()) as (fake, _):
        backend = by_server(fake.url, tmp_path, **settings)
        assert trained(backend) == used
        close(weights(backend), weights(here))
        before = [p.detach().clone() for p in backend.student.model.parameters()]
        backend.components.student_server.load(backend.student.model)
    after = backend.student.model.parameters()
    assert all(bool((a == b).all()) for a, b in zip(before, after, strict=True))


def test_weights_are_renewed_in_time_and_before_a_question(tmp_path: Path) -> None:
    for every, renewed in ((1, range(4, 40)), (2, range(3, 20)), (1000, range(2, 3))):
        folder = tmp_path / str(every)
        with serving_student(char_pair()) as (fake, copy):
            backend = by_server(fake.url, folder, every, method="mopd")
            backend.reset(1)
            at: list[int] = []
            backend.student.train_window = _counting(backend.student, at, copy)
            backend.run_interval(0, SHARES, 2 * TOKENS)
        assert (
            len(copy.loaded) in renewed
        )  # one at the start of the program, one at that of the run
        assert fake.paths[:3] == ["/collective_rpc", "/reset_prefix_cache", "/v1/completions"]
        starts = [n for n, path in enumerate(fake.paths) if path == "/collective_rpc"]
        assert all(fake.paths[n + 1] == "/reset_prefix_cache" for n in starts)
        taken = [at.count(n) for n in sorted(set(at))]  # optimiser steps between renewals
        assert all(n >= every for n in taken[:-1])


def _counting(student: Any, at: list[int], copy: Any) -> Any:
    """Its steps, each noting how many renewals there were."""
    step = student.train_window

    def counted(*given: Any) -> Any:
        at.append(len(copy.loaded))
        return step(*given)

    return counted


def test_importance_weights_are_of_the_weights_that_wrote(tmp_path: Path) -> None:
    """Those of the last renewal, not the student's as they are now."""
    from readsim_hf.training.batch import Example

    with serving_student(char_pair()) as (fake, copy):
        backend = by_server(fake.url, tmp_path, every=1000, method="mopd")
        trained(backend, 1)
        feed = backend._feed
        prompts = feed.streams[0].take(4, 0.5)
        groups = [g for g in feed.teacher.ask(prompts) if g is not None]
    records = [record for group in groups for record in group]
    examples = [Example(r, r.supervised) for r in records]
    then = backend.student.log_probs(copy.model, examples)
    now = backend.student.log_probs(backend.student.model, examples)
    assert records
    for record, old, new in zip(records, then, now, strict=True):
        assert np.allclose(record.constants["old"], old, atol=1e-4)
        assert not np.allclose(old, new, atol=1e-3)


@pytest.mark.parametrize("every", [1, 3])
def test_a_killed_run_resumes(every: int, tmp_path: Path) -> None:
    """As if nothing had happened where weights are renewed after each step; else it is a valid run."""
    settings: dict[str, Any] = {"every": every, "method": "mopd"}
    with serving_student(char_pair()) as (fake, _):
        whole = by_server(fake.url, tmp_path, **settings)
        used = trained(whole)
    with serving_student(char_pair()) as (fake, _):
        first = by_server(fake.url, tmp_path, **settings)
        assert trained(first, 1) == used[:1]
        first.save(tmp_path)
        first.run_interval(1, SHARES, TOKENS)  # what the server has is newer than what was saved
    with serving_student(char_pair()) as (fake, _):
        second = by_server(fake.url, tmp_path, **settings)
        second.load(tmp_path)
        again = second.run_interval(1, SHARES, TOKENS).token_usage
    assert again["student"] == TOKENS
    if every == 1:
        assert again == used[1]
        close(weights(second), weights(whole))


def test_an_error_in_the_run_costs_nothing_that_was_done(tmp_path: Path) -> None:
    """The server refuses the weights, or is gone: one sentence, and the run resumes from its snapshot."""
    faults: list[tuple[str, str]] = []

    def plan(_: int, body: dict[str, Any]) -> str:
        return next((f for kind, f in faults if kind in body), "")

    with serving_student(char_pair(), plan) as (fake, _):
        backend = by_server(fake.url, tmp_path, method="mopd")
        trained(backend, 1)
        saved = backend.snapshot()
        for kind, fault, words in (
            (
                "method",
                "500",
                r"served student 'm' .* 500 - out of memory: it did not load .*DEV_MODE=1",
            ),
            ("prompt", "dies", r"served student 'm' at .* gave no reply .*--resume resumes"),
        ):
            faults[:] = [(kind, fault)]
            with pytest.raises(TrainingError, match=words):
                backend.run_interval(1, SHARES, TOKENS)
            faults.clear()
            backend.restore(saved)
        again = backend.run_interval(1, SHARES, TOKENS).token_usage
    here = small(method="mopd")
    assert trained(here)[1] == again
    close(weights(backend), weights(here))


def test_ctrl_c_cuts_what_is_asked(tmp_path: Path) -> None:
    waiting: list[bool] = []

    def plan(_: int, body: dict[str, Any]) -> str:
        if waiting and "prompt" in body:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
            return "stalls"
        return ""

    with serving_student(char_pair(), plan) as (fake, _):
        backend = by_server(fake.url, tmp_path, method="mopd")
        backend.reset(1)
        waiting.append(True)
        with pytest.raises(KeyboardInterrupt):
            backend.run_interval(0, SHARES, TOKENS)
        asked = len(fake.asked)
        waiting.clear()
        assert asked <= 3 + 2 * backend.components.student_server.settings.concurrency
        assert trained(backend, 1)[0]["student"] == TOKENS


def test_a_server_that_keeps_its_weights_is_found_out(tmp_path: Path) -> None:
    """It says that it loaded them: known of real servers."""
    with (
        serving_student(char_pair(), stale=True) as (fake, copy),
        pytest.raises(ConfigError, match=r"does not have the student's weights: .* nats a token"),
    ):
        by_server(fake.url, tmp_path, method="mopd")
    assert len(copy.loaded) == 1


def test_no_key_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    with serving_student(char_pair()) as (fake, _):
        by_server(fake.url, tmp_path, method="mopd")
    assert "s3cret" not in str(fake.headers)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "resp-sft"}, "trains on no text of the student's own; leave it out, or use"),
        ({"student_server": {"folder": ""}}, "folder = '': give both, or neither"),
        ({"student_server": {"every": 0}}, "every = 0: expected a number of at least 1"),
        ({"student_server": {"address": "here:8000"}}, "accepted: http://HOST:PORT/v1"),
    ],
)
def test_what_cannot_be_served_is_refused(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with serving_student(char_pair()) as (fake, _):
        own = {"address": fake.url, "folder": str(tmp_path)} | settings.pop("student_server", {})
        with pytest.raises(ConfigError, match=words):
            small(**({"method": "mopd"} | settings), student_server=own)
        assert not fake.asked


def test_quantised_weights_are_not_served(tmp_path: Path) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.sampled import student_server_of
    from readsim_hf.supervision import supervision

    pair = {"teacher": "a", "student": "b", "student_precision": "nf4"}
    own = {"address": "http://127.0.0.1:9/v1", "folder": str(tmp_path)}
    table = {"method": "mopd", "pair": pair, "training": {"lora": 2}, "student_server": own}
    config = RunConfig.of(table)
    signal_, objective, _ = supervision(config)
    with pytest.raises(ConfigError, match="quantised ones do not take them; use 'bf16'"):
        student_server_of(config, char_pair(), signal_, objective)


def test_servers_that_cannot_do_it_are_refused_at_the_start(tmp_path: Path) -> None:
    with serving_student(char_pair()) as (fake, copy):
        fake.models = {"data": [{"id": "m", "max_model_len": 64}]}
        with pytest.raises(
            ConfigError, match=r"reads 64 tokens, the student 128: .*--max-model-len"
        ):
            by_server(fake.url, tmp_path, method="mopd")
        fake.models = {"data": [{"id": "a"}, {"id": "b"}]}
        with pytest.raises(ConfigError, match=r"serves 2 models: .* with #NAME behind the address"):
            by_server(fake.url, tmp_path, method="mopd")
        (tmp_path / "file").touch()
        fake.models = {"data": [{"id": "m"}]}
        with pytest.raises(RunLogError, match=r"cannot write .*file"):
            by_server(fake.url, tmp_path / "file", method="mopd")
        copy.say = _without_end  # type: ignore[method-assign]
        with pytest.raises(ConfigError, match="has no end token"):
            by_server(fake.url, tmp_path, method="mopd")
    with pytest.raises(
        ConfigError, match=r"served student's server at .* does not say what it serves"
    ):
        by_server(fake.url, tmp_path, method="mopd")


def _without_end(body: dict[str, Any]) -> Any:
    said = {"tokens": ["token_id:5"], "top_logprobs": [{"token_id:5": -0.1}]}
    choice = {"text": "x", "finish_reason": "stop", "logprobs": said}
    return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def test_who_writes_is_no_part_of_a_run_that_is_not_served(tmp_path: Path) -> None:
    """Old runs resume; served ones are runs of their own, wherever the server is."""
    here = small(method="mopd").components
    assert "student_server" not in here.manifest
    with serving_student(char_pair()) as (fake, _):
        one = by_server(fake.url, tmp_path / "a", method="mopd").components
        other = by_server(fake.url, tmp_path / "b", 2, method="mopd").components
    assert one.manifest["student_server"] == {"every": 1}
    assert len({here.identity, one.identity, other.identity}) == 3
    assert dataclasses.replace(one, student_server=None).identity == one.identity
