"""A teach store as it is read: checked whole when it is opened, then by single prompts."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from readsim.errors import ConfigError, RunLogError
from readsim_hf.store.manifest import TOKENIZER, Manifest, Shard, load_manifest
from readsim_hf.store.shards import GROUP, SCHEMA, StoredPrompt, from_rows

_BLOCK = 1 << 20
_OPEN = 32  # groups of rows that are kept at hand


@dataclass(frozen=True)
class Index:
    """Where the prompts of one source are: P of them in the order in which they were asked.

    shard, row   (P,) the file, and the prompt's first row in it
    rows         (P,) how many rows it has
    bucket       (P,) its difficulty
    """

    shard: NDArray[np.int32]
    row: NDArray[np.int32]
    rows: NDArray[np.int16]
    bucket: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.row)


class TeachStore:
    """The store at a folder. Nothing is written; any number of processes may read it at once.

    13 bytes a prompt are held in memory. ConfigError, SchemaError where there is no store; RunLogError,
    naming the file, where one is missing, damaged or changed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.manifest: Manifest = load_manifest(folder)
        if not self.manifest.shards:
            raise ConfigError(f"{folder} is an empty teach store: `readsim teach` fills it")
        for name, digest in self.manifest.facts.tokenizer.items():
            _check(self.manifest.folder / TOKENIZER / name, digest)
        for shard in self.manifest.shards:
            _check(self.manifest.folder / shard.file, shard.sha256)
        self._group = lru_cache(_OPEN)(self._read_group)
        self.indices = {source: self._index(source) for source in self.manifest.sources}

    def prompt(self, source: str, at: int) -> StoredPrompt:
        """The prompt at that place of a source's index."""
        index = self.indices[source]
        shard, row = int(index.shard[at]), int(index.row[at])
        rows: list[dict[str, Any]] = []
        for n in range(row, row + int(index.rows[at])):
            group = self._group(shard, n // GROUP)
            rows += group.slice(n % GROUP, 1).to_pylist()
        return from_rows(source, rows, self.manifest.facts)

    def _read_group(self, shard: int, group: int) -> pa.Table:
        path = self.manifest.folder / self.manifest.shards[shard].file
        with _reading(path), pq.ParquetFile(path) as file:
            return file.read_row_group(group)

    def _index(self, source: str) -> Index:
        parts = []
        for n, shard in enumerate(self.manifest.shards):
            if shard.source == source:
                part, bucket = self._columns(shard)
                first = np.flatnonzero(part == 0)
                rows = np.diff([*first, len(part)])
                parts.append((np.full(len(first), n), first, rows, bucket[first]))
        shards, row, rows, bucket = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Index(shards.astype(np.int32), row.astype(np.int32), rows.astype(np.int16), bucket)

    def _columns(self, shard: Shard) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
        path = self.manifest.folder / shard.file
        with _reading(path), pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA) or file.metadata.num_rows != shard.rows:
                raise RunLogError(f"{path} is not the shard that the manifest names")
            table = file.read(columns=["part", "bucket"])
        return table["part"].to_numpy(), table["bucket"].to_numpy()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What pyarrow and the disk say of a damaged file, as RunLogError that names it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise RunLogError(f"{path} cannot be read: {error}") from error


def _check(path: Path, digest: str) -> None:
    """RunLogError unless the file has that SHA-256."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError as error:
        raise RunLogError(f"{path} is missing: copy the store again") from error
    except OSError as error:
        raise RunLogError(f"{path} cannot be read: {error.strerror}") from error
    if found.hexdigest() != digest:
        raise RunLogError(
            f"{path} is damaged: its SHA-256 is {found.hexdigest()[:16]}..., the manifest says "
            f"{digest[:16]}...; copy the store again, or delete it and teach again"
        )
