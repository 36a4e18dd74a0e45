"""Ctrl-C and SIGTERM, once and again: a quick end, one line, its status, and logs that resume."""

import os
import signal
from pathlib import Path
from subprocess import PIPE

import pytest

from readsim.cli.interrupts import interruptible
from readsim.runs.read_logs import read_logs
from tests.support.processes import python, wait_for

PLAN = ("-m", "readsim", "compare", "--tasks", "math", "--budgets", "20M", "--seeds", "2")
RULES = ("--allocators", "uniform,one-hot,tests.support.made_allocators:Waits")
LINE = "interrupted: finished runs are kept in out, the same command resumes\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("times", [1, 3])
def test_signals_end_a_comparison(
    number: int, jobs: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = (*PLAN, *RULES, "--jobs", jobs, "--out", "out")
    with python(*command, stdout=PIPE, stderr=PIPE) as process:
        wait_for(Path("waiting").exists, process)
        wait_for(lambda: len(list(Path("out/runs").glob("*.jsonl"))) >= 2, process)
        for _ in range(times):
            process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 128 + number
    assert said.endswith(LINE)
    assert said.count("interrupted") == 1
    assert "Traceback" not in said
    assert "leaked" not in said
    assert {log.header.allocator for log in read_logs(Path("out"))} >= {"uniform", "one-hot"}


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    environment = dict(os.environ)
    with pytest.raises(KeyboardInterrupt), interruptible("advice"):  # not by a signal
        raise KeyboardInterrupt
    with interruptible("advice"):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert dict(os.environ) == environment
