"""Check the adapter on one GPU."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from json import dumps
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from readsim.cli.common import need_target, parse_list
from readsim.cli.output import Terminal
from readsim.errors import unknown
from readsim.tree_file import write_atomic
from studies.gpu_check.check import Check

NOT_HERE = 2  # exit code
VERSIONS = ("torch", "transformers", "peft", "lm_eval")


# What each part needs besides PyTorch, as `pip install` knows it.
NEEDS = {
    "transformers": "transformers",
    "accelerate": "accelerate",
    "peft": "peft",
    "lm_eval": "lm-eval",
    "safetensors": "safetensors",
    "pydantic": "pydantic",
    "psutil": "psutil",
}


def parts(device: torch.device) -> dict[str, Callable[[], list[Check]]]:
    """All checks, the quick ones first; each loads what it needs."""

    def part(module: str, *names: str) -> Callable[[], list[Check]]:
        def checks() -> list[Check]:
            loaded = import_module(f"studies.gpu_check.{module}")
            return [check for name in names for check in getattr(loaded, name)(device)]

        return checks

    decode, replies = part("decode", "checks"), part("running", "replies")
    shape, speed, rows = (part(name, "checks") for name in ("shape", "speed", "rows"))
    return {
        "numerics": part("losses", "checks"),
        "shape": lambda: rows() + shape() + speed(),
        "decode": lambda: decode() + replies(),
        "determinism": part("resume", "determinism"),
        "snapshot": part("resume", "snapshot"),
        "probe": part("probing", "checks"),
        "nccl": part("alone", "checks"),
        "run": part("running", "run"),
        "full": part("full", "checks"),
    }


def lacking() -> list[str]:
    """Packages that are not here."""
    return [package for module, package in NEEDS.items() if find_spec(module) is None]


def describe(device: torch.device) -> dict[str, str]:
    """What was measured on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {"device": name, **{package: metadata.version(package) for package in VERSIONS}}


def report(console: Console, found: Sequence[Check], about: dict[str, str]) -> int:
    """The table; the number of checks that failed."""
    table = Table("check", "value", "accepted", "", "note", title=f"gpu_check on {about['device']}")
    for check in found:
        mark = Text("ok", "green") if check.ok else Text("FAILED", "bold red")
        table.add_row(check.name, f"{check.value:.4g}", check.bound, mark, check.note)
    console.print(table)
    failed = sum(not check.ok for check in found)
    console.print(f"{len(found) - failed} of {len(found)} checks passed", highlight=False)
    return failed


def check_all(device: torch.device, path: Path, only: Sequence[str] | None = None) -> int:
    """Run the parts, print the table, write JSON as each of them ends: the number of checks that failed.

    A part that raises is a check that failed, with what it raised.
    """
    need_target(path)
    console, found, about = Terminal(), list[Check](), describe(device)
    clock: dict[str, float] = {}
    for name, work in parts(device).items():
        if only is not None and name not in only:
            continue
        start = time.perf_counter()
        try:
            own = work()
        except Exception as error:  # noqa: BLE001  # whatever a device makes of it is the finding
            own = [Check(f"{name}: {type(error).__name__}", math.nan, note=str(error)[:300])]
        clock[name] = round(time.perf_counter() - start, 1)
        found += own
        bad = sum(not check.ok for check in own)
        console.print(
            f"{name}: {len(own) - bad} of {len(own)} passed, {clock[name]:.0f} s", highlight=False
        )
        rows = [
            {**check._asdict(), "value": float(check.value), "ok": bool(check.ok)}
            for check in found
        ]
        write_atomic(path, dumps({**about, "seconds": clock, "checks": rows}, indent=1).encode())
    failed = report(console, found, about)
    console.print(f"{sum(clock.values()):.0f} s; written to {path}", highlight=False)
    return failed


def main(
    device: Annotated[
        str,
        typer.Option(
            help="The parts run on this device: auto (a GPU where there is one), cuda, cuda:N or cpu."
        ),
    ] = "auto",
    json: Annotated[Path, typer.Option(help="The result is written to this file.")] = Path(
        "results/gpu_check.json"
    ),
    only: Annotated[
        str | None,
        typer.Option(
            help="Only these parts are run, separated by commas or spaces.", show_default="all"
        ),
    ] = None,
) -> None:
    """Check the adapter on one GPU in about ten minutes.

    Without a GPU, every part runs at toy size on the CPU. The exit code is 0; 1 if a check failed; 2 if a
    package or the GPU that was named is missing.
    """
    names = parse_list(None if only is None else ",".join(only.replace(",", " ").split()), "only")
    for name in names or ():
        if name not in parts(torch.device("cpu")):
            raise unknown("part", name, parts(torch.device("cpu")))
    if missing := lacking():
        print(f"bring with you: pip install {' '.join(missing)}", file=sys.stderr)
        raise typer.Exit(NOT_HERE)
    found = torch.cuda.is_available()
    if device not in ("auto", "cpu") and not found:
        print(
            f"no GPU: PyTorch {torch.__version__} sees no CUDA device; nothing was checked",
            file=sys.stderr,
        )
        raise typer.Exit(NOT_HERE)
    if device == "auto":
        device = "cuda" if found else "cpu"
    if device == "cpu":
        print("no GPU: every part at toy size on the CPU", file=sys.stderr)
        torch.set_num_threads(1)  # two stall on a busy machine
    raise typer.Exit(int(check_all(torch.device(device), json, names) > 0))
