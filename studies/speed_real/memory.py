"""Peak memory of training on top-k and on full distributions at a vocabulary of 49152.

Each in a process of its own, from start to end: imports, model, optimiser, the window's records, three
steps. Nothing is subtracted. `Student.train_window` makes logits in pieces with either kind of targets;
the bare loop, like other trainers, makes them all at once.
"""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from studies.speed_real.bare_loop import BareLoop, our_student
from studies.speed_real.sizes import LARGE, examples, records
from studies.speed_real.timing import Row

Way = Literal["topk", "full", "bare"]
SIZE = replace(LARGE, batch=32)
CHILD = "from studies.speed_real.memory import train; train({way!r}, {batch}, {length})"


def train(way: Way, batch: int, length: int) -> None:
    """Three steps; prints the process's peak in kB."""
    torch.set_num_threads(1)
    size = replace(SIZE, batch=batch, length=length)
    window = records(size, "topk" if way == "topk" else "full", seed=0)
    if way == "bare":
        bare = BareLoop(size, [window])
        window.clear()  # its tensors are all it needs
        for _ in range(3):
            bare.step(0)
    else:
        student, ready = our_student(size), examples(window)
        for _ in range(3):
            student.train_window(ready, 0.5)
    print(peak())


def peak() -> int:
    """VmHWM of this process in kB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def peak_of(way: Way, batch: int = SIZE.batch, length: int = SIZE.length) -> float:
    """MB of a fresh process."""
    code = CHILD.format(way=way, batch=batch, length=length)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) / 1024


def rows() -> list[Row]:
    """Top-k beside both ways on the full vocabulary."""
    top = peak_of("topk")
    what = f"peak memory, {SIZE.name}, {SIZE.batch} x {SIZE.length}, top-{SIZE.k} beside"
    others: list[tuple[Way, str, str]] = [
        ("full", "full targets, logits in pieces too", "< 0.5"),
        ("bare", "full targets in the bare loop", "< 0.5"),
    ]
    out = []
    for way, name, target in others:
        full = peak_of(way)
        value = f"{top:.0f} MB for {full:.0f} MB"
        out.append(Row(f"{what} {name}", value, f"{top / full:.2f} of it", target))
    return out
