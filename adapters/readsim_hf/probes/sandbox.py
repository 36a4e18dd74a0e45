"""Runs code that a model wrote, in a process of its own, under limits, and only if that was allowed.

What holds it back, from the outside in: a session of its own that is killed as a whole at the wall-clock
limit; the kernel's limits on CPU time, memory, file size, open files and processes; no network, in a
network namespace of its own where the system grants one; rights of nobody where it would be root and nobody
can read the interpreter; an
empty folder and an empty environment; and an audit hook in the interpreter that refuses sockets, new
processes, ctypes and every file outside that folder and Python's library.

The audit hook is defence in depth and no wall: it guards CPython's own functions, and code that finds
a way around the interpreter is held by the kernel's limits alone. A program that looks for it can also
claim to have passed. For code that may be hostile on purpose use a virtual machine.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from readsim.errors import CapabilityMissingError, ConfigError

TAIL = 2000  # characters of output that are kept
_CHILD = Path(__file__).with_name("sandbox_child.py")


@dataclass(frozen=True)
class Limits:
    """Seconds on the clock and of CPU; bytes of memory and of one file or the output; open files."""

    wall: float = 10.0
    cpu: int = 5
    memory: int = 1 << 30
    file: int = 1 << 20
    files: int = 32

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"limits: {name} {value!r} must be above 0")


@dataclass(frozen=True)
class CodeRun:
    """How a program ended.

    passed     it ran to its end without an exception
    reason     `passed`, or what ended it
    output     the last characters it wrote
    isolated   whether it had a network namespace of its own
    """

    passed: bool
    reason: str
    output: str
    isolated: bool


def need_permission(allow_code: bool) -> None:
    """Raises CapabilityMissingError unless running model-written code was allowed."""
    if not allow_code:
        raise CapabilityMissingError(
            "this would run code that a model wrote; allow it with allow_code = true"
        )


def run_code(program: str, *, allow_code: bool = False, limits: Limits | None = None) -> CodeRun:
    """Run a Python program. Its tests are part of it: it passes if nothing is raised.

    Raises CapabilityMissingError without `allow_code`, and where the system has no such limits.
    """
    need_permission(allow_code)
    if os.name != "posix":
        raise CapabilityMissingError(f"running code needs a POSIX system, this is {os.name!r}")
    limits = limits or Limits()
    token = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as outer,
        tempfile.TemporaryFile() as output,
    ):
        folder = Path(outer).resolve() / "work"
        folder.mkdir()
        Path(outer).chmod(0o711)  # nobody must get through to its folder
        orders = {
            "program": program,
            "folder": str(folder),
            "token": token,
            "limits": asdict(limits),
        }
        said, ended = _start(orders, output, limits.wall)
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - 4 * TAIL))
        tail = output.read().decode("utf-8", "replace")[-TAIL:]
    try:
        report = json.loads(said)
        told = report["token"] == token
    except (ValueError, KeyError, TypeError):
        told = False
    if not told:
        return CodeRun(False, ended or "exited early", tail, False)
    reason = ended or str(report["reason"])
    return CodeRun(reason == "passed", reason, tail, bool(report["alone"]))


def _start(orders: dict[str, Any], output: Any, wall: float) -> tuple[bytes, str]:
    """Run the child; what it wrote to the status pipe, and why it was ended, if it was."""
    read, write = os.pipe()
    folder = orders["folder"]
    environment = {"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), str(write)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            pass_fds=(write,),
            start_new_session=True,
        )
    finally:
        os.close(write)
    ended = ""
    try:
        child.communicate(json.dumps(orders).encode(), timeout=wall)
    except subprocess.TimeoutExpired:
        ended = "timeout"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if not ended and child.returncode < 0:
        signalled = signal.Signals(-child.returncode)
        ended = "timeout" if signalled == signal.SIGXCPU else f"ended by {signalled.name}"
    os.set_blocking(read, False)
    said = b""
    with contextlib.suppress(BlockingIOError):
        said = os.read(read, 1 << 16)
    os.close(read)
    return said, ended
