"""A text file that somebody else appends to: its whole lines, as they come."""

import os
from pathlib import Path

from readsim.errors import ConfigError

MOST_BYTES = 2**24  # of one line: what is longer is no line of metrics


class GrowingFile:
    """What was appended to a file since it was last read.

    A line counts once its newline is written. A file that was replaced, or became shorter, is read from its
    beginning again; one that does not exist yet has no lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read, self._line, self._file = 0, 0, 0

    def new_lines(self) -> list[tuple[int, str]]:
        """(line number, text) of every whole line that was not read before, blank ones left out.

        Raises ConfigError, naming the file, for one that cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno()).st_ino
                if about != self._file or self.path.stat().st_size < self._read:
                    self._read, self._line, self._file = 0, 0, about
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror or error}") from error
        whole, newline, rest = data.rpartition(b"\n")
        if len(rest) > MOST_BYTES:
            raise ConfigError(f"{self.path}, line {self._line + 1}: longer than {MOST_BYTES} bytes")
        self._read += len(whole) + len(newline)
        lines = whole.split(b"\n") if newline else []
        first = self._line + 1
        self._line += len(lines)
        texts = [(n, raw.decode("utf-8", "replace")) for n, raw in enumerate(lines, first)]
        return [(n, text) for n, text in texts if text.strip(" \t\r\0\ufeff")]
