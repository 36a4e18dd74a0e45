"""Model-written code: only with permission, and whatever it tries, nothing outside changes."""

import os
import re
from pathlib import Path

import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from readsim_hf.probes import sandbox, sandbox_wall
from readsim_hf.probes.sandbox import Limits, need_permission, run_code
from tests.support.sandboxed import run

pytestmark = [
    pytest.mark.skipif(bool(sandbox_wall.no_wall()), reason="the kernel gives no wall here"),
    pytest.mark.usefixtures("own_folder"),
]


def test_nothing_runs_without_permission(tmp_path: Path) -> None:
    with pytest.raises(CapabilityMissingError, match="--allow-code on the command line"):
        run_code("1 + 1")


def test_nothing_runs_without_a_wall_unless_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "no_wall", lambda: "no Landlock here")
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda: "")
    with pytest.raises(CapabilityMissingError, match=r"no Landlock here.*--allow-code-unwalled"):
        run_code("1 + 1", allow_code=True)
    with pytest.warns(
        UserWarning, match="code that a model wrote runs without a sandbox: no Landlock"
    ):
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

    with pytest.warns(UserWarning, match="code that a model wrote runs without a sandbox"):
        said = told()
    # the second is for the Python of a root who keeps it to himself
    assert "not allowed here: open" in said or "the user nobody cannot read" in said
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
