"""What is whole in a damaged file of teacher replies can be saved."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import ConfigError, RunLogError
from tests.support.made_teachers import equal, key, record

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")
MANY = 300


def filled(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    cache = SignalCache(path)
    cache.put_many({key(n): record(n) for n in range(MANY)})
    with cache.connection() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def saved(path: Path, to: Path) -> int:
    """How many are saved; each is what was kept."""
    from readsim_hf.teachers.cache import SignalCache
    from readsim_hf.teachers.salvage import salvage

    count = salvage(path, to)["records"]
    found = SignalCache(to).get_many([key(n) for n in range(MANY)])
    assert len(found) == count
    assert all(equal(found[key(n)], record(n)) for n in range(MANY) if key(n) in found)
    return count


def test_all_of_a_whole_file(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    assert saved(tmp_path / "a", tmp_path / "b") == MANY
    with pytest.raises(ConfigError, match="exists and is not overwritten"):
        saved(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ConfigError, match="no such file"):
        saved(tmp_path / "c", tmp_path / "d")


def test_most_of_one_with_damaged_pages(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    rng = np.random.default_rng(0)
    counts = []
    for n in range(6):
        data = bytearray(whole)
        page = 4096 * int(rng.integers(3, len(whole) // 4096))
        data[page : page + 4096] = rng.bytes(4096)
        (tmp_path / f"damaged{n}").write_bytes(data)
        counts.append(saved(tmp_path / f"damaged{n}", tmp_path / f"saved{n}"))
    assert np.median(counts) > 0.8 * MANY  # a leaf holds a few; one inner page many
    assert min(counts) < MANY


def test_one_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0" * 8192)
    with pytest.raises(RunLogError, match="no entry of it can be read"):
        saved(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b").exists()
