"""The check for GPUs, run where there is none: it says so; all of its parts work on the CPU."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer

from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS, "peft")


def test_a_gpu_that_is_named_and_not_there_stops_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from studies.gpu_check.command import main

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(typer.Exit) as end:
        main("cuda", tmp_path / "none.json")
    assert end.value.exit_code == 2
    assert "no GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_lacking_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from studies.gpu_check import command

    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "lm_eval" else True)
    with pytest.raises(typer.Exit) as end:
        command.main("cpu", tmp_path / "none.json")
    assert end.value.exit_code == 2
    assert "bring with you: pip install lm-eval" in capsys.readouterr().err


PARTS = ("numerics", "shape", "decode", "determinism", "snapshot", "probe", "nccl", "run", "full")


@pytest.mark.slow
def test_every_part_passes_on_the_cpu(tmp_path: Path) -> None:
    """Without a device named, where there is no GPU."""
    import torch

    from studies.gpu_check import command

    path = tmp_path / "found" / "check.json"
    assert tuple(command.parts(torch.device("cpu"))) == PARTS
    with pytest.raises(typer.Exit) as end:
        command.main("auto", path)
    found = json.loads(path.read_text())
    assert end.value.exit_code == 0, [c for c in found["checks"] if not c["ok"]]
    assert found["device"] == "CPU"
    assert tuple(found["seconds"]) == PARTS
    again = [c["value"] for c in found["checks"] if "to the last bit" in c["name"]]
    assert again == [1.0] * 9


def failed(part: str, tmp_path: Path) -> list[str]:
    """Names of the checks of a part that fail on the CPU."""
    import torch

    from studies.gpu_check.command import check_all

    path = tmp_path / "check.json"
    count = check_all(torch.device("cpu"), path, [part])
    names = [c["name"] for c in json.loads(path.read_text())["checks"] if not c["ok"]]
    assert len(names) == count
    return names


def test_parts_write_as_they_end_and_an_error_is_a_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from studies.gpu_check import command
    from studies.gpu_check.check import Check

    path, seen = tmp_path / "c.json", list[list[str]]()

    def second() -> list[Check]:
        seen.append(list(json.loads(path.read_text())["seconds"]))
        raise RuntimeError("CUDA error: an illegal memory access")

    made = {"one": lambda: [Check("fine", 0.0)], "two": second, "three": lambda: [Check("b", 0.0)]}
    monkeypatch.setattr(command, "parts", lambda _: made)
    assert command.check_all(torch.device("cpu"), path) == 1
    assert seen == [["one"]]
    found = json.loads(path.read_text())
    assert [c["name"] for c in found["checks"]] == ["fine", "two: RuntimeError", "b"]
    assert "illegal memory access" in found["checks"][1]["note"]


def test_a_loss_in_bfloat16_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from readsim_hf.objectives import table
    from studies.gpu_check import losses

    def coarse(name: str, **settings: Any) -> Any:
        whole = table.make_objective(name, **settings)
        return lambda logits, targets: whole(logits, targets).bfloat16().float()

    monkeypatch.setattr(losses, "make_objective", coarse)
    named = failed("numerics", tmp_path)
    assert "loss fkl on bf16 logits: computed in fp32" in named
    assert "loss fkl, fp32: relative error" in named


@pytest.mark.parametrize("fault", ["moments", "weights", "luck"])
def test_a_resume_that_is_another_is_named(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from readsim_hf.training.student import Student
    from studies.gpu_check import resume

    put, step, luck = Student.put_arrays, Student.train_window, torch.Generator()

    def forgets(self: Any, weights: Any, moments: Any = None) -> None:
        put(self, weights, moments)
        if fault == "moments":
            self.optimizer.state.clear()
        with torch.no_grad():
            self.parameters[0].reshape(-1)[0] *= 1.0 + (fault == "weights") * 1e-3

    def trembles(self: Any, *given: Any) -> Any:
        made = step(self, *given)
        with torch.no_grad():
            noise = torch.rand((), generator=luck) * (fault == "luck")
            self.parameters[0].reshape(-1)[0] += 1e-6 * noise
        return made

    monkeypatch.setattr(Student, "put_arrays", forgets)
    monkeypatch.setattr(Student, "train_window", trembles)
    monkeypatch.setattr(resume, "WAYS", {"x": resume.WAYS["all weights, fp32"]})
    part = "determinism" if fault == "luck" else "snapshot"
    named = failed(part, tmp_path)
    if fault == "luck":
        assert "resume, x, deterministic: same to the last bit" in named
    else:
        assert named == ["snapshot: what is put back is equal to the last bit"]


@pytest.mark.parametrize("fault", ["host", "torch", "vocabulary"])
def test_a_sampler_on_the_host_is_named(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Logits that go to the host, torch's own generator, or a vocabulary of random numbers."""
    import torch

    from readsim_hf.objectives.sparse import draw as whole
    from readsim_hf.teachers import steps

    def on_host(logp: Any, uniform: Any) -> Any:
        return whole(logp.cpu(), uniform.cpu()).to(logp.device)

    def of_torch(logp: Any, uniform: Any) -> Any:
        return torch.multinomial(logp.exp().cpu(), 1).to(logp.device)

    choose = steps.Steps.choose

    def gumbel(self: Any, scores: Any) -> Any:
        noise = [g.standard_exponential(scores.shape[-1]) for g in self._generators]
        torch.from_numpy(np.array(noise)).log()
        return choose(self, scores)

    if fault == "vocabulary":
        monkeypatch.setattr(steps.Steps, "choose", gumbel)
    else:
        monkeypatch.setattr(steps, "draw", {"host": on_host, "torch": of_torch}[fault])
    named = failed("decode", tmp_path)
    assert "decode: numbers on the host in a draw, a row" in named
    if fault == "vocabulary":
        assert "decode: random numbers a token" in named


