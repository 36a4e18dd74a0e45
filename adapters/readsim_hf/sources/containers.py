"""Where rows lie: text files, parquet, folders of `datasets`, the hub. One iterator, one row at a time."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import ConfigError, unknown
from readsim.files import json_lines, sheet_rows, suffix_of
from readsim_hf.sources.config import SourceConfig

Row = dict[str, Any]
HEAD = 100  # rows of JSON lines that are looked at for their columns
BATCH = 1000  # rows in memory at a time
_TEXT = (".jsonl", ".json", ".ndjson")
_SHEET = (".csv", ".tsv")
_PARQUET = (".parquet", ".pq")
_SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` writes into a folder


class Container(NamedTuple):
    """The rows of a data set, not read yet.

    columns   their names; of JSON lines those of the first `HEAD` rows
    first     the first row
    rows      of these columns: (place in words, row) one by one
    digest    SHA-256 of the bytes that they lie in
    many      how many, where that is known before they are read
    """

    columns: tuple[str, ...]
    first: Row
    rows: Callable[[Sequence[str]], Iterator[tuple[str, Row]]]
    digest: str
    many: int | None = None


def open_container(source: SourceConfig) -> Container:
    """What the path of a source names.

    Raises ConfigError where there is nothing, or nothing that can be read; in a damaged text file only
    what its first rows show.
    """
    path, kind = Path(source.path).expanduser(), suffix_of(source.path)
    try:
        path.stat()
    except FileNotFoundError:
        pass  # it may be a name of the hub
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{ascii(str(path))[:80]}: cannot be read ({_one_line(error)[:80]})"
        ) from error
    if path.is_dir():
        if not any((path / name).is_file() for name in _SAVED):
            raise ConfigError(
                f"{path}: no data set that `save_to_disk` of datasets wrote ({' or '.join(_SAVED)} is "
                "missing); name a file in it, or save the data set"
            )
        return _of_dataset(source, _loaded(source, path))
    if not path.exists() and kind not in (*_TEXT, *_SHEET, *_PARQUET) and _may_be_hub(source.path):
        return _of_dataset(source, _loaded(source, None))
    if source.split is not None or source.subset is not None:
        raise ConfigError(f"{path}: a file has no split or subset; leave them out of data.sources")
    if kind in _PARQUET:
        return _of_parquet(path)
    if kind in _SHEET or kind in _TEXT:
        return _of_text(path, json_lines if kind in _TEXT else sheet_rows)
    if path.exists():
        accepted = ", ".join((*_TEXT, *_SHEET, *_PARQUET))
        raise ConfigError(
            f"{path}: a file of another kind; accepted: {accepted}, a folder saved by datasets"
        )
    raise ConfigError(f"{path}: no such file or folder, and no name of a data set of the hub")


def _may_be_hub(path: str) -> bool:
    return path.count("/") <= 1 and not path.startswith((".", "/", "~")) and "\\" not in path


def _of_text(path: Path, read: Callable[[Path], Iterator[tuple[int, Row]]]) -> Container:
    head = [row for _, row in islice(read(path), HEAD)]
    if not head:
        raise ConfigError(f"{path}: no rows")
    columns = tuple(dict.fromkeys(name for row in head for name in row))

    def rows(wanted: Sequence[str]) -> Iterator[tuple[str, Row]]:
        for line, row in read(path):
            yield f"line {line}", row

    return Container(columns, head[0], rows, _digest([path]))


def _of_parquet(path: Path) -> Container:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            columns, many = tuple(file.schema_arrow.names), file.metadata.num_rows
            head = next(file.iter_batches(1), None)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: not a whole parquet file: {_one_line(error)}") from error
    if head is None or not many:
        raise ConfigError(f"{path}: no rows")
    for name in columns:
        if columns.count(name) > 1:
            raise ConfigError(f"{path}: column {name!r} appears twice")

    def rows(wanted: Sequence[str]) -> Iterator[tuple[str, Row]]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(BATCH, columns=list(wanted)):
                    for row in batch.to_pylist():
                        number += 1
                        yield f"row {number}", row
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}, after row {number}: {_one_line(error)}") from error

    return Container(columns, head.to_pylist()[0], rows, _digest([path]), many)


def _loaded(source: SourceConfig, folder: Path | None) -> Any:
    """One `datasets.Dataset`. No code of a data set is run: `datasets` is never told to trust any."""
    import datasets

    try:
        if folder is not None:
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(source.path, source.subset, split=source.split)
    except Exception as error:  # the library's, the hub's and the file system's own, of many kinds
        where = "datasets cannot load it" if folder else "no file here, and datasets cannot load it"
        raise ConfigError(f"{source.path}: {where}: {_one_line(error)}") from error
    if isinstance(found, dict):
        known = list(found)
        if not known:
            raise ConfigError(f"{source.path}: a data set without a split: no rows")
        if source.split is None and len(known) > 1:
            raise ConfigError(
                f"{source.path}: split is not given, and it has several; accepted: {', '.join(known)}"
            )
        split = source.split or known[0]
        if split not in found:
            raise unknown(f"split of {source.path}", split, known)
        return found[split]
    if folder is not None and source.split is not None and source.split != str(found.split):
        raise ConfigError(f"{source.path}: split = {source.split!r}: it has no splits")
    return found


def _of_dataset(source: SourceConfig, found: Any) -> Container:
    if not len(found):
        raise ConfigError(f"{source.path}: no rows")
    files = [Path(one["filename"]) for one in found.cache_files]

    def rows(wanted: Sequence[str]) -> Iterator[tuple[str, Row]]:
        number = 0
        for batch in found.select_columns(list(wanted)).iter(BATCH):
            for cells in zip(*(batch[name] for name in wanted), strict=True):
                number += 1
                yield f"row {number}", dict(zip(wanted, cells, strict=True))

    digest = _digest(files) if files else str(found._fingerprint)
    return Container(tuple(found.column_names), found[0], rows, digest, len(found))


def _digest(files: Sequence[Path]) -> str:
    """SHA-256 of the bytes of the files, one after the other."""
    whole = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error
    return whole.hexdigest()


def _one_line(error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    kind = type(error).__name__
    return f"{kind} {said}".strip() if isinstance(error, LookupError) or not said else said
