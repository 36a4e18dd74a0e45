"""Failures end well: what is said where memory, or another process, is gone."""

import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, TrainingError
from tests.support.hf import NEEDS
from tests.support.hf_runs import small
from tests.support.processes import end, start

pytestmark = pytest.mark.extra(*NEEDS, "peft", "accelerate")

# The main thread is inside a library that does not come back, as NCCL where its partner is gone.
STUCK = """
import hashlib, sys, threading, time
from datetime import timedelta
from readsim_hf.training import ending, process_group
ending.GRACE = process_group.GRACE = float(sys.argv[2])
group = process_group.ProcessGroup.__new__(process_group.ProcessGroup)
group.rank, group.world, group._over = int(sys.argv[1]), 4, False
group._store = group._watchman = None
group._timeout = timedelta(minutes=30)
clock = time.pthread_getcpuclockid(threading.get_ident())
began = time.clock_gettime(clock)

def tell():
    while time.clock_gettime(clock) < began + 0.05:  # it is inside, where it has all its work
        time.sleep(0.001)
    print("ready", flush=True)

with group:
    threading.Thread(target=tell, daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2**31 - 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 3])
def test_a_process_that_is_stuck_in_a_library_says_why_it_ends(rank: int) -> None:
    """SIGTERM, as a launcher sends it; Python's own handler is never run."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start("-c", STUCK, str(rank), "0.2", **pipes)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        os.kill(process.pid, signal.SIGTERM)
        _, error = process.communicate()
    finally:
        end(process)
    assert process.returncode == 2
    assert "another of the 4 processes of this run is gone (the launcher sent SIGTERM)" in error
    assert "the same command with --resume continues" in error


def test_a_process_that_hears_by_itself_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    from readsim_hf.training.ending import Watchman

    before = signal.getsignal(signal.SIGTERM)
    said: list[str] = []

    def words() -> str:
        said.append("spoken")
        return "words"

    watchman = Watchman(words)
    try:
        signal.signal(signal.SIGTERM, lambda *_: watchman.heard())
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
        watchman.stop()
    assert said == []
    assert sys.stderr is not None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("teacher", r"out of memory while replies are made: lower decoding\.batch_size.*serve the"),
        ("probe", r"out of memory while the student is probed: lower probes\.batch_size"),
        ("step", r"out of memory in the first optimiser steps: lower micro_batch.*lora = 16"),
        ("load", r"out of memory while .* is loaded: .*pair\.device_map.* or serve the teacher"),
    ],
)
def test_out_of_memory_names_the_phase_and_the_setting(
    where: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from readsim_hf.models import loading

    def greedy(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    backend = small()
    backend.reset(0)
    if where == "teacher":
        monkeypatch.setattr(backend._feed, "window", greedy)
    elif where == "probe":
        monkeypatch.setattr(backend.components.suite, "measure", greedy)
    elif where == "step":
        monkeypatch.setattr(backend.student.optimizer, "step", greedy)
    else:
        monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", greedy)

    def work() -> Any:
        if where == "load":
            return loading.load_model("nano/teacher")
        return backend.run_interval(0, np.array([0.5, 0.5]), 20)

    with pytest.raises(TrainingError, match=words):
        work()


@pytest.mark.parametrize("on", [False, True])
def test_training_is_deterministic_where_that_is_asked_for(
    on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from readsim_hf.training.determinism import before_cuda

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    backend = small(training={"deterministic": on})
    backend.reset(0)
    before_cuda(backend.components.recipe)
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if on else None)
    seen: list[bool] = []
    model: Any = backend.student.model
    model.register_forward_hook(
        lambda *_: seen.append(torch.are_deterministic_algorithms_enabled())
    )
    model.base_model.register_forward_hook(
        lambda *_: seen.append(torch.are_deterministic_algorithms_enabled())
    )
    whole = backend.student._backward

    def training(*given: Any, **more: Any) -> Any:
        seen.clear()
        out = whole(*given, **more)
        assert seen
        assert set(seen) == {on}
        return out

    monkeypatch.setattr(backend.student, "_backward", training)
    backend.run_interval(0, np.array([0.5, 0.5]), 20)
    assert not torch.are_deterministic_algorithms_enabled()
    assert small(training={"deterministic": on}).components.identity == small().components.identity


def test_blocking_wait_is_set_before_nccl_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from readsim_hf.training import process_group

    monkeypatch.delenv("TORCH_NCCL_BLOCKING_WAIT", raising=False)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(process_group, "check_meeting", _refuse)
    with pytest.raises(ConfigError, match="nowhere"):
        process_group.ProcessGroup("cpu", timedelta(minutes=1))
    assert os.environ["TORCH_NCCL_BLOCKING_WAIT"] == "1"
    monkeypatch.delenv("TORCH_NCCL_BLOCKING_WAIT")


def _refuse(world: int, rank: int) -> None:
    raise ConfigError("nowhere to meet")
