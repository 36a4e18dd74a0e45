"""Check the adapter on one GPU."""

import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
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
from studies.gpu_check import losses, running, speed
from studies.gpu_check.check import Check

NO_GPU = 2  # exit code
VERSIONS = ("torch", "transformers", "peft", "lm_eval")


def parts(device: torch.device) -> dict[str, Callable[[], list[Check]]]:
    """All checks, the quick ones first."""
    return {
        "losses": lambda: losses.checks(device),
        "replies": lambda: running.replies(device),
        "training": lambda: running.training(device),
        "run": lambda: running.run(device),
        "memory": lambda: [c for p in ("fp32", "bf16") for c in speed.memory(device, p)],
        "speed": lambda: [c for p in ("fp32", "bf16") for c in speed.throughput(device, p)],
    }


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
    """Run the parts, print the table, write JSON: the number of checks that failed."""
    need_target(path)
    console, found = Terminal(), []
    clock: dict[str, float] = {}
    for name, work in parts(device).items():
        if only is None or name in only:
            start = time.perf_counter()
            found += work()
            clock[name] = round(time.perf_counter() - start, 1)
    about = describe(device)
    failed = report(console, found, about)
    rows = [{**check._asdict(), "ok": check.ok} for check in found]
    write_atomic(path, dumps({**about, "seconds": clock, "checks": rows}, indent=1).encode())
    console.print(f"{sum(clock.values()):.0f} s; written to {path}", highlight=False)
    return failed


def main(
    device: Annotated[str, typer.Option(help="cuda, cuda:N, or cpu to try the script.")] = "cuda",
    json: Annotated[Path, typer.Option(help="The result.")] = Path("results/gpu_check.json"),
    only: Annotated[str | None, typer.Option(help="Parts, with commas; all.")] = None,
) -> None:
    """Check the adapter on one GPU. Exit code: 0, 1 where a check failed, 2 where there is no GPU."""
    names = parse_list(only, "only")
    for name in names or ():
        if name not in parts(torch.device("cpu")):
            raise unknown("part", name, parts(torch.device("cpu")))
    if device != "cpu" and not torch.cuda.is_available():
        print(
            f"no GPU: PyTorch {torch.__version__} sees no CUDA device; nothing was checked",
            file=sys.stderr,
        )
        raise typer.Exit(NO_GPU)
    raise typer.Exit(int(check_all(torch.device(device), json, names) > 0))
