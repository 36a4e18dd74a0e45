"""More than a hundred ways out, tried for real: behind the kernel's wall none reaches its aim."""

import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from readsim_hf.probes import sandbox
from readsim_hf.probes.sandbox import CodeRun, Limits, run_code
from readsim_hf.probes.sandbox_wall import no_wall
from tests.hf.probes.escapes import ATTEMPTS, PRELUDE, SAFE
from tests.support.processes import PATIENCE, end, start

pytestmark = pytest.mark.skipif(bool(no_wall()), reason="the kernel gives no wall here")

# The supervisor without the audit hook: what is held is held by the kernel.
_WALL_ALONE = (
    "import sys; sys.path.append(sys.argv[1]); from readsim_hf.probes import sandbox_child; "
    "sandbox_child.add_hook = lambda *_: None; sandbox_child.main()"
)


@contextmanager
def arena_in(folder: Path) -> Iterator[dict[str, Any]]:
    """What lies outside, open to everyone: files, sockets, a process of the user that a program runs as."""
    secret, abstract = secrets.token_hex(8), secrets.token_hex(8)
    base = Path("/tmp") / f"arena-{abstract}"
    base.mkdir()
    base.chmod(0o777)
    inner = base / "outside"
    inner.mkdir()
    empty = inner / "empty"
    empty.mkdir()
    victim = inner / "victim"
    victim.write_text(secret)
    (inner / "outside.py").write_text(f"text = {secret!r}\n")
    connection = sqlite3.connect(inner / "database")
    connection.execute("create table t (x)")
    connection.execute("insert into t values (?)", (secret,))
    connection.commit()
    connection.close()
    for path in (inner, empty, *inner.iterdir()):
        path.chmod(0o777)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        tcp, udp, unix, nameless = (
            stack.enter_context(socket.socket(*kind)) for kind in ((2, 1), (2, 2), (1,), (1,))
        )
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        unix.bind(str(base / "unix"))
        (base / "unix").chmod(0o777)
        nameless.bind(f"\0{abstract}")
        for listening in (tcp, unix, nameless):
            listening.listen()
        for waiting in (tcp, udp, unix, nameless):
            waiting.setblocking(False)
        user: dict[str, Any] = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
        process = subprocess.Popen(
            ["sleep", "1800"], env={"S": secret, "PATH": os.environ["PATH"]}, **user
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield {
            "victim": str(victim),
            "new": str(inner / "new"),
            "folder": str(inner),
            "empty": str(empty),
            "database": str(inner / "database"),
            "unix": str(base / "unix"),
            "abstract": abstract,
            "port": port,
            "pid": process.pid,
            "caller": os.getpid(),
            "secret": secret,
            "sockets": (tcp, udp, unix, nameless),
            "process": process,
        }


def told(arena: dict[str, Any], program: str) -> str:
    plain = {k: v for k, v in arena.items() if k not in {"sockets", "process"}}
    return PRELUDE.replace("{arena!r}", repr(plain)) + program


def state(arena: dict[str, Any]) -> list[Any]:
    """All that an attempt could change outside."""
    folder = Path(arena["folder"])
    files = [
        (
            path.name,
            path.lstat().st_mode,
            path.lstat().st_uid,
            path.lstat().st_mtime_ns,
            path.is_dir(),
        )
        for path in sorted(folder.iterdir())
    ]
    heard = []
    for listening in arena["sockets"]:
        try:
            heard.append(listening.recv(9) if listening.type == 2 else listening.accept())
        except BlockingIOError:
            heard.append(None)
    pid = arena["pid"]
    process = (
        arena["process"].poll(),
        os.getpriority(os.PRIO_PROCESS, pid),
        os.sched_getscheduler(pid),
    )
    return [files, Path(arena["victim"]).read_text(), heard, process]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with arena_in(tmp_path_factory.mktemp("arena")) as made:
        yield made


def attempt(arena: dict[str, Any], program: str, first: str = "") -> CodeRun:
    """Run it behind the wall; nothing outside may change meanwhile, or be told.

    The supervisor runs `first` before all else.
    """
    before = state(arena)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sandbox,
            "_START",
            _WALL_ALONE.replace("sandbox_child.main", first + "sandbox_child.main"),
        )
        patch.setenv("A_KEY", arena["secret"])
        done = run_code(
            told(arena, program),
            allow_code=True,
            limits=Limits(wall=PATIENCE, files=4000, cpu=10_000),
        )
    assert arena["secret"] not in done.output
    assert state(arena) == before
    assert before[2] == [None] * 4
    return done


@pytest.fixture(scope="module", params=["newest", "of Linux 5.13"])
def reached(arena: dict[str, Any], request: pytest.FixtureRequest) -> set[str]:
    """The attempts that reached their aim, one after the other in one program for each kind; with the
    newest Landlock that the kernel has, and with the first one."""
    found: set[str] = set()
    oldest = "sandbox_child.wall.landlock_version = lambda: 1; "
    for kind in ("read", "write", "others"):
        table = {name: text for name, text in ATTEMPTS.items() if name.startswith(kind)}
        done = attempt(
            arena,
            f"import json\nhome, found, tried = os.getcwd(), [], 0\nfor name, text in {table!r}.items():\n"
            "    say = lambda _: found.append(name)\n"
            "    try: exec(text)\n"
            "    except BaseException: pass\n"
            "    tried += 1\n"
            "    os.chdir(home)\n"
            "print(json.dumps([found, tried]))",
            "" if request.param == "newest" else oldest,
        )
        names, tried = json.loads(done.output)
        assert (done.reason, tried) == ("passed", len(table))
        found |= set(names)
    return found


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_outside_is_reached(name: str, reached: set[str]) -> None:
    assert name not in reached


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_outside_is_reached_alone(name: str, arena: dict[str, Any]) -> None:
    done = attempt(arena, "print('BEGUN', flush=True)\n" + ATTEMPTS[name])
    assert "BEGUN" in done.output
    assert "REACHED" not in done.output


@pytest.mark.slow
@pytest.mark.parametrize("name", SAFE)
def test_without_the_sandbox_it_is_reached(name: str, tmp_path: Path) -> None:
    with arena_in(tmp_path) as arena:
        program = told(arena, ATTEMPTS[name])
        process = start("-I", "-c", program, cwd=tmp_path, stdout=subprocess.PIPE)
        try:
            said, _ = process.communicate()
        finally:
            end(process)
        killed = arena["process"].poll() is not None
    assert "REACHED" in said or killed
