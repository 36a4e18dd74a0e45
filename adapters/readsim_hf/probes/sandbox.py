"""Runs code that a model wrote, in a process of its own, behind a wall, and only if that was allowed.

The program and its tests are two processes under a supervisor (`sandbox_child`); what passes between them are
plain values (`sandbox_calls`), and the tests decide. What holds both, from the outside in:

* a session of their own, the clock, the size of their folders: the supervisor ends them;
* bubblewrap where it is installed and works: they see Python's library and their folder, nothing else;
* the kernel's wall (`sandbox_wall`): Landlock, a filter of system calls, no privileges, hard limits of CPU
  time, memory, file size and open files, no further process. Root becomes nobody first, or nothing is run;
* an empty environment, an empty folder, no descriptor of the caller's;
* an audit hook in the interpreter (`sandbox_hook`), which gives readable refusals.

Without bubblewrap, or Landlock and the filter, nothing is run unless `allow_code` is "unwalled".
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from readsim.errors import CapabilityMissingError, ConfigError
from readsim_hf.probes.sandbox_wall import landlock_version, no_wall

AllowCode = bool | Literal["unwalled"]

TAIL = 2000  # characters of output that are kept
_GRACE = 30.0  # seconds for the supervisor to start and to end what it watches
_PATIENCE = 5.0  # seconds for it to end all when it is told to
_ADAPTER = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.append(sys.argv[1]); from readsim_hf.probes.sandbox_child import main; main()"
# What Python's library itself needs: the system's shared libraries and the time zones.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom"),
)


@dataclass(frozen=True)
class Limits:
    """Seconds on the clock and of CPU; bytes of memory, of one file or the output, and of all files; open
    files. CPU, memory and files hold for the program and for its tests each."""

    wall: float = 10.0
    cpu: int = 5
    memory: int = 1 << 30
    file: int = 1 << 20
    disk: int = 16 << 20
    files: int = 32

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"limits: {name} {value!r} must be above 0")


@dataclass(frozen=True)
class CodeRun:
    """How a program ended.

    passed     it ran to its end without an exception, and so did its tests
    reason     `passed`, or what ended it
    output     the last characters it wrote
    walls      what of the kernel's stood around it: bubblewrap, landlock, seccomp
    """

    passed: bool
    reason: str
    output: str
    walls: tuple[str, ...]


def need_permission(allow_code: AllowCode) -> None:
    """Raises CapabilityMissingError unless running model-written code was allowed and can be walled in.

    "unwalled" allows it also where the system gives no wall, with a warning.
    """
    if not allow_code:
        raise CapabilityMissingError(
            "this would run code that a model wrote: allow it with --allow-code on the command line "
            "(allow_code=True in Python)"
        )
    if os.name != "posix":
        raise CapabilityMissingError(f"running code needs a POSIX system, this is {os.name!r}")
    if not _walls():
        why = f"{no_wall()}, and bubblewrap is not installed or does not work"
        if allow_code != "unwalled":
            raise CapabilityMissingError(
                f"there is no sandbox for code that a model wrote: {why}; --allow-code-unwalled runs it "
                'without one (allow_code="unwalled" in Python)'
            )
        warnings.warn(f"code that a model wrote runs without a sandbox: {why}", stacklevel=2)


def _walls() -> tuple[str, ...]:
    kernel = () if no_wall() else (f"landlock {landlock_version()}", "seccomp")
    return (*(("bubblewrap",) if _bubblewrap() else ()), *kernel)


@functools.cache
def _bubblewrap() -> str:
    """The path of a bubblewrap that works for this user; "" for root, who becomes nobody instead."""
    path = shutil.which("bwrap")
    if path is None or os.geteuid() == 0:
        return ""
    attempt = [path, "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "true"]
    tried = subprocess.run(attempt, capture_output=True, check=False)
    return path if tried.returncode == 0 else ""


def run_code(
    program: str, tests: str = "", *, allow_code: AllowCode = False, limits: Limits | None = None
) -> CodeRun:
    """Run a Python program, then its tests: it passes if nothing is raised in either.

    The tests are a program of their own; names that they do not define are the program's. Raises
    CapabilityMissingError without `allow_code`, where the system gives no wall, where the rights of
    root cannot be given up, for tests that give the program what cannot go over.
    """
    need_permission(allow_code)
    limits = limits or Limits()
    walls = _walls()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as outer,
        tempfile.TemporaryFile() as output,
        _text(program) as source,
        _text(tests) as judging,
    ):
        base = Path(outer).resolve()
        base.chmod(0o711)  # nobody must get through to its folder
        folders = [base / "program", base / "tests"]
        for folder in folders:
            folder.mkdir(mode=0o700)
        site = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
        numbers = [file.fileno() for file in (source, judging, output)]
        orders = {
            "texts": numbers[:2],
            "output": numbers[2],
            "folders": [str(folder) for folder in folders],
            "site": site,
            "readable": _readable(site),
            "limits": asdict(limits),
            "kernel": "seccomp" in walls,
        }
        said = _start(orders, numbers, limits.wall + _GRACE)
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - 4 * TAIL))
        tail = output.read().decode("utf-8", "replace")[-TAIL:]
    report = json.loads(said)
    if "refused" in report:
        raise CapabilityMissingError(
            f"the code that a model wrote was not run: no sandbox could be set up: {report['refused']}"
        )
    if "unfit" in report:
        raise CapabilityMissingError(
            f"tests that give the program {report['unfit']} cannot be run: tests run in a process of their "
            "own, and only plain values, functions and the program's own objects can be passed"
        )
    reason = str(report["reason"])
    return CodeRun(reason == "passed", reason, tail, walls)


@contextlib.contextmanager
def _text(text: str) -> Iterator[Any]:
    """A nameless file that holds the text."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.seek(0)
        yield file


