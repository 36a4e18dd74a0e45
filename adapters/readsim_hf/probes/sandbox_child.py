"""The supervisor of one program: a new interpreter that `sandbox.run_code` starts.

It forks twice before it knows the program or its tests. One process runs the program, the other the tests;
each gives up what it can give up and stands behind the wall before it reads its part, so the program never
has the tests in reach. The supervisor runs neither: it watches the clock and the folders, takes the verdict
from the process of the tests, ends both and says what came of it.
"""

import contextlib
import json
import math
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from readsim_hf.probes import sandbox_calls as calls
from readsim_hf.probes import sandbox_wall as wall
from readsim_hf.probes.sandbox_hook import add_hook

GLANCE = 0.05  # seconds between looks at the folders
EACH = 4096  # bytes that an entry of a folder counts for, beside its own
DEEP = 32  # folders in one another


class Role:
    """What the two processes have in common: their orders and how they go behind the wall."""

    def __init__(self, orders: dict[str, Any], folder: str, text: int) -> None:
        self.orders, self.folder, self.text = orders, folder, text

    def enter(self) -> None:
        """Give up everything. Raises OSError or PermissionError where that fails."""
        orders, readable = self.orders, tuple(self.orders["readable"])
        os.chdir(self.folder)
        if os.geteuid() == 0:
            os.chown(self.folder, wall.NOBODY, wall.NOBODY)
        os.environ.update(HOME=self.folder, TMPDIR=self.folder)
        wall.give_up_privileges(orders["library"], orders["kernel"])
        wall.shut()
        wall.end_with_parent()
        if os.getppid() != orders["supervisor"]:
            os._exit(1)
        wall.set_limits(orders["limits"])
        if orders["kernel"]:
            wall.restrict_files(readable, self.folder)
            wall.restrict_calls()
        add_hook(self.folder, readable)

    def read(self) -> str:
        """The program, or the tests."""
        with open(self.text, encoding="utf-8", errors="surrogatepass", newline="") as file:  # noqa: PTH123
            return file.read()


def run_program(role: Role, read: int, write: int) -> None:
    """The process of the program."""
    end = calls.End(read, write, {})
    try:
        role.enter()
    except OSError as error:
        end.send(["refused", str(error)])
        return
    own = sys.modules["__main__"] = ModuleType("__main__")
    sys.argv[:] = ["program.py"]

    def load() -> None:
        try:
            exec(compile(role.read(), "program.py", "exec"), vars(own))
        except BaseException:
            with contextlib.suppress(BaseException):
                import traceback

                traceback.print_exc(limit=-3)
            raise

    end.send(["ready"])
    calls.serve(end, vars(own), load)


def run_tests(role: Role, read: int, write: int, verdict: int) -> None:
    """The process of the tests: what it writes is the verdict."""
    end = calls.End(read, write, calls.CALL)
    said: dict[str, str]
    try:
        role.enter()
        first = end.receive()
        refused = first[0] == "refused"
        said = {"refused": first[1]} if refused else {"reason": calls.verdict_of(end, role.read())}
        if end.unfit:
            said = {"unfit": end.unfit}
    except OSError as error:
        said = {"refused": str(error)}
    except calls.Ended as ended:
        said = {"reason": str(ended)}
    os.write(verdict, json.dumps(said).encode())


