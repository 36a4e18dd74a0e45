"""A whole run at full width by the commands a user gives: killed once, resumed, and beside its plan.

Teacher and student have the shipped student's widths and random weights. On a CPU both are toys.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w
import torch

from readsim.runs.read_logs import read_log
from readsim_hf.config import RunConfig, run_name
from readsim_hf.costs.devices import DEVICES, MFU, MFU_GENERATION, Device
from readsim_hf.models.catalogue import our_folder
from readsim_hf.plan.against import Finished, finished
from readsim_hf.plan.dry_run import DryRun, dry_run
from readsim_hf.plan.estimate import memory_of, work_of
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import STUDENT, model

STEPS = 3
LIMIT = 420  # seconds that one of the two processes has
PARTS = {"train": "training", "teacher": "replies", "probe": "probes"}


def settings(device: torch.device, folder: Path) -> dict[str, Any]:
    """As the shipped configurations for a student of 8B have them, with the teacher loaded here. Replies and
    answers are cut where nearly all gold ones are longer, since random models seldom end one."""
    on_gpu = device.type == "cuda"
    return {
        "method": "cot-kd",
        "budget": 64_000 if on_gpu else 300,
        "steps": STEPS,
        "pair": {
            "teacher": str(folder / "teacher"),
            "student": str(folder / "student"),
            "device": str(device),
            "teacher_precision": "bf16" if on_gpu else "fp32",
            "context": 2048,
        },
        "soft": {"kind": "topk", "k": 64 if on_gpu else 8},
        "decoding": {"max_new_tokens": 64 if on_gpu else 12, "batch_size": 128 if on_gpu else 8},
        "training": {
            "learning_rate": 1e-4 if on_gpu else 1e-2,
            "precision": "bf16" if on_gpu else "fp32",
            "lora": 16 if on_gpu else 2,
            "batch": 32 if on_gpu else 8,
            "micro_batch": 32 if on_gpu else 4,
            "gradient_checkpointing": True,
        },
        "probes": {
            "probe": 8 if on_gpu else 2,
            "dev": 2,
            "test": 8 if on_gpu else 2,
            "form": "rationale",
            "max_new_tokens": 32 if on_gpu else 4,
        },
        "data": {
            "group": 32 if on_gpu else 4,
            "keep_cut": True,
            **({} if on_gpu else {"capabilities": ["math", "code"]}),
        },
        "threads": 8 if on_gpu else 1,
    }


def make_models(device: torch.device, folder: Path) -> None:
    """A teacher and a student with the tokenizer of `micro`, whose vocabulary is filled up to theirs."""
    own = our_folder("micro") / "student"
    for seed, name in enumerate(("student", "teacher")):
        one = model(device, _layers(device), seed, torch.bfloat16)
        one.config.max_position_embeddings = 4096
        one.config.bos_token_id, one.config.eos_token_id, one.config.pad_token_id = None, 1, 0
        one.generation_config.eos_token_id, one.generation_config.pad_token_id = 1, 0
        one.generation_config.bos_token_id = None
        size = int(one.config.vocab_size)
        one.save_pretrained(folder / name)
        del one
        table = json.loads((own / "tokenizer.json").read_text())
        words: dict[str, int] = table["model"]["vocab"]
        words |= {f"<{n}>": n for n in range(len(words), size)}
        (folder / name / "tokenizer.json").write_text(json.dumps(table))
        (folder / name / "tokenizer_config.json").write_bytes(
            (own / "tokenizer_config.json").read_bytes()
        )


def _layers(device: torch.device) -> int:
    return 32 if device.type == "cuda" else 2


class Ended(NamedTuple):
    """A process that is over, or was killed: its status, seconds, and the most bytes taken on the device."""

    status: int
    seconds: float
    most: int
    said: str


def checks(device: torch.device) -> list[Check]:
    """The run, in two processes, and its plan."""
    with tempfile.TemporaryDirectory() as place:
        return _checks(device, Path(place))


def _checks(device: torch.device, folder: Path) -> list[Check]:
    start = time.perf_counter()
    make_models(device, folder)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    made = time.perf_counter() - start
    table, out, file = settings(device, folder), folder / "out", folder / "full.toml"
    file.write_text(tomli_w.dumps(table))
    config = RunConfig.of(table)
    plan = dry_run(config)
    log = out / "runs" / f"{run_name(config)}.jsonl"
    killed = _distill(device, file, out, lambda: _decisions(log) > 0)
    before = _lines(log)[:2]
    again = _distill(device, file, out, None, "--resume")
    after = _lines(log)[:2]
    name = f"full, {STUDENT.rpartition('/')[2]}'s widths, {_layers(device)} layers"
    if again.status:
        return [Check(f"{name}: ended well", float("nan"), note=again.said[-200:])]
    run = finished(out, config, plan.title)
    kept = killed.status == -signal.SIGKILL and goes_on(before, after, again.said)
    scores = [*run.final.final_profile, run.final.utility]
    facts = json.loads(run.path.with_suffix(".json").read_text())
    kl = [float(facts["agreement"][when]["kl"]) for when in ("before", "after")]
    return [
        Check(f"{name}: goes on after a kill", float(kept), least=1.0),
        Check(f"{name}: scores are numbers", float(np.isfinite(scores).all()), least=1.0),
        Check(
            f"{name}: trained tokens over the budget",
            run.final.totals["student"] / config.budget,
            1.0,
            1.0,
        ),
        Check(f"{name}: KL to the teacher over that of the start", kl[1] / kl[0], 0.9999),
        *_memory(name, device, plan, max(killed.most, again.most)),
        *_times(name, device, plan, run),
        Check(f"{name}: seconds", killed.seconds + again.seconds, note=f"models: {made:.0f} s"),
    ]


def _distill(
    device: torch.device, file: Path, out: Path, enough: Callable[[], bool] | None, *more: str
) -> Ended:
    """`readsim distill` until it ends, or is killed when `enough()`."""
    command = [sys.executable, "-m", "readsim", "distill", "--config", str(file), "--out", str(out)]
    start, most, words = time.perf_counter(), 0, out.with_suffix(f".{len(more)}.txt")
    idle = _taken(device)
    with (
        words.open("w") as text,
        subprocess.Popen([*command, *more], stdout=text, stderr=text) as one,
    ):
        try:
            while one.poll() is None:
                most = max(most, _taken(device) - idle)
                if enough is not None and enough():
                    break
                if time.perf_counter() - start > LIMIT:
                    break
                time.sleep(0.05)
        finally:
            one.kill()
    return Ended(one.returncode, time.perf_counter() - start, most, words.read_text())


def _taken(device: torch.device) -> int:
    """Bytes of the device that all processes hold."""
    if device.type != "cuda":
        return 0
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.is_file() else []


def _decisions(log: Path) -> int:
    return len(read_log(log).steps) if len(_lines(log)) > 1 else 0


def _memory(name: str, device: torch.device, plan: DryRun, most: int) -> list[Check]:
    """What the device gave over the plan's peak: PyTorch's cache and CUDA's context are in it."""
    memory = memory_of(plan)
    if device.type != "cuda":
        return [Check(f"{name}: planned MB (a CPU counts none)", memory.peak / 1e6)]
    note = f"{most / 1e9:.3g} GB for {memory.peak / 1e9:.3g}"
    return [Check(f"{name}: peak memory over the plan's", most / memory.peak, 1.3, 0.6, note)]


