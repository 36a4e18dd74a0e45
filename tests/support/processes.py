"""Processes that tests start, and how they wait: for events, never for a number of seconds."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.support.paths import ROOT

PATIENCE = 1800.0  # seconds: only what is broken takes them, on a machine however busy


def start(*arguments: object, text: bool = True, **settings: Any) -> "subprocess.Popen[Any]":
    """A new interpreter in a session of its own, which imports from the checkout.

    `env` is added to this process's environment, everything else goes to Popen. Use `python` where the
    process ends inside one block; otherwise call `end`.
    """
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "adapters")))
    env = {**os.environ, "PYTHONPATH": paths, **settings.pop("env", {})}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, text=text, env=env, start_new_session=True, **settings)


def end(process: "subprocess.Popen[Any]") -> None:
    """Kill the process and what it started; nothing is left when this returns."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@contextmanager
def python(*arguments: object, **settings: Any) -> Iterator["subprocess.Popen[Any]"]:
    """`start`, and `end` behind the block however that is left."""
    process = start(*arguments, **settings)
    try:
        yield process
    finally:
        end(process)


def wait_for(event: Callable[[], bool], *processes: "subprocess.Popen[Any]") -> None:
    """Until `event()` is true; fails where one of the processes that should bring it about has ended."""
    limit = time.monotonic() + PATIENCE
    while not event():
        for process in processes:
            assert process.poll() is None or event(), process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)


def hold() -> None:
    """Wait until killed (or interrupted)."""
    time.sleep(PATIENCE)


def free_port() -> int:
    """A port below those that the system hands out by itself, so that nothing takes it meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind(("127.0.0.1", port))
            return port
