"""One student, several processes: the steps of one process, and what happens when one is gone."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from readsim.runs.log_schema import read_content
from tests.cli.test_app import call
from tests.hf.test_distill import HELD, HOLD
from tests.support.hf import NEEDS
from tests.support.processes import end, free_port, start, wait_for

pytestmark = pytest.mark.extra(*NEEDS, "accelerate", "peft")

LAUNCH = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
          "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m")  # fmt: skip


class Started:
    """Two processes of one run, started by accelerate or, as any launcher may, by themselves."""

    def __init__(self, *arguments: str, launch: bool = True, **settings: str) -> None:
        self.env = {"OMP_NUM_THREADS": "1", **settings}
        if launch:
            self.all = [self._python(*LAUNCH, *arguments)]
            return
        port = str(free_port())
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
        self.all = [
            self._python(*arguments, **where, RANK=rank, LOCAL_RANK=rank, LOCAL_WORLD_SIZE="2")
            for rank in ("0", "1")
        ]

    def _python(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        return start("-m", *arguments, stdout=PIPE, stderr=PIPE, env={**self.env, **settings})

    def wait_until_held(self) -> None:
        """Until process 0 waits in the decision that HOLD names."""
        wait_for(HELD.exists, *self.all)
        HELD.unlink()

    def kill(self, rank: int) -> None:
        """SIGKILL for one of the processes."""
        if len(self.all) > 1:
            self.all[rank].kill()
            return
        launcher = self.all[0].pid
        for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
            if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                os.kill(int(child), signal.SIGKILL)

    def ended(self) -> tuple[list[int], str, str]:
        """Exit codes, and what all processes wrote."""
        texts = [one.communicate() for one in self.all]
        out, err = ("".join(part) for part in zip(*texts, strict=True))
        return [one.returncode for one in self.all], out, err


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts processes; all of them are gone when the test is over."""
    made: list[Started] = []

    def begin(*arguments: str, **settings: Any) -> Started:
        made.append(Started(*arguments, **settings))
        return made[-1]

    yield begin
    for one in (process for each in made for process in each.all):
        end(one)


@pytest.fixture(autouse=True)
def _unheld(monkeypatch: pytest.MonkeyPatch, in_a_folder: None) -> None:
    monkeypatch.delenv(HOLD, raising=False)


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(started: Any) -> None:
    """Full weights, LoRA, bf16, recomputed activations, logits in pieces, groups of replies with rewards,
    returns and ranks, chosen tokens, losses of both replies, across tokenizers and of draws; windows of 5, 1,
    4 and 0, and replies of one token."""
    _, out, err = started("tests.support.hf_processes").ended()
    assert "rank1" not in err  # what process 1 found wrong process 0 says
    found, mismatch, reason = map(json.loads, out.splitlines())
    assert len(found["off"]) == 36
    for case, off in found["off"].items():
        assert off.pop("put") == off.pop("empty") == 0.0, case
        # with FSDP weights are gathered in bfloat16, the residual stream is too
        within = {"bf16 ddp": 1e-3, "bf16 fsdp": 4e-3}.get(case, 1e-5)
        assert max(off.values()) < within, (case, off)
    assert "the loss is nan" in found["not finite"]
    assert mismatch.startswith("training.batch is 8 for process 0 and 9 for process 1")
    assert reason.startswith("process 1 of this run stopped: the student is another; the same")


# ---------------------------------------------------------------- the command


def command(out: str, *more: str) -> tuple[str, ...]:
    return (
        *("distill", "--config", "small.toml", "--budget", "600", "--steps", "3", "--cache", ""),
        *("--probe-items", "3", "--batch", "5", "--micro-batch", "2"),
        *("--allocator", "tests.hf.test_distill:Watched", "--out", out, *more),
    )


def rows(out: str) -> Any:
    (path,) = Path(out, "runs").glob("*.jsonl")
    return read_content(path).rows


