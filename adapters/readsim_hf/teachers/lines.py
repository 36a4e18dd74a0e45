"""Requests that end: whole by a deadline, no longer than agreed, and cut off at once when nobody waits."""

import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Condition, Event, Lock, Thread, Timer, current_thread
from typing import Any, Generic, TypeVar

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


class Crew(Generic[K, V]):
    """A few threads that do jobs, each once, in the order in which they are given; what came of one waits
    until it is taken.

    lines   of the requests that the jobs make

    After an error no other job begins. The threads are daemons, and gone where nothing is left to do.
    """

    def __init__(self, threads: int, lines: Lines) -> None:
        self.lines, self._threads = lines, threads
        self._waiting = dict[K, Callable[[], V]]()
        self._running, self._done = set[K](), dict[K, V | BaseException]()
        self._crew = list[Thread]()
        self._failed, self._changed = False, Condition()

    def __contains__(self, key: K) -> bool:
        """Whether what comes of it is not taken yet."""
        with self._changed:
            return key in self._waiting or key in self._running or key in self._done

    def begin(self, jobs: Mapping[K, Callable[[], V]], *, first: bool = False) -> None:
        """Do these too, but those that are known; `first`: before all that wait."""
        with self._changed:
            known = {*self._waiting, *self._running, *self._done}
            new = {key: job for key, job in jobs.items() if key not in known}
            self._waiting = {**new, **self._waiting} if first else {**self._waiting, **new}
            for _ in range(min(self._threads - len(self._crew), len(self._waiting))):
                thread = Thread(target=self._work, name="teacher", daemon=True)
                self._crew.append(thread)
                thread.start()

    def take(self, keys: Collection[K]) -> dict[K, V | BaseException]:
        """What these jobs gave or raised; after an error, whose ever, all errors and what is there.

        Jobs under way then are waited for. An interruption (ctrl-C) stops everything and is raised again.
        """
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over(keys))
                done = self._done.items()
                out = {k: v for k, v in done if k in keys or isinstance(v, BaseException)}
                self._done = {k: v for k, v in done if k not in out}
        except BaseException:
            self.stop()
            raise
        return out

    def _is_over(self, keys: Collection[K]) -> bool:
        return not self._running if self._failed else all(key in self._done for key in keys)

    def stop(self) -> None:
        """Begin nothing, cut what is under way, and give it a moment to write down what it has."""
        with self._changed:
            self._waiting.clear()
            some = list(self._crew)
        self.lines.cut()
        for thread in some:
            thread.join(_GRACE_S)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._crew.remove(current_thread())  # from now on it takes no job
                    return
                key = next(iter(self._waiting))
                job = self._waiting.pop(key)
                self._running.add(key)
            made: V | BaseException
            try:
                made = job()
            except BaseException as error:  # noqa: BLE001  # handed to who waits
                made = error
            with self._changed:
                self._done[key] = made
                self._running.discard(key)
                if isinstance(made, BaseException):
                    self._failed = True
                    self._waiting.clear()
                    self.lines.hurry.set()
                self._changed.notify_all()
