"""The check for GPUs, run where there is none: it says so; all of its parts work on the CPU."""

import json
import math
from pathlib import Path

import pytest
import typer

from tests.support.hf import NEEDS, one_thread

pytestmark = pytest.mark.extra(*NEEDS, "peft")


def test_without_a_gpu_it_stops(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from studies.gpu_check.command import main

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(typer.Exit) as end:
        main(json=tmp_path / "none.json")
    assert end.value.exit_code == 2
    assert "no GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_part_passes_on_the_cpu(tmp_path: Path) -> None:
    import torch

    from studies.gpu_check.command import check_all

    one_thread()
    path = tmp_path / "found" / "check.json"
    most = ("losses", "replies", "training", "run", "memory")  # not speed: it is the machine's
    assert check_all(torch.device("cpu"), path, most) == 0
    found = json.loads(path.read_text())
    assert found["device"] == "CPU"
    assert tuple(found["seconds"]) == most
    again = [c["value"] for c in found["checks"] if "to the last bit" in c["name"]]
    assert again == [1.0] * 6


def test_throughput_is_measured_beside_the_bare_loop() -> None:
    import torch

    from studies.gpu_check.speed import throughput

    one_thread()
    rate, ratio = throughput(torch.device("cpu"), "bf16", rounds=1)
    assert rate.value > 0
    assert ratio.value > 0


def test_a_failed_check_is_one_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from studies.gpu_check import command
    from studies.gpu_check.check import Check

    assert Check("a", 1.0, 1.0, 1.0).ok
    assert Check("a", 5.0).ok
    assert not Check("a", 1.1, 1.0).ok
    assert not Check("a", 0.9, least=1.0).ok
    assert not Check("a", math.nan).ok
    assert Check("a", 1.0, 2.0, 0.5).bound == ">= 0.5, <= 2"
    monkeypatch.setattr(command, "parts", lambda _: {"losses": lambda: [Check("bad", 2.0, 1.0)]})
    with pytest.raises(typer.Exit) as end:
        command.main("cpu", tmp_path / "c.json")
    assert end.value.exit_code == 1


def test_a_wrong_loss_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from studies.gpu_check import losses

    cpu = torch.device("cpu")
    good = losses.errors("fkl", "topk", cpu, "fp32")
    monkeypatch.setattr(losses, "reference", lambda _, *rest: reference("rkl", *rest))
    from studies.gpu_check.reference import reference

    bad = losses.errors("fkl", "topk", cpu, "fp32")
    assert max(good) < 1e-3 < min(bad)
