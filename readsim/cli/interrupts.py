"""What ctrl-C and SIGTERM do while a command works: one line that says how to resume, and a quick end."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import active_children
from typing import Any

from readsim.cli.output import Terminal

USUAL: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
QUIET = "ignore:resource_tracker"  # it removes what killed processes leave, and need not say so


class Terminated(KeyboardInterrupt):
    """SIGTERM came: left like an interrupt, and the exit status is its own."""


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """On ctrl-C or SIGTERM say how to resume; the exit status is 130 or 143.

    The work is left by an exception, so that it can clean up, unless processes of joblib work for it: these
    have nothing to clean up that a later run does not mend, and waiting for them can take minutes. They
    are killed, and this process ends at once; so it does when a second signal comes.
    """
    came: list[int] = []

    def say() -> None:
        Terminal(stderr=True).print(f"interrupted: {advice}")

    def answer(number: int, _: object) -> None:
        workers = [p for p in active_children() if type(p).__module__.startswith("joblib.")]
        for worker in workers:
            if worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
        if not came and not workers:
            came.append(number)
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        _ignore()
        console = Terminal(stderr=True)
        console.show_cursor()
        if console.is_terminal:
            console.print()  # the bar's line stays as it is
        say()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(128 + (came or [number])[0])

    with _answered(answer, came):
        try:
            yield
        except KeyboardInterrupt as error:
            if came:
                _ignore()
            say()
            if isinstance(error, Terminated):
                sys.exit(128 + signal.SIGTERM)
            raise


@contextmanager
def _answered(answer: Callable[[int, object], None], came: list[int]) -> Iterator[None]:
    """Within the block `answer` handles both signals, where nothing else does; after one came they stay
    ignored, for the process is ending."""
    main = threading.current_thread() is threading.main_thread()
    taken = [n for n, usual in USUAL.items() if main and signal.getsignal(n) == usual]
    for number in taken:
        signal.signal(number, answer)
    said = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = QUIET if not said else f"{said},{QUIET}"
    try:
        yield
    finally:
        if said is None:
            os.environ.pop("PYTHONWARNINGS", None)
        else:
            os.environ["PYTHONWARNINGS"] = said
        for number in taken if not came else ():
            if signal.getsignal(number) is answer:
                signal.signal(number, USUAL[number])


def _ignore() -> None:
    """Further signals change nothing: the end is near, and its status is decided."""
    for number in USUAL:
        signal.signal(number, signal.SIG_IGN)
