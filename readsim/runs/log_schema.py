"""The format of a run log: what its lines are, and the checks that reading and writing share.

Line 1 is the header `{"kind": "header", "schema", "config", "seeds", "versions", "git", "created",
"sha256"}`, whose last field is the digest of the others; a log that is over ends with `{"kind":
"digest", "sha256"}`, the digest of its rows. These two find a damage that leaves a readable log; older logs
lack them. Every other line is a row, an object with at least `kind` (one of `ROW_KINDS`) and an integer
`seed`. A line counts once its newline is written. The text is strict JSON in ASCII, so every reader of
JSON lines can read it.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from readsim.errors import RunLogError, SchemaError, nearest
from readsim.files.json_text import SPACE, fault, without_doubles
from readsim.files.names import shown_text

SCHEMA = 1
ROW_KINDS = ("start", "step", "final")
HEADER_FIELDS = ("kind", "schema", "config", "seeds", "versions", "git", "created", "sha256")
DEEPEST = 40  # brackets in brackets
DIGEST = b'{"kind":"digest",'

Row = dict[str, Any]


def plain(value: object, name: str) -> Any:
    """`value` as JSON-able data: numpy scalars and arrays become numbers and lists, tuples lists.

    Raises RunLogError for nan, infinities, keys that are not text and any other object, with the
    place below `name` (`name.profile[3]`).
    """
    if isinstance(value, np.ndarray | np.generic):
        listed = value.tolist()
        if value.dtype == np.float64 and np.isfinite(value).all():
            return listed  # the usual case, without a look at each element
        if not isinstance(listed, np.generic):  # a long double stays one, and is refused below
            return plain(listed, name)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RunLogError(f"{name} is {value}: a log holds finite numbers (null if missing)")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise RunLogError(f"{name} has the key {key!r}: keys must be text")
        return {key: plain(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    raise RunLogError(
        f"{name} is {value!r} of type {type(value).__qualname__}: accepted are text, numbers, "
        "booleans, None, lists, mappings and numpy arrays of these"
    )


def encode_line(value: Row) -> bytes:
    """One line of the file, with its newline. Floats are written so that they read back exactly."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


class Content(NamedTuple):
    """What a log holds."""

    header: Row
    rows: list[Row]
    complete_bytes: int  # up to and with the last newline
    torn_bytes: int  # after it
    sealed: bool = False  # whether it ends with its digest


def read_content(path: Path) -> Content:
    """Everything in a log, checked line by line. A last line without its newline is torn.

    Raises SchemaError if a newer readsim wrote the log, RunLogError if the file is missing, has no
    header, has a broken line (with its number), or is not what its digest says.
    """
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise RunLogError(f"{path} {found}: a run log was expected")
    header: Row | None = None
    rows: list[Row] = []
    complete = torn = 0
    digest, sealed = hashlib.sha256(), False
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):
                    torn = len(raw)
                    break
                where = f"{path}, line {number}"
                complete += len(raw)
                line = raw.removesuffix(b"\n").removesuffix(b"\r") + b"\n"  # \r: an editor's
                if sealed:
                    raise RunLogError(f"{where}: a line after the log's digest")
                if line.startswith(DIGEST):
                    _check_digest(line, digest.hexdigest(), where)
                    sealed = True
                elif header is None:
                    header = _check_whole(check_header(_parse(line, where), where), line, where)
                else:
                    rows.append(_check_row(_parse(line, where), where))
                    digest.update(line)
    except OSError as error:
        raise RunLogError(f"cannot read run log {path}: {error}") from error
    if header is None:
        raise RunLogError(
            f"{path} has no complete header line, so it holds no rows: delete it to start again"
        )
    if sealed and torn:
        raise RunLogError(f"{path}: {torn} bytes after the log's digest")
    return Content(header, rows, complete, torn, sealed)


def header_line(header: Row) -> bytes:
    """The first line of a log: the header with its own digest."""
    sha256 = hashlib.sha256(encode_line(header)).hexdigest()
    return encode_line({**header, "sha256": sha256})


