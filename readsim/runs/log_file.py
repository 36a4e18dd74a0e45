"""The run log: a JSON-lines file (see `readsim.runs.log_schema`), the only bridge from runs to figures.

A kill loses at most the rows of the append in flight.
"""

import contextlib
import functools
import hashlib
import io
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from readsim.errors import RunLogError
from readsim.runs.comparing import differences
from readsim.runs.log_schema import (
    DIGEST,
    SCHEMA,
    Row,
    check_header,
    checked_row,
    checked_row_seed,
    digest_line,
    encode_line,
    header_line,
    plain,
    read_content,
)
from readsim.tree_file import sync_folder
from readsim.version import __version__

PathLike = str | os.PathLike[str]


class RunLog:
    """A log open for appending; made by `create` or `open`, and closed by `with` or `close`.

    One writer a file: an append that finds bytes of another writer is refused.
    """

    def __init__(self, path: Path, header: Row, torn_bytes: int, sealed: bool = False) -> None:
        self.path = path
        self.header = header
        self.sealed = sealed  # whether it is over, and ends with its digest
        self.torn_bytes = torn_bytes  # of an incomplete last line, cut when the log was opened
        try:
            self._file = path.open("ab", buffering=0)
            self._digest = hashlib.sha256(b"".join(self._row_lines()))
            self._length = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise RunLogError(f"cannot write run log {path}: {error}") from error

    @classmethod
    def create(cls, path: PathLike, *, config: Mapping[str, Any], seeds: Sequence[int]) -> Self:
        """Start a log, and its folders, with a header.

        Raises RunLogError if `path` exists, cannot be written, or the header is not plain data.
        """
        path = Path(path)
        header = {
            "kind": "header",
            "schema": SCHEMA,
            "config": plain(config, "config"),
            "seeds": [checked_row_seed(seed, f"seeds[{i}]") for i, seed in enumerate(seeds)],
            "versions": _versions(),
            "git": git_revision(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        line = header_line(check_header(header, str(path)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb", buffering=0)
        except OSError as error:
            if path.exists():
                raise RunLogError(
                    f"{path} exists and is not overwritten: RunLog.open continues it"
                ) from error
            raise RunLogError(f"cannot create run log {path}: {error}") from error
        try:
            with file:
                _write(file, line)
            sync_folder(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                path.unlink()
            if isinstance(error, OSError):
                raise RunLogError(f"cannot write run log {path}: {error}") from error
            raise
        return cls(path, header, torn_bytes=0)

    @classmethod
    def open(cls, path: PathLike, *, config: Mapping[str, Any]) -> Self:
        """Continue a log; an incomplete last line is cut off and counted in `torn_bytes`.

        Raises SchemaError if a newer readsim wrote the log; RunLogError if it cannot be read, has a
        broken line, or was started with another `config` (each difference is named).
        """
        path = Path(path)
        content = read_content(path)
        given = plain(config, "config")
        if given != content.header["config"]:
            found = differences(content.header["config"], given)
            told = "; ".join(one.between("in the log", "now") for one in found)
            raise RunLogError(f"{path} was started with another config: {told}")
        if content.torn_bytes:
            try:
                with path.open("r+b") as file:
                    file.truncate(content.complete_bytes)
                    os.fsync(file.fileno())
            except OSError as error:
                raise RunLogError(f"cannot repair run log {path}: {error}") from error
        return cls(path, content.header, content.torn_bytes, content.sealed)

    @property
    def rows(self) -> list[Row]:
        """Every row of the log, read from the file anew at each call."""
        return read_content(self.path).rows

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the rows as they are written."""
        return self._digest.hexdigest()

    def digest_of_rows(self, count: int) -> str:
        """What `digest` was when the log had this many rows."""
        return hashlib.sha256(b"".join(self._row_lines()[:count])).hexdigest()

    def check_rows(self, after: int, expected: Sequence[Mapping[str, Any]]) -> None:
        """Raises RunLogError where a row after the first `after` is not the expected one in its place."""
        for n, (line, row) in enumerate(zip(self._row_lines()[after:], expected, strict=False)):
            if line != encode_line(checked_row(row, "row")):
                raise RunLogError(
                    f"{self.path}: row {after + n + 1} is not the one that its checkpoint has: the log is "
                    "damaged; move it and its .state away to run it again"
                )

    def _row_lines(self) -> list[bytes]:
        lines = self.path.read_bytes().splitlines(keepends=True)[1:]
        return [line for line in lines if not line.startswith(DIGEST)]

    def seal(self) -> None:
        """End a log that is over with its digest; nothing can be appended then."""
        if not self.sealed:
            self._put(digest_line(self.digest))
            self.sealed = True

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows durably: all of them, or none if an error is raised.

        Numpy scalars and arrays become numbers and lists; floats are read back exactly. Costs one
        write and one fsync, so rows that belong together should come together.

        Raises RunLogError, and leaves the earlier rows as they were, if a row lacks `kind` or
        `seed`, holds nan, an infinity or an object that is not plain data (the field is named), if
        the disk is full, if the log is closed, or if something else wrote to the file.
        """
        if self._file.closed:
            raise RunLogError(f"run log {self.path} is closed")
        data = b"".join(encode_line(checked_row(row, f"rows[{i}]")) for i, row in enumerate(rows))
        if data and self.sealed:
            raise RunLogError(f"run log {self.path} is over: it ends with its digest")
        if data:
            self._put(data)

    def _put(self, data: bytes) -> None:
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        if size != self._length:
            raise RunLogError(
                f"{self.path} has {size} bytes, {self._length} were expected: something else "
                "wrote to it. Nothing was appended; open it again to continue"
            )
        try:
            _write(self._file, data)
        except BaseException as error:
            with contextlib.suppress(OSError):  # if this fails too, the next append notices
                os.ftruncate(descriptor, self._length)
            if isinstance(error, OSError):
                raise RunLogError(
                    f"cannot append to run log {self.path}, its earlier rows are kept: {error}"
                ) from error
            raise
        self._length += len(data)
        self._digest.update(data)

    def rewind(self, keep: int) -> None:
        """Cut the rows after the first `keep`; they are kept in `PATH.cut`, which grows.

        Raises RunLogError if the log has fewer rows or the file cannot be written.
        """
        lines = self.path.read_bytes().splitlines(keepends=True)
        if len(lines) < keep + 1:
            raise RunLogError(f"{self.path}: has {len(lines) - 1} rows, {keep} were to be kept")
        rest = b"".join(lines[keep + 1 :])
        if not rest:
            return
        try:
            with self.path.with_name(self.path.name + ".cut").open("ab", buffering=0) as aside:
                _write(aside, rest)
            os.ftruncate(self._file.fileno(), self._length - len(rest))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RunLogError(f"cannot rewind run log {self.path}: {error}") from error
        self._length -= len(rest)
        self._digest = hashlib.sha256(b"".join(lines[1 : keep + 1]))

    def close(self) -> None:
        """Refuse further appends. Nothing is pending: each append is on disk when it returns."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _write(file: io.FileIO, data: bytes) -> None:
    """Write all of `data` and force it to disk. One call, unless the disk takes only a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gymnasium": metadata.version("gymnasium"),
        "readsim": __version__,
    }


@functools.cache
def git_revision() -> str | None:
    """The commit of the checkout that this readsim runs from; None if it is installed."""
    repository = Path(__file__).resolve().parents[2] / ".git"
    if not repository.exists():
        return None
    command = ["git", f"--git-dir={repository}", "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