@pytest.mark.parametrize("fault", ["mask", "labels", "positions"])
def test_rows_that_are_read_wrongly_are_named(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask shifted by one, predictions of the token before, packed rows whose positions go on."""
    import torch

    from readsim_hf.training.batch import collate as whole
    from studies.gpu_check import rows

    def wrong(examples: Any, device: Any, *, packed: bool) -> Any:
        batch = whole(examples, device, packed=packed)
        if fault == "mask" and batch.attention_mask is not None:
            return batch._replace(attention_mask=batch.attention_mask.roll(1, 1))
        if fault == "positions" and packed:
            return batch._replace(position_ids=torch.arange(batch.input_ids.shape[1])[None])
        shift = 1 if fault == "labels" else 0
        return batch._replace(columns=(batch.columns - shift).clamp(min=0))

    assert all(check.ok for check in rows.checks(torch.device("cpu")))
    monkeypatch.setattr(rows, "collate", wrong)
    bad = {check.name.split(":")[0] for check in rows.checks(torch.device("cpu")) if not check.ok}
    ways = {"mask": ["padded"], "positions": ["packed"], "labels": ["padded", "packed"]}[fault]
    assert bad == {f"rows, {way}, {precision}" for way in ways for precision in ("fp32", "bf16")}


@pytest.mark.parametrize("fault", ["index", "mask"])
def test_a_wrong_device_and_a_wrong_mask_in_generation_are_named(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An index that stays on one device; a mask that hides the first token of each prompt."""
    from readsim_hf.teachers import decoding, kv_cache

    padded = decoding.left_padded

    def shifted(prompts: Any, pad: int) -> Any:
        ids, mask = padded(prompts, pad)
        mask = mask.roll(1, 1)
        mask[:, -1] = 1
        return ids, mask

    def keep(cache: Any, rows: Any) -> None:
        for layer in cache.layers:
            layer.batch_select_indices(rows)

    if fault == "index":
        monkeypatch.setattr(kv_cache, "keep_rows", keep)
        assert failed("decode", tmp_path) == [
            "decode: layers of a cache that are indexed where they lie"
        ]
    else:
        monkeypatch.setattr(decoding, "left_padded", shifted)
        assert "replies alone and in a batch, fp32: share equal" in failed("decode", tmp_path)


def test_throughput_is_measured_beside_the_bare_loop() -> None:
    import torch

    from studies.gpu_check.speed import throughput

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
    monkeypatch.setattr(command, "parts", lambda _: {"numerics": lambda: [Check("bad", 2.0, 1.0)]})
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


def test_a_run_that_begins_again_does_not_go_on() -> None:
    from studies.gpu_check.full import goes_on

    log = ["header", "first"]
    assert goes_on(log, log, "nothing\n2/3  math 0\n3/3  math 0\n")
    assert not goes_on(log, log, "1/3  math 0\n2/3  math 0\n")
    assert not goes_on(log, ["header", "other"], "2/3  math 0\n")
    assert not goes_on(["header"], ["header"], "2/3  math 0\n")


def test_a_run_beside_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the plan's memory and three times its seconds are named; on a CPU rates are told alone."""
    import torch

    from readsim_hf.config import RunConfig, preset_table
    from readsim_hf.costs.devices import DEVICES, MFU, MFU_GENERATION
    from readsim_hf.plan.dry_run import dry_run
    from readsim_hf.plan.estimate import memory_of, work_of
    from studies.gpu_check import full

    plan = dry_run(RunConfig.of(preset_table("nano"), {"budget": 600, "steps": 3}))
    cuda, sheet = torch.device("cuda"), next(d for d in DEVICES if d.name == "H200")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    peak = memory_of(plan).peak
    for times, ok in ((1.0, True), (2.0, False), (0.4, False)):
        [check] = full._memory("a", cuda, plan, round(times * peak))
        assert check.ok == ok
    planned = dict.fromkeys(full.PARTS, 0.0)
    for one in work_of(plan):
        planned[one.part] += one.seconds(sheet, MFU, MFU_GENERATION) * 2 / 3
    totals = {"student": 600, "teacher_generated": round(plan.spent.kinds["teacher_generated"])}
    for times in (1.0, 3.0):
        took = {part: times * seconds for part, seconds in planned.items()}
        run: Any = SimpleNamespace(seconds=took, final=SimpleNamespace(totals=totals))
        bad = [check.name for check in full._times("a", cuda, plan, run) if not check.ok]
        named = ["training", "replies"] if times == 3 else []
        assert bad == [f"a: {part}, seconds over the plan's" for part in named]
    rates = [c.value for c in full._times("a", torch.device("cpu"), plan, run) if "/s" in c.name]
    assert rates == pytest.approx(
        [400 / took["train"], 2 / 3 * totals["teacher_generated"] / took["teacher"]]
    )
