"""What would fill a machine, hang it, or stay behind: the run ends, and nothing is left of it."""

import os
from pathlib import Path

import pytest

from readsim_hf.probes import sandbox, sandbox_wall
from tests.support.processes import PATIENCE, end, start, wait_for
from tests.support.sandboxed import run, still_running

pytestmark = [
    pytest.mark.skipif(bool(sandbox_wall.no_wall()), reason="the kernel gives no wall here"),
    pytest.mark.usefixtures("own_folder"),
]


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


@pytest.mark.slow
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
