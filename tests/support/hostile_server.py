"""A server of bytes: it says to each request what a test tells it, as long as somebody listens."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from tests.support.processes import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Hostile:
    """asked: the heads and bodies of requests; over: set when the test is done with it."""

    def __init__(self, script: Callable[["Hostile"], Iterable[bytes]]) -> None:
        self.script, self.over = script, threading.Event()
        self.asked: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                one, _ = self.socket.accept()
                threading.Thread(target=self.answer, args=(one,), daemon=True).start()

    def answer(self, one: socket.socket) -> None:
        with one, suppress(OSError):  # who listened is gone
            head, _, body = self.until(one, b"", b"\r\n\r\n").partition(b"\r\n\r\n")
            length = [
                int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")
            ]
            while len(body) < sum(length):
                body += one.recv(65536)
            self.asked.append(head + b"\n\n" + body)
            for piece in self.script(self):
                one.sendall(piece)

    def until(self, one: socket.socket, got: bytes, mark: bytes) -> bytes:
        while mark not in got:
            piece = one.recv(65536)
            if not piece:
                raise OSError("gone")
            got += piece
        return got

    def stall(self) -> bytes:
        """Nothing, until the test is over."""
        self.over.wait(PATIENCE)
        return b""

    def slowly(self, piece: bytes) -> Iterator[bytes]:
        """The same again and again, never long without it."""
        while not self.over.wait(0.002):
            yield piece


def whole(body: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@contextmanager
def hostile(script: Callable[[Hostile], Iterable[bytes]]) -> Iterator[Hostile]:
    """A server on a free port of this machine while the block runs."""
    made = Hostile(script)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        with suppress(OSError):
            made.socket.shutdown(socket.SHUT_RDWR)
        made.socket.close()
        thread.join()
