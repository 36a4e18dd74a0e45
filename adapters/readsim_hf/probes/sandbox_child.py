"""Runs one program under limits. A script for `python -I`, started by `sandbox.run_code`.

It reads its orders as JSON from standard input, gives up what it can give up (network, rights, memory,
processes), adds the audit hook and only then runs the program. It imports nothing of readsim.
"""

import builtins
import contextlib
import json
import os
import resource
import stat
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

# The functions below look up `any` and its like in a copy that the program is not given.
globals()["__builtins__"] = dict(vars(builtins))

NOBODY = 65534
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000

FORBIDDEN = (
    *("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "os.system", "pty.spawn", "signal.pthread_kill", "subprocess.Popen"),
    *("ctypes.", "socket.", "resource.", "syslog.", "gc.", "sys.addaudithook", "cpython."),
    *("os.link", "os.symlink", "os.setxattr", "os.removexattr", "os.lockf", "os.memfd_create"),
    *(
        "ftplib.",
        "http.",
        "imaplib.",
        "poplib.",
        "smtplib.",
        "telnetlib.",
        "urllib.",
        "webbrowser.",
    ),
)
# Compiled modules that do, without an audit event, what is forbidden.
MODULES = frozenset(
    {"_ctypes", "_multiprocessing", "_posixshmem", "_posixsubprocess", "_socket", "_testcapi"}
    | {"_xxsubinterpreters", "_interpreters", "ctypes", "cffi", "_cffi_backend", "multiprocessing"}
)
CHANGES = frozenset(
    {"os.chdir", "os.chflags", "os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rename"}
    | {"os.rmdir", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move", "tempfile.mkstemp"}
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def leave_network() -> bool:
    """Move to a network namespace of its own, which has not even loopback; whether that worked."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        return any(
            libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWNET | CLONE_NEWUSER)
        )
    except (ImportError, OSError, AttributeError):
        return False


def give_up_root(folder: str) -> None:
    """From root to nobody, where nobody can read the interpreter's files."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        os.chown(folder, NOBODY, NOBODY)
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        readable = os.access(library, os.R_OK | os.X_OK, effective_ids=True)
        os.seteuid(0)
        if readable:
            os.setgid(NOBODY)
            os.setuid(NOBODY)


def set_limits(limits: dict[str, int]) -> None:
    """Hard limits of the kernel: seconds of CPU, bytes of memory, of a file, open files, processes."""
    wanted = {
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["file"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        hard = value + 1 if kind == resource.RLIMIT_CPU else value  # a signal first, then the end
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (value, hard))


def normal(path: Any, here: Callable[[], str]) -> str:
    """The absolute path without dots. Works on strings alone: nothing in it can be replaced."""
    if type(path) is bytes:
        path = path.decode("utf-8", "surrogateescape")
    if type(path) is not str:
        raise PermissionError(f"a path may be text only, not {type(path).__name__}")
    full = path if path.startswith("/") else here() + "/" + path
    parts: list[str] = []
    for part in full.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def guard(folder: str, readable: tuple[str, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook: what the program may do is compute, read the library, write in its folder."""
    here, clean, look, directory = os.getcwd, normal, os.lstat, stat.S_ISDIR
    forbidden, modules, changes, writing = FORBIDDEN, MODULES, CHANGES, WRITING

    def inside(path: Any, roots: tuple[str, ...]) -> bool:
        full = clean(path, here)
        return any(full == root or full.startswith(root + "/") for root in roots)

    def is_folder(path: Any) -> bool:
        try:
            return directory(look(path).st_mode)
        except OSError:
            return False

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(forbidden):
            raise PermissionError(f"not allowed here: {event}")
        if event == "import" and not modules.isdisjoint(args[0].split(".")):
            raise PermissionError(f"not allowed here: import of {args[0]}")
        if event == "open" and type(args[0]) is not int:
            mode, flags = args[1] or "", args[2] or 0
            writes = bool(flags & writing) or any(letter in mode for letter in "wax+")
            # an open folder outside would let files in it be named by descriptor
            own = writes or is_folder(args[0])
            if not inside(args[0], (folder,) if own else (folder, *readable)):
                raise PermissionError(f"not allowed here: open {args[0]!r}")
        elif event in {"os.listdir", "os.scandir"}:
            if type(args[0]) is not int and not inside(args[0] or ".", (folder, *readable)):
                raise PermissionError(f"not allowed here: {event} {args[0]!r}")
        elif event in changes:
            paths = [arg for arg in args if type(arg) in {str, bytes}]
            if not all(inside(path, (folder,)) for path in paths):
                raise PermissionError(f"not allowed here: {event} {args[0]!r}")

    return hook


def why(error: BaseException) -> str:
    """One line for what ended the program."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, SystemExit):
        return "exited early"
    return f"{type(error).__name__}: {error}"[:200]


def main() -> None:
    orders = json.loads(sys.stdin.buffer.read())
    folder, token, status = orders["folder"], orders["token"], int(sys.argv[1])
    alone = leave_network()
    give_up_root(folder)
    os.chdir(folder)
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, *(p for p in sys.path if p)}
    readable = (*sorted(roots), "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]
    program, limits = orders["program"], orders["limits"]
    os.environ.pop("LC_CTYPE", None)
    own = sys.modules["__main__"] = ModuleType("__main__")
    own.__dict__["__builtins__"] = builtins
    reason = "passed"
    write, dumps, flush = os.write, json.dumps, sys.stdout.flush
    set_limits(limits)
    sys.addaudithook(guard(folder, readable))
    try:
        exec(compile(program, "program.py", "exec"), vars(own))
        flush()
    except BaseException as error:  # noqa: BLE001  # whatever the program raises is its result
        reason = why(error)
        with contextlib.suppress(BaseException):
            traceback.print_exc(limit=-3)
    write(status, dumps({"token": token, "reason": reason, "alone": alone}).encode())


if __name__ == "__main__":
    main()