def _device(device: torch.device) -> Device | None:
    """As its data sheet has it."""
    there = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((d for d in DEVICES if d.name.split("-")[0] in there), None)


def _times(name: str, device: torch.device, plan: DryRun, run: Finished) -> list[Check]:
    """Seconds of each part over the plan's: of the decisions that the second process made."""
    share = (STEPS - 1) / STEPS
    sheet, out = _device(device), list[Check]()
    tokens = {
        "train": run.final.totals["student"],
        "teacher": run.final.totals["teacher_generated"],
    }
    for part, called in PARTS.items():
        took = run.seconds[part]
        work = [one for one in work_of(plan) if one.part == part]
        note = f"{took:.3g} s"
        if sheet is not None:
            planned = sum(one.seconds(sheet, MFU, MFU_GENERATION) for one in work) * share
            most, least = (2.0, 0.5) if part != "probe" else (None, None)
            note = f"{note} for {planned:.3g}"
            over = f"{name}: {called}, seconds over the plan's"
            out.append(Check(over, took / planned, most, least, note))
            note = ""
        if part in tokens:
            out.append(Check(f"{name}: {called}, tokens/s", share * tokens[part] / took, note=note))
    ratio = tokens["teacher"] / plan.spent.kinds["teacher_generated"]
    far = None if sheet is None else 1.4  # a toy's budget is less than what is asked for at a time
    return [*out, Check(f"{name}: tokens that the teacher wrote over the plan's", ratio, far, 0.8)]


def goes_on(before: Sequence[str], after: Sequence[str], said: str) -> bool:
    """Whether header and first decision are as they were, and the second process did not decide it again."""
    first = f"1/{STEPS} "
    return (
        len(before) > 1
        and list(before) == list(after)
        and not any(line.startswith(first) for line in said.splitlines())
    )
