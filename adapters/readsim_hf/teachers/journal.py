"""What was asked of a server and what came back, on disk the moment it arrives: nothing is paid twice."""

import sqlite3
from collections.abc import Sequence

from readsim_hf.teachers.cache import KEYS, SignalCache, value_checksum
from readsim_hf.teachers.reply import Reply, reply_from_bytes, reply_to_bytes

JOURNAL_TABLES = (
    "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, checksum BLOB NOT NULL, value BLOB)",
    "CREATE TABLE IF NOT EXISTS sent (key BLOB PRIMARY KEY, teacher TEXT NOT NULL, n INTEGER NOT NULL)",
)
_ADD = (
    "INSERT INTO sent VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n",
    "DELETE FROM sent WHERE key = ? AND n <= 0",
)


class Journal:
    """Two tables beside the records of a cache file, which older versions pass by.

    replies   what a server said, as text, by what it was asked: whatever the student reads
    sent      requests of `teacher` that may have been paid for and have no reply

    Threads and processes may share it. Like the cache, it never stops a run: where the disk refuses,
    the cache's `problem` and `refused` tell so.
    """

    def __init__(self, cache: SignalCache, teacher: str) -> None:
        self.cache, self.teacher = cache, teacher
        self._run([(table, ()) for table in JOURNAL_TABLES])

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The replies to those keys that are there and whole."""
        found: dict[bytes, Reply] = {}
        try:
            with self.cache.connection() as connection:
                for at in range(0, len(keys), KEYS):
                    some = keys[at : at + KEYS]
                    query = (
                        "SELECT key, checksum, CAST(value AS BLOB) FROM replies WHERE key IN "
                        f"({','.join('?' * len(some))})"
                    )
                    for key, digest, value in connection.execute(query, some):
                        if digest == value_checksum(key, value):
                            found[key] = reply_from_bytes(value)
                        else:
                            self.cache.corrupt += 1
        except sqlite3.OperationalError as error:
            self.cache.problem = str(error)
        return found

    def begin(self, key: bytes) -> None:
        """A request is about to be sent."""
        self._add(key, 1)

    def keep(self, key: bytes, reply: Reply, lost: int) -> None:
        """Its reply arrived; `lost` requests before it may have been paid for in vain."""
        value = reply_to_bytes(reply)
        row = (key, value_checksum(key, value), value)
        if not self._add(key, lost - 1, ("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", row)):
            self.cache.refused += 1

    def fail(self, key: bytes, lost: int) -> None:
        """No reply will come; `lost` requests may have been paid for in vain."""
        self._add(key, lost - 1)

    def in_doubt(self) -> int:
        """Requests of this teacher that may have been paid for and have no reply."""
        try:
            with self.cache.connection() as connection:
                query = "SELECT coalesce(sum(n), 0) FROM sent WHERE teacher = ?"
                return int(connection.execute(query, (self.teacher,)).fetchone()[0])
        except sqlite3.OperationalError as error:
            self.cache.problem = str(error)
            return 0

    def _add(self, key: bytes, n: int, *more: tuple[str, tuple[object, ...]]) -> bool:
        insert, clear = _ADD
        return self._run([*more, (insert, (key, self.teacher, n)), (clear, (key,))])

    def _run(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> bool:
        """All of them or, where the disk refuses, none; whether it was all."""
        try:
            with self.cache.connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement, values in statements:
                    connection.execute(statement, values)
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self.cache.problem = str(error)
            return False
        return True
