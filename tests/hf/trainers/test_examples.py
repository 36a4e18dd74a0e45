"""Trainers of transformers and TRL behind the backend protocol: the examples, driven and killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim import make_env
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.testing.backend_checks import check_backend, describe_difference
from tests.support.hf import NEEDS
from tests.support.paths import ROOT
from tests.support.processes import python, wait_for

EXAMPLES = ROOT / "docs" / "examples" / "trainers"
TRAINERS = ("sft", "gkd", "plain")
TASK = {"sums": 0.6, "order": 0.4}

pytestmark = [
    pytest.mark.extra(*NEEDS, "accelerate", "datasets", "trl"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of TRL's own settings
]


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    yield
    for name in (*TRAINERS, "tiny_task"):
        sys.modules.pop(name, None)


def made(name: str) -> Any:
    return import_module(name).make()


@pytest.mark.parametrize("name", [path.name for path in EXAMPLES.glob("*.py")])
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINERS)
def test_an_example_keeps_what_a_backend_promises(name: str) -> None:
    check_backend(import_module(name).make)


@pytest.mark.slow
def test_a_student_learns_what_it_is_trained_on() -> None:
    backend = made("sft")
    first = backend.reset(1).profile
    one = backend.run_interval(0, np.array([1.0, 0.0]), 1500).profile - first
    backend.reset(1)
    other = backend.run_interval(0, np.array([0.0, 1.0]), 1500).profile - first
    assert one[0] > other[0] + 0.2
    assert other[1] > one[1] + 0.2


@pytest.mark.slow
def test_exactly_the_tokens_are_trained() -> None:
    """What the trainer is given, whatever the shares."""
    from readsim_hf.trainers.rows import quotas

    backend = made("plain")
    backend.reset(1)
    for shares, tokens in (([0.5, 0.5], 7), ([1 / 3, 2 / 3], 100), ([0.0, 1.0], 31)):
        backend.run_interval(0, np.array(shares), tokens)
        rows = backend.trainer.train_dataset
        counts = [sum(label != -100 for label in row["labels"][1:]) for row in rows]
        assert sum(counts) == tokens
        told = backend.trained_shares()
        assert (sum(s.prompts for s in told), sum(s.tokens for s in told)) == (len(rows), tokens)
        asked = quotas(np.array(shares), tokens)
        assert [s.tokens for s in told] == asked
        assert sum(asked) == tokens
        assert max(abs(a - s * tokens) for a, s in zip(asked, shares, strict=True)) < 1


@pytest.mark.slow
def test_a_trial_leaves_no_trace() -> None:
    backend = made("plain")
    backend.reset(3)
    backend.run_interval(0, np.array([0.5, 0.5]), 60)
    before = backend.snapshot()
    backend.alignment()
    assert describe_difference(before, backend.snapshot()) is None


@pytest.mark.slow
@pytest.mark.parametrize("allocator", ["doremi", "doge", "grid", "read", "skill-it"])
def test_allocators_with_needs_drive_it(allocator: str) -> None:
    env = make_env(backend=made("plain"), task=TASK, budget=120, steps=2)
    rows, _ = rollout(env, allocator, 1)
    assert rows[-1]["totals"]["student"] == 120


def test_an_oracle_is_refused() -> None:
    env = make_env(backend=made("plain"), task=TASK, budget=120, steps=2)
    with pytest.raises(CapabilityMissingError, match="needs 'world'"):
        rollout(env, "oracle-static", 1)


def test_a_schedule_that_would_start_anew_is_refused() -> None:
    from transformers import Trainer, TrainingArguments

    from readsim_hf.trainers.backend import TrainerBackend

    tiny_task = import_module("tiny_task")
    tokenizer, student, _ = tiny_task.models("", "")
    args = TrainingArguments(report_to="none", disable_tqdm=True)
    backend = TrainerBackend(
        lambda **given: Trainer(args=args, **given), student, **tiny_task.data(tokenizer)
    )
    with pytest.raises(ConfigError, match="lr_scheduler_type = 'linear'"):
        backend.reset(0)
    with pytest.raises(ConfigError, match="need a `teacher`"):
        backend.teacher_profile()


def test_rows_without_supervised_tokens_are_refused() -> None:
    from readsim_hf.trainers.rows import Row, checked_rows

    with pytest.raises(ConfigError, match="'a' has no rows"):
        checked_rows({"a": []}, "source")
    with pytest.raises(ConfigError, match="row 1: no token"):
        checked_rows({"a": [Row([1, 2], [-100, 2]), Row([1, 2], [1, -100])]}, "source")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "allocator"), [("sft", "read"), ("gkd", "doremi"), ("plain", "aioli")]
)
def test_a_killed_run_resumes_to_the_same_rows(name: str, allocator: str, tmp_path: Path) -> None:
    words = (
        *(
            "-m",
            "readsim",
            "run",
            "--backend",
            f"{name}:make",
            "--allocator",
            allocator,
            "--seeds",
            "3,",
        ),
        *("--task", "sums=0.6,order=0.4", "--budget", "600", "--steps", "6"),
    )
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "adapters")))
    env = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    settings: dict[str, Any] = {
        "cwd": EXAMPLES, "env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
    }  # fmt: skip
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    with python(*words, "--out", whole, **settings) as done:
        assert done.wait() == 0
    for lines in (3, 5):
        with python(*words, "--out", parts, "--resume", **settings) as killed:
            wait_for(
                lambda n=lines: parts.exists() and parts.read_bytes().count(b"\n") >= n,  # type: ignore[misc]
                killed,
            )
    with python(*words, "--out", parts, "--resume", **settings) as last:
        assert last.wait() == 0
    assert read_content(parts).rows == read_content(whole).rows
