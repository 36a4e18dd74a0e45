"""The second wall, inside the interpreter: an audit hook that refuses with a reason what the kernel refuses.

It guards CPython's own functions only. Code that looks for it gets around it (a refusal's traceback leads to
its frame), so nothing rests on it where the kernel's wall stands; without that wall it is all there is.
"""

import builtins
import os
import stat
import sys
from collections.abc import Callable
from typing import Any

# The functions below look up `any` and its like in a copy that the program is not given.
globals()["__builtins__"] = dict(vars(builtins))

FORBIDDEN = (
    *("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "os.system", "pty.spawn", "signal.pthread_kill", "subprocess.Popen"),
    *("ctypes.", "socket.", "resource.", "syslog.", "gc.", "sys.addaudithook", "cpython."),
    *("os.link", "os.symlink", "os.setxattr", "os.removexattr", "os.lockf", "os.memfd_create"),
    *("sqlite3.enable_load_extension", "sqlite3.load_extension", "ftplib.", "http.", "imaplib."),
    *("poplib.", "smtplib.", "telnetlib.", "urllib.", "webbrowser.", "fcntl.", "mmap."),
)
# Compiled modules that do, without an audit event, what is forbidden.
MODULES = frozenset(
    {"_ctypes", "_multiprocessing", "_posixshmem", "_posixsubprocess", "_socket", "_testcapi"}
    | {"_xxsubinterpreters", "_interpreters", "ctypes", "cffi", "_cffi_backend", "multiprocessing"}
    | {"mmap", "readsim_hf"}
)
CHANGES = frozenset(
    {"os.chdir", "os.chflags", "os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rename"}
    | {"os.rmdir", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move", "tempfile.mkstemp"}
    | {"sqlite3.connect"}
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


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
    """The hook: what a program may do is compute, read the library, write in its folder."""
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
            raise ImportError(f"not allowed here: import of {args[0]}")
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
            paths = [arg for arg in args if type(arg) in {str, bytes} and arg != ":memory:"]
            if not all(inside(path, (folder,)) for path in paths):
                raise PermissionError(f"not allowed here: {event} {args[0]!r}")

    return hook


def add_hook(folder: str, readable: tuple[str, ...]) -> None:
    """Set the hook of this process, for good, and forget the modules that it forbids."""
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]
    sys.addaudithook(guard(folder, (*readable, "/dev/null")))