def _readable(site: Iterable[str]) -> list[str]:
    """The folders and files that a program may read: Python's library, and what that needs."""
    paths = sysconfig.get_paths()
    library = [paths["stdlib"], paths["platstdlib"], f"{sys.base_prefix}/lib", *site]
    there = [Path(path) for path in (*library, *_SYSTEM) if Path(path).exists()]
    return sorted({str(path) for path in (*there, *(path.resolve() for path in there))})


def _start(orders: dict[str, Any], pass_fds: list[int], wall: float) -> bytes:
    """Run the supervisor; what it said. Raises CapabilityMissingError where it said nothing."""
    folder = orders["folders"][0]
    environment = {"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    python = str(Path(sys.executable).resolve())
    command = [python, "-I", "-S", "-c", _START, str(_ADAPTER), json.dumps(orders)]
    read, write = os.pipe()  # the supervisor reads the end of this process from it
    with os.fdopen(read, "rb") as theirs, os.fdopen(write, "wb") as ours:
        child = subprocess.Popen(
            [*_namespace(orders, python), *command],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        with child:
            try:
                said, wrong = child.communicate(timeout=wall)
            except subprocess.TimeoutExpired:
                said, wrong = b'{"reason": "timeout"}', b""
            finally:
                ours.close()
                _end(child)
    if not said:
        line = wrong.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CapabilityMissingError(
            f"the supervisor of model-written code ended with status {child.returncode}: {line[-500:]}"
        )
    return said


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Let the supervisor end what it started, or end all of its session."""
    try:
        child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)


def _namespace(orders: dict[str, Any], python: str) -> list[str]:
    """The command of bubblewrap: another root, without network, with the library and the folders only."""
    if not _bubblewrap():
        return []
    probes = str(Path(__file__).resolve().parent)
    seen = [*orders["readable"], python, str(_ADAPTER / "readsim_hf" / "__init__.py")]
    seen += [str(_ADAPTER / "readsim_hf" / "dependencies.py"), probes]
    command = [_bubblewrap(), "--unshare-all", "--die-with-parent", "--dev", "/dev"]
    for path in (*seen, "/lib", "/lib64"):
        command += ["--ro-bind-try", path, path]
    for folder in orders["folders"]:
        command += ["--bind", folder, folder]
    return [*command, "--chdir", orders["folders"][0]]
