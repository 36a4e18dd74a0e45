"""What is whole in a damaged file of teacher replies, in a new one: they may have been paid for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from readsim.errors import ConfigError, RunLogError
from readsim_hf.teachers.cache import SignalCache, value_checksum
from readsim_hf.teachers.heard import HEARD_TABLE
from readsim_hf.teachers.journal import JOURNAL_TABLES

TABLES = ("records", "replies", "heard")  # each with key, checksum, value
MOST = 20_000  # reads that fail before a table is given up
ROW = 32  # bytes that a row takes at least


def salvage(path: str | Path, to: str | Path) -> dict[str, int]:
    """Copies each entry whose checksum is right; how many there are, by table.

    `sent`, which counts requests that may have been paid for in vain, is not copied. Raises ConfigError
    for a file `to` that exists, RunLogError where nothing of the old one can be read.
    """
    path, to = Path(path).absolute(), Path(to)
    if to.exists():
        raise ConfigError(f"{to} exists and is not overwritten: name another file")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file of teacher replies")
    found: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
    uri = f"{path.as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        last = 4 * path.stat().st_size // ROW + 1
        for table in TABLES:
            rows = _rows(connection, table, 0, last, [MOST])
            found[table] = [row for row in rows if row[1] == value_checksum(row[0], row[2])]
    if not any(found.values()):
        raise RunLogError(f"{path}: no entry of it can be read")
    new = SignalCache(to)
    with new.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*JOURNAL_TABLES, HEARD_TABLE):
            connection.execute(statement)
        for table, kept in found.items():
            connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", kept)
        connection.execute("COMMIT")
    return {table: len(kept) for table, kept in found.items()}


def _rows(
    connection: sqlite3.Connection, table: str, first: int, last: int, patience: list[int]
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The rows that can be read: around a damaged page, halves of the range are tried."""
    query = f"SELECT rowid, key, checksum, CAST(value AS BLOB) FROM {table} NOT INDEXED "
    waiting = [(first, last)]
    while waiting and patience[0] > 0:
        low, high = waiting.pop()
        try:
            for row, *values in connection.execute(
                query + "WHERE rowid BETWEEN ? AND ? ORDER BY rowid", (low, high)
            ):
                low = row + 1
                if all(isinstance(value, bytes) for value in values):
                    yield values[0], values[1], values[2]
        except sqlite3.DatabaseError as error:
            if "no such table" in str(error):
                return
            patience[0] -= 1
            if low < high:
                middle = (low + high) // 2
                waiting += [(middle + 1, high), (low, middle)]