def assert_same(made: Any, expected: Any) -> None:
    """Decisions and tokens to the last one; scores to one item of three."""
    assert len(made) == len(expected)
    for one, other in zip(made, expected, strict=True):
        assert one.keys() == other.keys()
        for name in ("kind", "seed", "step", "tokens", "spent", "totals"):
            # a student that is off by 1e-7 may answer a probe in other words
            both = [
                {**r["totals"], "probe": 0} if name in r and name == "totals" else r.get(name)
                for r in (one, other)
            ]
            assert both[0] == both[1], name
        assert np.allclose(one.get("profile", 0), other.get("profile", 0), atol=0.34)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_killed_processes_are_said_and_resumed_by_any_number(
    started: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker of two (DDP) is killed, then the first of two (FSDP); one process ends the run."""
    from safetensors.numpy import load_file

    assert call(capsys, *command("whole"))[0] == 0

    first = started("readsim", *command("run"), **{HOLD: "wait 1"})
    first.wait_until_held()
    first.kill(1)
    _, out, err = first.ended()
    assert "2 processes train the student, DDP" in out
    assert err.count("error: another of the 2 processes of this run is gone") == 1
    assert "the same command with --resume continues" in err
    assert "readsim/cli/app.py" not in err  # no traceback of ours; the launcher has its own
    assert_same(rows("run"), rows("whole")[:2])

    sharded = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", HOLD: "wait 2"}
    second = started("readsim", *command("run", "--resume"), launch=False, **sharded)
    second.wait_until_held()
    second.kill(0)
    codes, out, err = second.ended()
    assert codes == [-signal.SIGKILL, 2]
    assert "2 processes train the student, FSDP" in out
    assert err.count("error: another of the 2 processes of this run is gone") == 1
    assert "readsim/cli/app.py" not in err
    assert_same(rows("run"), rows("whole")[:3])

    code, _, err = call(capsys, *command("run", "--resume"))
    assert code == 0, err
    assert_same(rows("run"), rows("whole"))
    one, other = (
        load_file(next(Path(out, "runs").glob("*.student")) / "model.safetensors")
        for out in ("run", "whole")
    )
    assert one.keys() == other.keys()
    assert all(np.allclose(one[n], other[n], atol=1e-4) for n in one)
    tables = [
        np.genfromtxt(next(Path(o, "runs").glob("*.csv")), delimiter=",") for o in ("run", "whole")
    ]
    assert np.array_equal(tables[0][1:, 1], tables[1][1:, 1])  # tokens of each step
    assert np.allclose(tables[0][1:], tables[1][1:], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_an_interrupted_run_of_two_processes(started: Any) -> None:
    """ctrl-C reaches all; one message, and files to go on from."""
    one = started("readsim", *command("run"), **{HOLD: "wait 0"})
    one.wait_until_held()
    os.killpg(one.all[0].pid, signal.SIGINT)
    _, _, err = one.ended()
    assert err.count("interrupted: every decision is in") == 1
    assert "is gone" not in err
    assert "readsim/cli/app.py" not in err
    assert list(Path("run", "runs").glob("*.state/*"))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"FSDP_VERSION": "1"}, "fsdp_version of accelerate = '1'; accepted: '2'"),
        ({"FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params of accelerate = 'true'"),
        ({"ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, "ACCELERATE_DYNAMO_BACKEND = 'INDUCTOR'"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, "mixed_precision = 'bf16' and training.precision"),
        ({}, "pair.device = 'cuda:1': several processes take a GPU each; accepted: 'cuda'"),
    ],
)
def test_what_the_launcher_may_not_be_told(
    settings: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.distributed_run import join

    config = RunConfig.of({"pair": {"device": "cuda:1"}})
    assert join(config) is None
    base = {"RANK": "0", "WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    for name, value in {**base, **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        join(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"signal": "cot", "objective": "sft + 0.1*hidden"},
            "several processes do not read a teacher's hidden states; start one, or",
        ),
        (
            {"signal": "cot", "objective": "mopd", "sampling": {"weights": "gradient-share"}},
            "sampling.weights = 'gradient-share': several processes .* accepted: 'label', 'dn'",
        ),
        ({"method": "open-mopd"}, "sampling.weights = 'gradient-share': several processes"),
    ],
)
def test_what_one_process_alone_does(
    settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.distributed_run import join

    config = RunConfig.of(
        {"method": "", "on_policy": 1.0 if "sampling" in settings else 0.0}, settings
    )
    assert join(config) is None
    monkeypatch.setattr("readsim_hf.distributed_run.world_size", lambda: 2)
    with pytest.raises(ConfigError, match=message) as error:
        join(config)
    assert "\n" not in str(error.value)


def test_one_process_where_several_were_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training.process_group import world_size

    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert world_size() == 1
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ConfigError, match=r"starts one process.*accepted.*--multi_gpu"):
        world_size()


@pytest.mark.parametrize("value", [0, -1.0, 1e9, "soon"])
def test_a_bad_timeout(value: Any) -> None:
    from readsim_hf.config import RunConfig

    with pytest.raises(ConfigError, match="timeout = "):
        RunConfig.of({"timeout": value})
