"""Standard output and error that no letter and no reader can break: nothing is lost to a print."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from readsim.errors import ConfigError, ReadsimError
from readsim.files.names import visible

PLAIN = {"±": "+-", "…": "...", "→": "->", "━": "-"}
HANDLER = "readsim.plain"


class Terminal(Console):
    """The console of all commands: what it is given is text, whatever names are in it.

    No markup and no codes of emoji are read, and what could command the terminal is shown as escapes.
    """

    def __init__(self, *, stderr: bool = False, **settings: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As of Rich; styles and what Rich itself tells the terminal stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)


class OutputError(ReadsimError, OSError):
    """Standard output could not be written (a full disk)."""


class _Lasting(io.FileIO):
    """A descriptor whose reader may leave (`| head -1`) and whose disk may be full: writing just stops."""

    failed: OSError | None = None

    def write(self, data: Any) -> int:
        """As of a file; after a failure nothing is written."""
        if self.failed is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = error
        return memoryview(data).nbytes


def plain(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks in letters that each has: `±` as `+-`, others as `\\u65e5`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    words = [PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text]
    return "".join(words), error.end


def make_output_last() -> None:
    """Standard output and error as said above, for the rest of the process; those that something has taken
    the place of (a notebook's, a test's) stay as they are."""
    codecs.register_error(HANDLER, plain)
    for name, original in (("stdout", sys.__stdout__), ("stderr", sys.__stderr__)):
        stream = getattr(sys, name)
        if stream is original and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _lasting(stream))


def _lasting(stream: io.TextIOWrapper) -> TextIO:
    if stream.isatty() or os.name == "nt":
        stream.reconfigure(errors=HANDLER)
        return stream
    stream.flush()
    raw = _Lasting(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=HANDLER,
        line_buffering=stream.line_buffering,
    )


def need_current_folder() -> None:
    """Raise ConfigError where the current folder was removed: paths mean nothing there."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError("the current folder no longer exists: change to another one") from error


def check_output() -> None:
    """Raise OutputError if standard output was cut short by anything but a reader who left."""
    stream: Any = sys.stdout
    if not isinstance(getattr(getattr(stream, "buffer", None), "raw", None), _Lasting):
        return
    stream.flush()
    failed = stream.buffer.raw.failed
    if failed is not None and failed.errno != errno.EPIPE:
        raise OutputError(
            f"the output could not be printed ({failed.strerror}); all files were written"
        )
