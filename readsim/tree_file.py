"""A tree of plain values and arrays in one file, without pickle, written all or not at all.

The file is an npz (zip of npy arrays): one entry per array, and `structure`, the UTF-8 bytes of a
JSON text. In that text None, bool, str, finite float, int below 64 bits and list stand for
themselves; everything else is an object with one key, its tag.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError, RunLogError, SchemaError
from readsim.files.cells import csv_bytes
from readsim.files.settings import read_settings

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

_ACCEPTED = (
    "dict with text keys, list, tuple, str, int, float, bool, None, numpy numbers, "
    "and arrays of numbers or booleans"
)


def save_tree(path: str | os.PathLike[str], tree: object) -> None:
    """Write `tree` to `path`, so that a kill at any moment leaves the old file or the new one.

    Accepts dict (text keys), list, tuple, str, int of any size, float (nan and inf too), bool,
    None, numpy numbers, and arrays of a numeric or boolean dtype and any shape. Only the exact
    types, not their subclasses, because a named tuple or a masked array would come back as
    something less. One writer a path: the temporary file is `path` + ".tmp".

    Raises RunLogError for any other object, with its place in the tree (`state.ensemble[2].rng`),
    and if the file cannot be written.
    """
    write_atomic(Path(path), encode_tree(tree))


def load_tree(path: str | os.PathLike[str]) -> Any:
    """The tree that `save_tree` wrote to `path`: same types, dtypes, shapes and bits.

    Raises SchemaError if a newer readsim wrote the file, RunLogError if the file is missing,
    damaged or not one of these.
    """
    path = Path(path)
    if not path.is_file():
        raise RunLogError(f"{path} is not a file: a checkpoint was expected")
    try:
        return decode_tree(path.read_bytes())
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from error
    except Exception as error:  # a damaged zip shows itself in a dozen ways
        raise RunLogError(f"{path} is damaged or not a readsim checkpoint: {error!r}") from error


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file at `path` by one with `data`, durably, and make its folder if missing.

    Raises RunLogError, with the old file untouched, if that fails.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunLogError(f"cannot write {path}: {error}") from error
        raise


def save_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """A table of plain data as JSON that people can read; its last field, `sha256`, is the digest of the
    others, so that `load_facts` finds a damage that leaves a readable file.

    Raises RunLogError as `write_atomic`.
    """
    table = {**facts, "sha256": _digest_of_facts(facts)}
    write_atomic(path, (json.dumps(table, indent=1) + "\n").encode())


def load_facts(path: Path) -> dict[str, Any]:
    """What `save_facts` wrote, without its digest; older readsims wrote none, and theirs is taken as it is.

    Raises RunLogError for a file that cannot be read, or is not what its own sha256 says.
    """
    try:
        facts = read_settings(path)
    except ConfigError as error:
        raise RunLogError(f"{error}: move the file away") from error
    said = facts.pop("sha256", None)
    if said is not None and said != _digest_of_facts(facts):
        raise RunLogError(
            f"{path} is damaged: it does not match its own sha256. Move it away to make it again"
        )
    return facts


def _digest_of_facts(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def write_frame(path: Path, frame: "pd.DataFrame") -> None:
    """A table as a CSV file, whole or not at all; text is `readsim.files.cells.shielded`, so that no
    spreadsheet computes it, and `read_frame` takes that back. Raises RunLogError as `write_atomic`."""
    write_atomic(path, csv_bytes(frame))


def sync_folder(folder: Path) -> None:
    """Make the names of new files in `folder` survive a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and needs no such call
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def encode_tree(tree: object) -> bytes:
    """The bytes of the file; equal trees give equal bytes. Raises RunLogError as `save_tree`."""
    arrays: list[NDArray[Any]] = []
    try:
        document = {"schema": SCHEMA, "tree": _encode(tree, "", arrays)}
        text = json.dumps(document, allow_nan=False)
    except RecursionError as error:
        raise RunLogError("the tree is nested too deeply, or contains itself") from error
    entries = {str(index): array for index, array in enumerate(arrays)}
    entries["structure"] = np.frombuffer(text.encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # np.savez cannot forbid pickle before numpy 2.2
        for name, array in entries.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return buffer.getvalue()


def decode_tree(data: bytes) -> Any:
    """The tree of `encode_tree`'s bytes. Raises SchemaError; on damaged bytes, any error."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        document = json.loads(_read_array(archive, "structure").tobytes())
        if document["schema"] > SCHEMA:
            raise SchemaError(
                f"the checkpoint has schema {document['schema']}, this readsim reads up to "
                f"{SCHEMA}: use a newer readsim"
            )
        return _decode(document["tree"], archive)


def _encode(node: object, place: str, arrays: list[NDArray[Any]]) -> Any:
    """`node` as JSON-able data; its arrays are appended to `arrays` and stand as their index."""
    kind = type(node)
    if node is None or kind is bool or kind is str:
        return node
    if isinstance(node, int) and kind is int:
        # Python refuses to read or write decimal integers of more than 4300 digits, not hex ones.
        return node if -(2**63) <= node < 2**63 else {"int": hex(node)}
    if isinstance(node, float) and kind is float:
        return node if math.isfinite(node) else {"float": repr(node)}
    if isinstance(node, list | tuple) and kind in (list, tuple):
        items = [_encode(item, f"{place}[{i}]", arrays) for i, item in enumerate(node)]
        return items if kind is list else {"tuple": items}
    if isinstance(node, dict) and kind is dict:
        return {"dict": {key: _encode(node[key], _step(place, key), arrays) for key in node}}
    if isinstance(node, np.generic) or (isinstance(node, np.ndarray) and kind is np.ndarray):
        if node.dtype.kind not in "biufc":
            raise RunLogError(
                f"{place or 'the tree'} has dtype {node.dtype}: accepted are numbers and booleans"
            )
        arrays.append(np.asarray(node))
        return {"array" if kind is np.ndarray else "scalar": len(arrays) - 1}
    raise RunLogError(
        f"{place or 'the tree'} is a {kind.__module__}.{kind.__qualname__}, which cannot be "
        f"saved: accepted are {_ACCEPTED}"
    )


def _step(place: str, key: object) -> str:
    """The place one key further down."""
    if not isinstance(key, str) or type(key) is not str:
        raise RunLogError(f"{place or 'the tree'} has the key {key!r}: keys must be text")
    if not key.isidentifier():
        return f"{place}[{key!r}]"
    return f"{place}.{key}" if place else key


def _decode(node: Any, archive: zipfile.ZipFile) -> Any:
    """The inverse of `_encode`."""
    if isinstance(node, list):
        return [_decode(item, archive) for item in node]
    if not isinstance(node, dict):
        return node
    ((tag, value),) = node.items()
    if tag == "dict":
        return {key: _decode(item, archive) for key, item in value.items()}
    if tag == "tuple":
        return tuple(_decode(item, archive) for item in value)
    if tag in ("int", "float"):
        return int(value, 16) if tag == "int" else float(value)
    if tag in ("array", "scalar"):
        array = _read_array(archive, str(value))
        return array if tag == "array" else array[()]
    raise ValueError(f"unknown tag {tag!r}")


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array. Its entry is read whole first, because only that checks the checksum."""
    entry = io.BytesIO(archive.read(f"{name}.npy"))
    array: NDArray[Any] = np.lib.format.read_array(entry, allow_pickle=False)
    return array
