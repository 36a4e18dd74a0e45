"""`readsim distill` as a person meets it: killed, interrupted, resumed, on a full disk."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Context, State
from readsim.allocators.heuristics import GreedyLast
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.runs.log_schema import read_content
from tests.cli.test_app import call
from tests.support.hf import NEEDS
from tests.support.hf_runs import stop_at_second
from tests.support.processes import end, hold, python, wait_for

pytestmark = pytest.mark.extra(*NEEDS)

HOLD = (
    "READSIM_TEST_HOLD"  # "wait 2": Watched never makes its third decision; "stop 2": ctrl-C there
)
WATCHED = "tests.hf.test_distill:Watched"
HELD = Path("held")  # there while Watched waits: all that came before is on the disk


class Watched(GreedyLast):
    """An allocator whose shares depend on what was measured."""

    def select(self, state: State, context: Context) -> Array:
        what, _, step = os.environ.get(HOLD, "").partition(" ")
        if step == str(context.step):
            if what == "stop":
                raise KeyboardInterrupt
            HELD.touch()
            hold()
        return super().select(state, context)


@pytest.fixture(autouse=True)
def _unheld(monkeypatch: pytest.MonkeyPatch, in_a_folder: None) -> None:
    monkeypatch.delenv(HOLD, raising=False)


def command(out: str, *more: str) -> tuple[str, ...]:
    return (
        *("distill", "--config", "small.toml", "--budget", "600", "--steps", "3", "--cache", ""),
        *("--probe-items", "3", "--batch", "2", "--allocator", WATCHED, "--out", out, *more),
    )


def the(suffix: str, out: str) -> Path:
    found, *_ = (p for p in Path(out, "runs").glob(f"*{suffix}") if not p.match("*.check.json"))
    return found


def rows(out: str) -> Any:
    return read_content(the(".jsonl", out)).rows


def facts(out: str) -> dict[str, Any]:
    """All of the results, but for times and what was paid for."""
    table = json.loads(the(".json", out).read_text())
    return {key: value for key, value in table.items() if key not in ("seconds", "paid", "sha256")}


def table(out: str) -> list[list[str]]:
    with the(".csv", out).open(newline="") as file:
        return list(csv.reader(file))


@contextmanager
def held(out: str, after: int, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that is held after so many decisions, from when it is."""
    HELD.unlink(missing_ok=True)
    arguments = ("-m", "readsim", *command(out, *more))
    with python(*arguments, stdout=PIPE, stderr=PIPE, env={HOLD: f"wait {after}"}) as process:
        wait_for(HELD.exists, process)
        yield process


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_killed_and_interrupted_run_ends_like_a_whole_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the pair that comes with readsim."""
    assert call(capsys, *command("whole"))[0] == 0
    with held("run", 1) as killed:
        end(killed)
    assert rows("run") == rows("whole")[:2]

    before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
    code, _, err = call(capsys, *command("run"))
    assert code == 2
    assert "exists and is not overwritten: --resume continues it" in err
    assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before

    with held("run", 2, "--resume") as stopped:
        stopped.send_signal(signal.SIGINT)
        _, err = stopped.communicate()
    assert stopped.returncode == 130
    assert "the same command with --resume resumes the run" in err
    assert "Traceback" not in err
    assert rows("run") == rows("whole")[:3]

    code, shown, _ = call(capsys, *command("run", "--resume"))
    assert code == 0
    assert "held-out prompts" in shown
    assert rows("run") == rows("whole")
    assert table("run") == table("whole")
    assert facts("run") == facts("whole")
    assert max(rows("run")[0]["profile"]) > 0
    student = the(".student", "run") / "model.safetensors"
    assert student.read_bytes() == (the(".student", "whole") / "model.safetensors").read_bytes()
    assert not list(Path("run", "runs").glob("*.state"))

    before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
    code, shown, _ = call(capsys, *command("run", "--resume"))
    assert code == 0
    assert "is complete: nothing left to do" in shown
    assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_on_groups_of_replies_ends_like_a_whole_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Groups that wait keep what is known of their tokens: the student that wrote them is gone."""
    of = ("--method", "RRHF", "--batch", "4")
    assert call(capsys, *command("whole", *of))[0] == 0
    with held("run", 1, *of) as killed:
        end(killed)
    assert rows("run") == rows("whole")[:2]
    assert call(capsys, *command("run", "--resume", *of))[0] == 0
    assert rows("run") == rows("whole")
    assert table("run") == table("whole")
    assert facts("run") == facts("whole")


