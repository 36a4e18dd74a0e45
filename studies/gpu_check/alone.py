"""One process under torchrun: the communication of several, on one device. Run as a module by `checks`."""

import copy
import json
import os
import subprocess
import sys
from datetime import timedelta

import torch

from readsim_hf.models.loading import moved
from readsim_hf.objectives.table import make_objective
from readsim_hf.training.distributed_student import Lead
from readsim_hf.training.process_group import ProcessGroup
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model, ragged

LIMIT = 240  # seconds
BOUNDS = {"fp32": 1e-4, "bf16": 0.02}


def checks(device: torch.device) -> list[Check]:
    """DDP and FSDP of one process beside none: losses, and the weights in the end."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "1",
    ]
    command += ["-m", "studies.gpu_check.alone", device.type]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) != 1:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        return [Check("nccl: ended well", float("nan"), note=said[:200])]
    found = json.loads(lines[0])
    backend = found.pop("backend")
    return [
        Check(f"{backend}, {name}: losses beside no group", off, BOUNDS[name.rpartition(", ")[2]])
        for name, off in found.items()
    ]


def _apart(processes: ProcessGroup, sharded: bool, recipe: Recipe) -> float:
    os.environ["ACCELERATE_USE_FSDP"], os.environ["FSDP_VERSION"] = str(sharded).lower(), "2"
    toy, device = model(torch.device("cpu"), 2, 0, torch.float32), processes.device
    alone = Student(moved(copy.deepcopy(toy), device), recipe, make_objective("fkl"))
    start = copy.deepcopy(toy) if sharded else moved(copy.deepcopy(toy), device)
    lead = Lead(start, recipe, make_objective("fkl"), processes, {})
    off = 0.0
    for seed in range(3):
        window = ragged(int(toy.config.vocab_size), 6, 24, 8, seed)
        both = [one.train_window(window, 0.5).loss for one in (alone, lead)]
        off = max(off, abs(both[1] / both[0] - 1.0))
    lead.put(alone.weights(), alone.moments())
    window = ragged(int(toy.config.vocab_size), 6, 24, 8, 9)
    both = [one.train_window(window, 0.5).loss for one in (alone, lead)]
    return max(off, abs(both[1] / both[0] - 1.0))


def main(device: str) -> None:
    """Prints one line of JSON."""
    with ProcessGroup(device, timedelta(minutes=3)) as processes:
        found: dict[str, float | str] = {"backend": torch.distributed.get_backend()}
        for way, sharded in (("DDP", False), ("FSDP", True)):
            for precision in ("fp32", "bf16"):
                recipe = Recipe(learning_rate=1e-3, micro_batch=3, precision=precision)
                found[f"{way}, {precision}"] = _apart(processes, sharded, recipe)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