def fork(role: Callable[[], None], keep: dict[int, int], top: int) -> int:
    """A process that has the descriptors of `keep` (number there -> number here) and no others.

    `top` is above every number that is in use.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        for there, here in keep.items():
            os.dup2(here, top + there, inheritable=False)
        for there in keep:
            os.dup2(top + there, there, inheritable=False)
        os.closerange(max(keep) + 1, top + max(keep) + 1)
        role()
    finally:
        os._exit(0)


def open_up(folder: str) -> None:
    """Let its owner list it; root needs not, and is not to change modes where a program has its hands."""
    if os.geteuid():
        os.chmod(folder, 0o700)  # noqa: PTH101


def bytes_in(folder: str) -> float:
    """Bytes that lie in a folder, a few thousand more for each entry; endless where it is too deep."""
    total, todo = 0, [(folder, 0)]
    while todo:
        place, depth = todo.pop()
        if depth > DEEP:
            return math.inf
        with contextlib.suppress(OSError):
            open_up(place)  # one that cannot be listed would hide what is in it
            for name in os.listdir(place):  # noqa: PTH208
                total += EACH
                with contextlib.suppress(OSError):
                    about = os.lstat(f"{place}/{name}")
                    total += 512 * about.st_blocks
                    if stat.S_ISDIR(about.st_mode):
                        todo.append((f"{place}/{name}", depth + 1))
    return total


def await_verdict(verdict: int, folders: list[str], wall_clock: float, most: int) -> dict[str, Any]:
    """The verdict, {} where the tests ended without one, or why there was none in time.

    Standard input ends when the caller does.
    """
    last, said = time.monotonic() + wall_clock, b""
    while time.monotonic() < last:
        ready = select.select([verdict, 0], [], [], GLANCE)[0]
        if 0 in ready:
            return {"reason": "the caller has ended"}
        if ready:
            part = os.read(verdict, 1 << 16)
            if part:
                said += part
                continue
            return dict(json.loads(said)) if said else {}
        if sum(map(bytes_in, folders)) > most:
            return {"reason": f"more than {most} bytes in files"}
    return {"reason": "timeout"}


def empty(folder: str) -> None:
    """Remove what lies in a folder, however deep: what is in its folders is first moved up."""
    while True:
        with os.scandir(folder) as entries:
            mine = [(e.path, e.is_dir(follow_symlinks=False)) for e in entries]
        for path, is_folder in mine:
            if not is_folder:
                os.unlink(path)  # noqa: PTH108
                continue
            open_up(path)
            with os.scandir(path) as entries:
                inner = [e.path for e in entries if e.is_dir(follow_symlinks=False)]
            for deeper in inner:
                open_up(deeper)
                os.rename(deeper, f"{folder}/{os.urandom(16).hex()}")  # noqa: PTH104
            with os.scandir(path) as entries:
                for entry in entries:
                    os.unlink(entry.path)  # noqa: PTH108
            os.rmdir(path)  # noqa: PTH106
        if not mine:
            return


def ended_by(status: int) -> str:
    """What a process was ended by, where that was a signal."""
    if not os.WIFSIGNALED(status):
        return ""
    import signal  # here, as it is slow to load

    number = signal.Signals(os.WTERMSIG(status))
    # the limit of CPU time is a signal first, which may be ignored, then the end
    slow = number in {signal.SIGXCPU, signal.SIGKILL}
    return "timeout" if slow else f"ended by {number.name}"


def finish(pid: int, patience: float) -> str:
    """End a process; what had ended it before, if anything had."""
    last = time.monotonic() + patience
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return ended_by(status)
        if time.monotonic() >= last:
            break
        time.sleep(0.001)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return ""


def main() -> None:
    """Run the orders in the arguments; print the verdict."""
    del sys.path[-1]
    orders = json.loads(sys.argv[2])
    wall.shut()
    sys.path += orders["site"]
    orders["library"] = [path for path in sys.path if os.path.exists(path)]  # noqa: PTH110
    orders["supervisor"] = os.getpid()
    nothing = os.open(os.devnull, os.O_RDWR)
    (ask_read, ask_write), (say_read, say_write), (verdict, write) = (os.pipe() for _ in range(3))
    program, tests = (Role(orders, orders["folders"][i], 3) for i in range(2))
    numbers = (nothing, ask_read, ask_write, say_read, say_write, verdict, write)
    top = 1 + max(*numbers, *orders["texts"], orders["output"])
    ends = {0: nothing, 1: orders["output"], 2: orders["output"], 3: orders["texts"][0]}
    ends |= {4: ask_read, 5: say_write}
    of_program = fork(lambda: run_program(program, 4, 5), ends, top)
    ends = {0: nothing, 1: nothing, 2: nothing, 3: orders["texts"][1]}
    ends |= {4: say_read, 5: ask_write, 6: write}
    of_tests = fork(lambda: run_tests(tests, 4, 5, 6), ends, top)
    for number in (ask_read, ask_write, say_read, say_write, write):
        os.close(number)
    limits = orders["limits"]
    said = await_verdict(verdict, orders["folders"], limits["wall"], limits["disk"])
    gone = said.get("reason") == "exited early"  # then it is about to be: wait for its status
    told = finish(of_program, 1.0 if gone else 0.0)
    why = finish(of_tests, 0.0 if said else 1.0)
    if gone and told:
        said["reason"] = told
    for folder in orders["folders"]:
        with contextlib.suppress(OSError):
            empty(folder)
            os.rmdir(folder)  # noqa: PTH106
            os.rmdir(os.path.dirname(folder))  # noqa: PTH106, PTH120
    with contextlib.suppress(OSError):
        print(json.dumps(said or {"reason": why or "the tests exited early"}))