@pytest.mark.slow
@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_a_damaged_checkpoint_and_what_is_written_beside_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it is used, and the rows after that are made again: no step is there twice."""
    assert call(capsys, *command("whole"))[0] == 0
    monkeypatch.setenv(HOLD, "stop 2")
    assert call(capsys, *command("run"))[0] == 130
    newest = sorted(the(".state", "run").iterdir())[-1]
    weights = newest / "run-0" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    monkeypatch.delenv(HOLD)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, said = call(capsys, *command("run", "--resume"))
    assert code == 0
    assert "weights.safetensors is damaged" in said.replace("\n", "")
    assert rows("run") == rows("whole")
    assert table("run") == table("whole")
    spent = [float(row[0]) for row in table("run")[1:]]
    tokens = [int(row[1]) for row in table("run")[1:]]
    assert sum(tokens) == 600
    assert np.allclose(spent, (np.cumsum(tokens) - tokens) / 600, atol=1e-9)
    assert len(the(".jsonl.cut", "run").read_text().splitlines()) == 1


@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_a_dry_run_says_the_plan_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [a for a in command("run", "--dry-run") if a not in ("--cache", "")]
    code, shown, _ = call(capsys, *arguments)
    assert code == 0
    for text in ("logit-kd", "student", "600", "3 decisions", "teacher generated", "probe"):
        assert text in shown
    assert [p.name for p in Path.cwd().iterdir()] == ["small.toml"]


@pytest.mark.slow
@pytest.mark.extra("tensorboard")
@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_tensorboard_reads_what_was_trained_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the process ended in the middle of an interval, which is trained again."""
    from readsim_hf.training.student import Student

    with pytest.MonkeyPatch.context() as patch:
        stop_at_second(patch, Student, "train_window", lambda _, spent: spent > 0.34)
        assert call(capsys, *command("run", "--tensorboard"))[0] == 130
    assert [row["kind"] for row in rows("run")] == ["start", "step"]
    assert float(table("run")[-1][0]) > 0.34  # steps that the log does not have
    assert call(capsys, *command("run", "--tensorboard", "--resume"))[0] == 0
    reader: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(the(".tensorboard", "run")))
    events.Reload()
    done = np.cumsum([int(row[1]) for row in table("run")[1:]])
    losses = [float(row[2]) for row in table("run")[1:]]
    read = events.Scalars("train/loss")
    assert [event.step for event in read] == done.tolist()
    assert np.allclose([event.value for event in read], losses, rtol=1e-4)
    for place, name in enumerate(("general", "steerability")):
        read = events.Scalars(f"probe/{name}")
        assert [event.step for event in read] == [200, 400, 600]
        profiles = [r["profile"][place] for r in rows("run") if r["kind"] == "step"]
        assert np.allclose([event.value for event in read], profiles)


# ----------------------------------------------------------------- failures that must not block


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.usefixtures("on_tiny")
def test_results_that_cannot_be_written_are_written_later(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The student is kept until then: --resume trains nothing again."""
    from transformers import PreTrainedModel

    import readsim_hf.distill
    from readsim_hf.check.preflight import FreeCheck
    from readsim_hf.training.student import Student

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreTrainedModel, "save_pretrained", full)
        code, shown, err = call(capsys, *command("run"))
    assert code == 2
    assert "cannot write" in err
    assert ".student" in err
    assert "Traceback" not in err + shown
    made = rows("run")
    assert made[-1]["kind"] == "final"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readsim_hf.distill, "check_before", lambda *_: FreeCheck([], None, ""))
        patch.setattr(Student, "train_window", None)
        assert call(capsys, *command("run", "--resume"))[0] == 0
    assert rows("run") == made
    for suffix in (".png", ".pdf", ".json", ".toml", ".csv", ".student"):
        assert the(suffix, "run").exists()
    assert not list(Path("run", "runs").glob("*.state"))


@pytest.mark.slow
@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_a_table_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    import readsim_hf.progress

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readsim_hf.progress, "_rows_before", full)
        code, _, err = call(capsys, *command("run"))
    assert code == 2
    assert "cannot write" in err
    assert ".csv" in err
    assert [row["kind"] for row in rows("run")] == ["start"]
    assert call(capsys, *command("run", "--resume"))[0] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_what_fails_before_the_first_row_does_not_block_the_next_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import readsim_hf.distill

    def missing(*_: Any) -> Any:
        raise ConfigError("--tensorboard needs the package tensorboard")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readsim_hf.distill, "ProgressDisplay", missing)
        assert call(capsys, *command("run"))[0] == 2
    assert not list(Path("run").rglob("*.jsonl"))
    # Other settings, the same files; neither needs --resume.
    changed = command("run", "--learning-rate", "0.001")
    monkeypatch.setenv(HOLD, "stop 0")
    assert call(capsys, *changed)[0] == 130
    monkeypatch.delenv(HOLD)
    assert [row["kind"] for row in rows("run")] == ["start"]
    code, _, err = call(capsys, *command("run", "--resume"))
    assert code == 2
    assert "was started with another config" in err
    assert "manifest.training.learning_rate is 0.001 in the log" in err
    shutil.rmtree(the(".state", "run"))
    code, _, err = call(capsys, *command("run", "--resume", "--learning-rate", "0.001"))
    assert code == 2
    assert "the log away to start this run again" in err.replace("\n", " ")
    the(".jsonl", "run").unlink()
    assert call(capsys, *command("run", "--resume"))[0] == 0
    assert rows("run")[-1]["kind"] == "final"


@pytest.mark.slow
@pytest.mark.usefixtures("on_tiny", "undrawn")
def test_the_best_student_is_saved_beside_the_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import load_file

    scores = iter((0.2, 0.9, 0.4))
    monkeypatch.setattr("readsim.runs.loop.dev_utility", lambda *_: next(scores))
    code, shown, _ = call(capsys, *command("run", "--keep-best"))
    assert code == 0
    assert "the student after 400 tokens is the best one on the dev split" in shown
    found = json.loads(the("0.json", "run").read_text())["best"]
    assert (found["spent"], found["dev_utility"], found["last"]) == (400, 0.9, False)
    best, last = (load_file(the(s, "run") / "model.safetensors") for s in (".best", ".student"))
    assert any((best[name] != last[name]).any() for name in last)
    assert (
        f"../{the('.student', 'run').name}/README.md"
        in (the(".best", "run") / "README.md").read_text()
    )