def _check_whole(header: Row, line: bytes, where: str) -> Row:
    """The header without its digest. Raises RunLogError where that is not of this line."""
    if "sha256" not in header:
        return header
    rest = {key: value for key, value in header.items() if key != "sha256"}
    if line != header_line(rest):
        raise RunLogError(
            f"{where}: the log is damaged: its header does not match its own sha256. Move the log away to "
            "run it again"
        )
    return rest


def digest_line(sha256: str) -> bytes:
    """The last line of a log that is over; `sha256` of its rows, as they are written."""
    return encode_line({"kind": "digest", "sha256": sha256})


def _check_digest(line: bytes, found: str, where: str) -> None:
    if line != digest_line(found):
        raise RunLogError(
            f"{where}: the log is damaged: the SHA-256 of its rows is {found[:16]}..., "
            f"the line says {line[:60]!r}. Move the log away to run it again"
        )


def _parse(line: bytes, where: str) -> Row:
    if line.count(b"[") + line.count(b"{") > DEEPEST and _depth(line) > DEEPEST:
        raise RunLogError(f"{where}: broken line {line[:80]!r} (nested over {DEEPEST} deep)")
    try:
        value = json.loads(
            line.decode().rstrip(SPACE),
            parse_constant=_refuse_constant,
            object_pairs_hook=without_doubles,
        )
        if b"\\ud" in line.lower() and (wrong := fault(value)):
            raise ValueError(f"{wrong[0]}: {wrong[1]}")
    except (ValueError, RecursionError) as error:
        said = str(error)
        if isinstance(error, json.JSONDecodeError):
            said = f"{error.msg}, column {error.colno}"
        raise RunLogError(f"{where}: broken line {line[:80]!r} ({said})") from error
    if not isinstance(value, dict):
        raise RunLogError(f"{where}: {line[:80]!r} is not a JSON object")
    return value


def _depth(line: bytes) -> int:
    """How deep the brackets of a line are nested at most; those inside of texts do not count."""
    depth = deepest = 0
    for sign in re.findall(rb"[\[{}\]]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", line)):
        depth += 1 if sign in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def check_header(header: Row, where: str) -> Row:
    """`header` itself. Raises SchemaError if it is of a newer schema, RunLogError if it is none."""
    if header.get("kind") != "header":
        raise RunLogError(
            f"{where}: kind is {shown_text(header.get('kind'))}, a log starts with its header"
        )
    schema = header.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunLogError(f"{where}: schema is {shown_text(schema)}, it must be an integer >= 1")
    if schema > SCHEMA:
        raise SchemaError(
            f"{where}: the log has schema {shown_text(schema)}, this readsim reads up to {SCHEMA}: "
            "use a newer readsim"
        )
    if strange := [key for key in header if key not in HEADER_FIELDS]:
        raise RunLogError(
            f"{where}: the header has {shown_text(strange[0])}, which no readsim writes"
        )
    if not isinstance(header.get("config"), dict) or not isinstance(header.get("seeds"), list):
        raise RunLogError(f"{where}: the header must have a config (object) and seeds (list)")
    return header


def _check_row(row: Row, where: str) -> Row:
    kind = row.get("kind")
    if kind not in ROW_KINDS:
        raise RunLogError(
            f"{where}: kind is {shown_text(kind)}, it must be one of {', '.join(ROW_KINDS)}"
            f"{nearest(shown_text(kind), ROW_KINDS)}"
        )
    checked_row_seed(row.get("seed"), f"{where}: seed")
    return row


def checked_row(row: object, name: str) -> Row:
    """A row as plain data. Raises RunLogError, with the field below `name`, if it is not one."""
    if not isinstance(row, Mapping):
        raise RunLogError(f"{name} is {row!r}: a row is a mapping of fields")
    return _check_row(plain(row, name), name)


def checked_row_seed(value: object, name: str) -> int:
    """A seed as a plain int. Raises RunLogError if it is no integer."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise RunLogError(f"{name} is {shown_text(value)}: it must be an integer")
    return int(value)
