"""The cache's file: damage, disks that refuse, several processes; never in a run's way."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from threading import Thread
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, RunLogError, SchemaError
from tests.support.made_teachers import PROMPTS, asking, equal, key, record, teacher
from tests.support.processes import end, python, wait_for

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "here" / "teacher?#%.sqlite"


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET value = CAST(substr(value, 1, length(value) - 1) || x'07' AS BLOB)",
        "UPDATE records SET value = 'text'",
        "UPDATE records SET value = 7",
        "UPDATE records SET value = x''",
        "UPDATE records SET checksum = x'00'",
        "UPDATE records SET (value, checksum) = (SELECT value, checksum FROM records LIMIT 1)",
    ],
)
def test_a_corrupt_value_is_a_miss_and_is_replaced(path: Path, statement: str) -> None:
    good = teacher(path).ask(PROMPTS)
    spoil(path, statement)
    whole = 1 if "LIMIT" in statement else 0  # copies of one value: that one is right
    mended = teacher(path)
    again = mended.ask(PROMPTS)
    assert mended.counts.generated == mended.cache.corrupt == 4 - whole
    for a, b in zip(good, again, strict=True):  # other batches round differently
        assert np.array_equal(a.completion_ids, b.completion_ids)
        assert np.allclose(a.soft.logp, b.soft.logp, rtol=0, atol=1e-5)
    after = teacher(path)
    after.ask(PROMPTS)
    assert after.counts.generated == after.cache.corrupt == 0


def test_files_that_are_no_caches(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(RunLogError, match="damaged"):
        SignalCache(path)
    other = path.with_name("other")
    spoil(other, "CREATE TABLE recipes (dish TEXT)")
    with pytest.raises(ConfigError, match="no cache of teacher records"):
        SignalCache(other)
    with pytest.raises(ConfigError, match="no cache can be made"):
        SignalCache(path / "inside a file")
    with pytest.raises(ConfigError, match="no cache can be made"):
        SignalCache(path.parent)
    newer = path.with_name("newer")
    SignalCache(newer)
    spoil(newer, "PRAGMA user_version = 2")
    with pytest.raises(SchemaError, match="version 2"):
        SignalCache(newer)


def test_damaged_pages_are_an_error(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    cache = SignalCache(path)
    cache.put_many({key(n): record(n) for n in range(300)})
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(RunLogError, match="--salvage NEW"):
        cache.get_many([key(3)])
    with pytest.raises(RunLogError, match="--salvage NEW"):
        cache.put_many({key(3): record(3)})


def test_a_full_disk_stops_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.teachers.cache import SignalCache

    teacher(path).ask(PROMPTS[:1])
    connection_of = SignalCache.connection

    @contextmanager
    def full(self: SignalCache, mode: str | None = None) -> Iterator[sqlite3.Connection]:
        with connection_of(self, mode) as connection:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite's own limit: "is full"
            yield connection

    monkeypatch.setattr(SignalCache, "connection", full)
    small = teacher(path, kind="full")
    many = [asking(f"{n}+{n}") for n in range(40)]
    records = small.ask(many)
    assert None not in records
    assert small.cache.refused == small.counts.generated >= 40
    assert "full" in small.cache.problem
    assert len(small.cache) == 1  # all or none
    again = teacher(path)
    again.ask(PROMPTS[:1])
    assert again.counts.generated == 0  # what was there can be read


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN])
def test_a_folder_that_cannot_be_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    from readsim_hf.teachers.cache import SignalCache

    teacher(path).ask(PROMPTS[:2])

    def refuse(self: SignalCache) -> None:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = code | 1 << 8
        raise error

    monkeypatch.setattr(SignalCache, "_create", refuse)
    reader = teacher(path)
    records = reader.ask(PROMPTS)
    assert None not in records
    assert (reader.counts.cached, reader.counts.generated) == (2, 2)
    assert (reader.cache.refused, len(reader.cache)) == (2, 2)
    assert "readonly" in reader.cache.problem
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]
    with pytest.raises(ConfigError, match="no cache can be made"):
        SignalCache(path.with_name("absent"))


WRITER = """
import sys
from tests.support.made_teachers import key, record
from readsim_hf.teachers.cache import SignalCache
path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cache = SignalCache(path)
print("ready", flush=True)
for n in range(first, last):
    assert cache.put_many({key(n): record(n), key(n // 2): record(n // 2)}) == 1 + (n > 0)
"""


def writer(path: Path, first: int, last: int) -> Any:
    return python("-c", WRITER, path, first, last, stdout=PIPE)


@pytest.mark.slow
def test_processes_and_threads_share_a_cache(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    path.parent.mkdir(parents=True)
    bad: list[object] = []

    def work(first: int) -> None:
        for n in range(first, first + 8):
            cache.put_many({key(n): record(n)})
            bad.extend(
                k
                for k, r in cache.get_many([key(i) for i in range(n + 1)]).items()
                if not equal(r, record(int.from_bytes(k, "little")))
            )

    threads = [Thread(target=work, args=(first,)) for first in (40, 48)]
    with writer(path, 0, 20) as one, writer(path, 15, 40) as other:  # both make the file
        cache = SignalCache(path)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in (one, other):
            process.communicate()
            assert process.returncode == 0
    assert bad == []
    assert (cache.corrupt, cache.refused, cache.problem) == (0, 0, None)
    assert cache.get_many([key(n) for n in range(200)]).keys() == {key(n) for n in range(56)}


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_records(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    with writer(path, 0, 1_000_000) as process:
        assert process.stdout.readline()
        cache = SignalCache(path)
        wait_for(lambda: len(cache) >= 10, process)
        end(process)
    size = len(cache)
    got = cache.get_many([key(n) for n in range(size)])
    assert len(got) == size >= 10
    assert all(equal(r, record(int.from_bytes(k, "little"))) for k, r in got.items())
    assert cache.put_many({key(7_000_000): record()}) == 1
    assert cache.corrupt == 0
