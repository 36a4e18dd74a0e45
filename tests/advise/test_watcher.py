"""A watcher beside somebody else's job, which is killed, restarted, and ends early."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim import make_env
from readsim.advise import advise
from readsim.advise.shares import Shares, read_shares
from readsim.errors import ConfigError
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.runs.read_logs import read_log
from tests.cli.test_app import call
from tests.support.paths import ROOT
from tests.support.processes import end, python, start, wait_for
from tests.support.watched import NAMES, advice, losses, put

JOB = ROOT / "tests" / "support" / "watched_job.py"


def test_every_measurement_that_is_due_brings_a_decision(tmp_path: Path) -> None:
    put(tmp_path, losses(5))
    assert advise(advice(tmp_path), once=True).done == 4
    log = read_log(tmp_path / "run.jsonl")
    assert [row.spent for row in log.steps] == [100, 200, 300, 400]
    assert log.header.unit == "loss"
    np.testing.assert_allclose(log.steps[-1].profile, [-1.6, -0.96])
    found = read_shares(tmp_path / "shares.json")
    assert [(d.step, d.tokens) for d in found.decisions] == [
        (0, 0), (1, 0), (2, 100), (3, 200), (4, 300), (5, 400)
    ]  # fmt: skip
    for row, decision in zip(log.steps, found.decisions[1:], strict=False):
        assert dict(zip(NAMES, row.allocation.tolist(), strict=True)) == decision.shares
    assert not found.over


def test_the_allocator_decides_as_it_does_in_the_same_run_elsewhere(tmp_path: Path) -> None:
    """By hand: select and update over the same numbers."""
    put(tmp_path, losses(11))
    assert advise(advice(tmp_path), once=True).over
    log = read_log(tmp_path / "run.jsonl")
    assert log.finals[0].totals["student"] == 1000
    replay = _Replayed([np.array([-r["eval_math_loss"], -r["eval_code_loss"]]) for r in losses(11)])
    env = make_env(backend=replay, task="average", budget=1000, steps=10)
    rows, _ = rollout(env, "exp3", 0)
    asked = [row["allocation"] for row in rows if row["kind"] == "step"]
    np.testing.assert_array_equal([row.allocation for row in log.steps], asked)


class _Replayed:
    """A backend that shows these profiles, whatever is trained."""

    sources = capabilities = NAMES
    hidden = ()

    def __init__(self, profiles: list[Any]) -> None:
        from readsim.runs.profile_scale import LOSSES

        self.profiles, self.scale, self.at = profiles, LOSSES, 0

    def _now(self, used: dict[str, int]) -> Any:
        from readsim.backend import Measurement

        return Measurement(self.profiles[self.at], used)

    def reset(self, seed: int | None) -> Any:
        self.at = 0
        return self._now({})

    def run_interval(self, step: int, weights: Any, tokens: int) -> Any:
        self.at += 1
        return self._now({"student": tokens})

    def dev_eval(self) -> Any:
        return self._now({})

    def final_eval(self) -> Any:
        from readsim.backend import Final

        return Final(self.profiles[-1], self.profiles[-1] - self.profiles[0], np.zeros(2), {})

    def snapshot(self) -> dict[str, Any]:
        return {"at": self.at}

    def restore(self, saved: dict[str, Any]) -> None:
        self.at = saved["at"]


def test_stopped_after_each_row_it_ends_the_same(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    put(whole, losses(11))
    advise(advice(whole), once=True)
    for row in losses(11):
        with (parts / "metrics.jsonl").open("a") as file:
            text = json.dumps(row)
            file.write(text[:20])
            file.flush()
            advise(advice(parts), once=True)  # a torn line is none yet
            file.write(text[20:] + "\n")
        advise(advice(parts), once=True)
    assert read_content(parts / "run.jsonl").rows == read_content(whole / "run.jsonl").rows
    assert (parts / "shares.json").read_bytes() == (whole / "shares.json").read_bytes()


@pytest.mark.filterwarnings("ignore:.*the job went back")
def test_a_job_that_went_back_to_its_checkpoint(tmp_path: Path) -> None:
    """What it trains again brings no second decision; what is measured beyond does."""
    put(tmp_path, losses(6))
    advise(advice(tmp_path), once=True)
    before = read_shares(tmp_path / "shares.json")
    put(tmp_path, losses(11)[3:6])
    advise(advice(tmp_path), once=True)
    assert read_shares(tmp_path / "shares.json") == before
    put(tmp_path, losses(11)[6:])
    assert advise(advice(tmp_path), once=True).over
    spent = [row.spent for row in read_log(tmp_path / "run.jsonl").steps]
    assert spent == list(range(100, 1001, 100))


def test_measurements_between_decisions_and_past_several(tmp_path: Path) -> None:
    rows = [
        {"tokens": t, "scores": {"math": 0.1, "code": 0.2}}
        for t in (0, 30, 60, 110, 170, 450, 990, 1200)
    ]
    put(tmp_path, rows)
    found = advise(advice(tmp_path), once=True)
    log = read_log(tmp_path / "run.jsonl")
    assert [row.spent for row in log.steps] == [110, 450, 990, 1000]
    assert [row.tokens for row in log.steps] == [110, 340, 540, 10]
    assert found.over
    assert read_shares(tmp_path / "shares.json").over


def test_tokens_before_the_first_measurement_are_of_the_budget(tmp_path: Path) -> None:
    put(tmp_path, losses(11)[2:])
    assert advise(advice(tmp_path), once=True).over
    log = read_log(tmp_path / "run.jsonl")
    assert [row.spent for row in log.steps] == list(range(300, 1001, 100))
    assert log.finals[0].totals["student"] == 1000


def test_metrics_of_another_job_are_refused(tmp_path: Path) -> None:
    put(tmp_path, losses(3))
    advise(advice(tmp_path), once=True)
    other = [{**row, "eval_math_loss": 5.0} for row in losses(3)]
    put(tmp_path, other, mode="w")
    with pytest.raises(ConfigError, match="begins with another measurement"):
        advise(advice(tmp_path), once=True)


def test_a_job_that_ended_before_its_budget(tmp_path: Path) -> None:
    put(tmp_path, losses(4))
    assert not advise(advice(tmp_path), once=True).over
    assert advise(advice(tmp_path), end=True).over
    (run,) = read_log(tmp_path / "run.jsonl").runs.values()
    assert run.final.totals["student"] == 300
    np.testing.assert_array_equal(run.final.final_profile, run.steps[-1].profile)
    assert read_shares(tmp_path / "shares.json").over
    assert advise(advice(tmp_path)).over  # nothing is left to wait for


def test_a_job_may_wait_for_what_its_measurement_brings(tmp_path: Path) -> None:
    """Also where that is no decision."""
    put(tmp_path, losses(3, every=40))
    advise(advice(tmp_path), once=True)
    found = read_shares(tmp_path / "shares.json")
    assert (found.decisions[-1].tokens, found.seen) == (0, 80)
    assert found.answers(80)
    assert not found.answers(120)


def test_a_job_that_writes_a_new_file_when_it_resumes(tmp_path: Path) -> None:
    put(tmp_path, losses(4))
    advise(advice(tmp_path), once=True)
    put(tmp_path, losses(11)[2:], mode="w")
    assert advise(advice(tmp_path), once=True).over
    assert [row.spent for row in read_log(tmp_path / "run.jsonl").steps] == list(
        range(100, 1001, 100)
    )


def test_reference_losses_are_the_teacher_s(tmp_path: Path) -> None:
    put(tmp_path, losses(11))
    told = advice(tmp_path, allocator="doremi", teacher={"math": 1.0, "code": 0.9})
    assert advise(told, once=True).over
    last = read_log(tmp_path / "run.jsonl").steps[-1].allocation
    assert last[0] > last[1]  # its excess loss is the larger one


def test_shares_of_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shares.json"
    assert read_shares(path) == Shares(())
    path.write_text("{}")
    with pytest.raises(ConfigError, match="is not what `readsim advise` writes"):
        read_shares(path)


@pytest.mark.parametrize("text", [None, "", '{"step"', "{}"])
def test_shares_of_a_run_that_is_over_are_written_again(tmp_path: Path, text: str | None) -> None:
    """A job that is started again from a checkpoint asks for them."""
    put(tmp_path, losses(11)[2:])
    advise(advice(tmp_path), once=True)
    path = tmp_path / "shares.json"
    whole = path.read_bytes()
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert advise(advice(tmp_path), once=True).over
    assert path.read_bytes() == whole


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    put(tmp_path, losses(11))
    words = (
        "advise",
        "--log",
        "metrics.jsonl",
        "--shares",
        "shares.json",
        "--once",
        "--allocator",
        "exp3",
    )
    code, _, err = call(capsys, *words, "--budget", "1K")
    assert (code, "--sources is needed" in err) == (2, True)
    code, out, err = call(
        capsys, *words, "--budget", "1K", "--task", "math=0.7,code=0.3", "--every", "100"
    )
    assert code == 0, err
    assert "decision 10 at 900 tokens: math" in out
    assert "the run is over" in out
    for command in ("plot", "report"):
        code, _, err = call(capsys, command, "advice")
        assert code == 0, err
    assert Path("advice/report.html").is_file()


@pytest.mark.slow
def test_both_sides_are_killed_for_fifty_decisions(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def command(folder: Path) -> tuple[str, ...]:
        names = ("--log", str(folder / "metrics.jsonl"), "--shares", str(folder / "shares.json"))
        rest = ("--sources", "math,code,chat", "--budget", "5000", "--steps", "50")
        return (
            "-m",
            "readsim",
            "advise",
            "--allocator",
            "exp3",
            *names,
            *rest,
            "--out",
            str(folder / "run.jsonl"),
        )

    def rows(folder: Path) -> int:
        path = folder / "run.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    for folder in (whole, broken):
        folder.mkdir()
    with (
        python(*command(whole), **quiet) as watcher,
        python(JOB, whole, "50", "wait", **quiet) as job,
    ):
        assert job.wait() == 0
        assert watcher.wait() == 0
    running = [start(*command(broken), **quiet), start(JOB, broken, "50", "wait", **quiet)]
    try:
        for at, killed in ((4, [0]), (9, [1]), (17, [0, 1]), (24, [1]), (33, [0]), (41, [1, 0])):
            wait_for(lambda at=at: rows(broken) >= at, *running)  # type: ignore[misc]
            for n in killed:
                end(running[n])
            for n in killed:
                words = command(broken) if n == 0 else (JOB, broken, "50", "wait")
                running[n] = start(*words, **quiet)
        assert running[1].wait() == 0
        assert running[0].wait() == 0
    finally:
        for process in running:
            end(process)
    assert read_content(broken / "run.jsonl").rows == read_content(whole / "run.jsonl").rows
    assert (broken / "shares.json").read_bytes() == (whole / "shares.json").read_bytes()
    assert len(read_log(whole / "run.jsonl").steps) == 50


@pytest.mark.slow
def test_ctrl_c_leaves_whole_files(tmp_path: Path) -> None:
    put(tmp_path, losses(4))
    words = ("--log", tmp_path / "metrics.jsonl", "--shares", tmp_path / "shares.json")
    rest = (
        "--sources",
        "math,code",
        "--budget",
        "1000",
        "--steps",
        "10",
        "--out",
        tmp_path / "run.jsonl",
    )
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with python(
        "-m", "readsim", "advise", "--allocator", "exp3", *words, *rest, **pipes
    ) as watcher:
        wait_for(lambda: read_shares(tmp_path / "shares.json").answers(300), watcher)
        watcher.send_signal(signal.SIGINT)
        _, said = watcher.communicate()
        assert watcher.returncode == 130
    assert "the same command continues" in " ".join(said.split())
    put(tmp_path, losses(11)[4:])
    assert advise(advice(tmp_path), once=True).over
    spent = [row.spent for row in read_log(tmp_path / "run.jsonl").steps]
    assert spent == list(range(100, 1001, 100))
