"""A process of several whose main thread waits inside NCCL: it still says why the run is over."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

GRACE = (
    5.0  # seconds that the main thread has to end by itself; launchers kill 30 after their SIGTERM
)
STATUS = 2  # exit status, that of every error of a run


class Watchman:
    """A thread that hears SIGTERM even where the main thread cannot.

    Python runs its own handlers between two of its instructions; a wait inside a library (a collective of
    NCCL, whose partner is gone) may never come back. The signal itself is written into a pipe at once.

    say      what to print where the main thread has not ended in time; "" for nothing
    """

    def __init__(self, say: Callable[[], str]) -> None:
        self._say = say
        self._heard = threading.Event()
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._writes, False)
        signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="watchman", daemon=True).start()

    def heard(self) -> None:
        """The main thread knows, and ends by itself."""
        self._heard.set()

    def stop(self) -> None:
        """Nothing is watched any more."""
        self.heard()
        signal.set_wakeup_fd(-1)
        os.close(self._writes)

    def _watch(self) -> None:
        while (came := os.read(self._reads, 1)) and came[0] != signal.SIGTERM:
            pass
        os.close(self._reads)
        if not came or self._heard.wait(GRACE):
            return
        if words := self._say():
            print(f"error: {words}", file=sys.stderr, flush=True)
        time.sleep(0.1)  # the pipe to a launcher is read
        os._exit(STATUS)
