"""Requests that end: whole by a deadline, no longer than agreed, and cut off at once when nobody waits."""

import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread, Timer
from typing import Any, TypeVar

from readsim_hf.teachers.reply import BadReplyError

K = TypeVar("K")
V = TypeVar("V")
_GRACE_S = 2.0  # for each thread that was cut off to write down what it has


class CutOffError(BaseException):
    """The run was interrupted: nothing is asked any more. No `Exception`: nobody tries again."""


class Line:
    """The connection of one request."""

    def __init__(self) -> None:
        self.is_cut = False
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The HTTP library's `trace` extension: learns what the request is sent through."""
        told = getattr(info.get("return_value"), "get_extra_info", None)
        if event.endswith(".complete") and told is not None:
            found = told("socket")
            if isinstance(found, socket.socket):
                self._sockets.append(found)
        if self.is_cut:
            self.cut()

    def cut(self) -> None:
        """End it, whatever thread waits for it: what waits gets an error now."""
        self.is_cut = True
        for one in list(self._sockets):
            with suppress(OSError):  # closed, or inside another one (TLS)
                socket.socket.shutdown(one, socket.SHUT_RDWR)


class Lines:
    """The requests of one batch.

    hurry   set: nobody waits for a server that has too much to do
    is_cut  whether `cut` was called: no request begins any more
    """

    def __init__(self) -> None:
        self.hurry, self.is_cut = Event(), False
        self._lock, self._open = Lock(), set[Line]()

    @contextmanager
    def line(self, seconds: float) -> Iterator[Line]:
        """For one request, cut off after so many seconds. Raises CutOffError once all were cut."""
        one = Line()
        with self._lock:
            if self.is_cut:
                raise CutOffError
            self._open.add(one)
        timer = Timer(seconds, one.cut)
        timer.daemon = True
        timer.start()
        try:
            yield one
        finally:
            timer.cancel()
            with self._lock:
                self._open.discard(one)

    def cut(self) -> None:
        """End all requests under way, and begin none."""
        self.hurry.set()
        with self._lock:
            self.is_cut = True
            some = list(self._open)
        for one in some:
            one.cut()


def whole_answer(response: Any, most: int) -> Any:
    """The response, of the HTTP library's kind and not read yet, with all of its body, as UTF-8.

    BadReplyError where it has more than `most` bytes, or is compressed: a few bytes could become any number.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    parts, size = [], 0
    try:
        if coding not in ("", "identity"):
            raise BadReplyError(
                f"the answer is compressed ({coding[:20]!r}) without being asked to"
            )
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if size > most:
                raise BadReplyError(f"the answer is longer than {most} bytes")
    finally:
        response.close()
    made = type(response)(
        response.status_code,
        headers=response.headers,
        content=b"".join(parts),
        request=response.request,
    )
    made.encoding = "utf-8"  # JSON's own, whatever the server says
    return made


def job_outcomes(
    jobs: Mapping[K, Callable[[], V]], threads: int, lines: Lines
) -> dict[K, V | BaseException]:
    """What each job gave or raised, by a few threads; after an error no other job begins.

    Jobs under way then are waited for. An interruption (ctrl-C) cuts their lines and is raised again: nobody
    waits for the threads, which are daemons, longer than it takes to write down what they have.
    """
    waiting, done = deque(jobs.items()), SimpleQueue[tuple[K, V | BaseException] | None]()

    def work() -> None:
        with suppress(IndexError):
            while True:
                key, job = waiting.popleft()
                try:
                    done.put((key, job()))
                except BaseException as error:  # noqa: BLE001  # handed to who waits
                    waiting.clear()
                    lines.hurry.set()
                    done.put((key, error))
        done.put(None)

    crew = [
        Thread(target=work, name="teacher", daemon=True) for _ in range(min(threads, len(jobs)))
    ]
    out: dict[K, V | BaseException] = {}
    try:
        for thread in crew:
            thread.start()
        left = len(crew)
        while left:
            if (one := done.get()) is None:
                left -= 1
            else:
                out[one[0]] = one[1]
    except BaseException:
        waiting.clear()
        lines.cut()
        for thread in crew:
            if thread.is_alive():
                thread.join(_GRACE_S)
        raise
    return out
