"""Teacher records on disk, by what was asked: one teacher pass serves every allocator and run."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError, RunLogError, SchemaError
from readsim_hf.teachers.codec import record_from_bytes, record_to_bytes
from readsim_hf.teachers.ids import Ids, as_ids
from readsim_hf.teachers.record import TeacherRecord

_VERSION = 1
_WAIT_S = 60.0  # for another process that is writing
KEYS = 500  # in one query
# What SQLite says of a file or folder that cannot be written to.
_NO_WRITING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_TABLE = "CREATE TABLE records (key BLOB PRIMARY KEY, checksum BLOB NOT NULL, value BLOB NOT NULL)"


def content_key(settings: Mapping[str, Any], prompt_ids: Ids) -> bytes:
    """SHA-256 of settings (JSON values, in any order) and the prompt's token ids."""
    text = json.dumps(dict(settings), sort_keys=True, allow_nan=False).encode()
    return hashlib.sha256(text + b"\0" + as_ids(prompt_ids).tobytes()).digest()


class SignalCache:
    """One SQLite file of teacher records. Threads and processes may share it.

    Every call opens its own connection, so an object may cross a fork. The write-ahead log keeps the
    file whole when a process is killed. A value whose checksum is wrong is a miss, and what is put
    next under its key replaces it. The cache never stops a run that can go on without it: where the
    disk refuses (full, read-only, locked), `get_many` finds nothing, `put_many` stores nothing, and

    corrupt   values found with a wrong checksum
    refused   records that could not be stored
    problem   what the disk last said, None while all is well

    tell so. A file in a folder that cannot be written to is read.
    """

    def __init__(self, path: str | Path) -> None:
        """Open or make the file; its folder is made too.

        ConfigError if it cannot be opened or is another program's database, RunLogError if it is
        damaged or no database, SchemaError if a newer readsim wrote it.
        """
        self.path = Path(path).absolute()
        self.corrupt = 0
        self.refused = 0
        self.problem: str | None = None
        self._mode = "mode=rw"
        try:
            self._create()
        except (sqlite3.OperationalError, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the kind, without its details
            if code not in _NO_WRITING or not self.path.is_file():
                raise ConfigError(f"no cache can be made at {self.path}: {error}") from error
            self.problem = str(error)
            self._mode = "mode=ro&immutable=1"
        try:
            with self.connection() as connection:
                self._check(connection)
        except sqlite3.OperationalError as error:
            raise ConfigError(f"the cache at {self.path} cannot be read: {error}") from error

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, TeacherRecord]:
        """The records of those keys that are there and whole."""
        found: dict[bytes, TeacherRecord] = {}
        try:
            with self.connection() as connection:
                for at in range(0, len(keys), KEYS):
                    some = keys[at : at + KEYS]
                    marks = ",".join("?" * len(some))
                    # A damaged value may have lost its type too.
                    what = "SELECT key, checksum, CAST(value AS BLOB) FROM records"
                    query = f"{what} WHERE key IN ({marks})"
                    for key, digest, value in connection.execute(query, some):
                        if digest == value_checksum(key, value):
                            found[key] = record_from_bytes(value)
                        else:
                            self.corrupt += 1
        except sqlite3.OperationalError as error:
            self.problem = str(error)
        return found

    def put_many(self, records: Mapping[bytes, TeacherRecord]) -> int:
        """Store all of them or, where the disk refuses, none; returns how many were stored."""
        rows = [(key, record_to_bytes(record)) for key, record in records.items()]
        try:
            with self.connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                    [(key, value_checksum(key, value), value) for key, value in rows],
                )
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self.refused += len(rows)
            self.problem = str(error)
            return 0
        return len(rows)

    def __len__(self) -> int:
        """Records in the file."""
        with self.connection() as connection:
            return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.connection("mode=rwc") as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0]:
                return
            connection.execute("BEGIN IMMEDIATE")  # another process may do the same now
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
            if not tables:
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
            if not tables:
                connection.execute("PRAGMA journal_mode = WAL")

    def _check(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise SchemaError(
                f"the cache at {self.path} has version {version}: this readsim reads {_VERSION}"
            )
        columns = [row[1] for row in connection.execute("PRAGMA table_info(records)")]
        if version < _VERSION or columns != ["key", "checksum", "value"]:
            raise ConfigError(f"{self.path} is no cache of teacher records: name another file")

    @contextmanager
    def connection(self, mode: str | None = None) -> Iterator[sqlite3.Connection]:
        """A connection without implicit transactions; RunLogError if the file is damaged."""
        uri = f"{self.path.as_uri()}?{mode or self._mode}"
        try:
            with closing(
                sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise RunLogError(
                f"the cache at {self.path} is damaged ({error}): `readsim replies FILE --salvage NEW` saves "
                "what is whole; the rest is asked for, and paid for, again"
            ) from error


def value_checksum(key: bytes, value: bytes) -> bytes:
    """Of value and key: a value under another's key is wrong too."""
    return hashlib.blake2b(value, key=key, digest_size=16).digest()
