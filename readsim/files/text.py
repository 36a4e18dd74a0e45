"""A file's bytes to text: unpacked by content, decoded by its byte order mark, or refused."""

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from readsim.errors import ConfigError, shown

AnyPath = str | os.PathLike[str]

_MARKS = (  # the first of these that fits: the mark of UTF-32 starts with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MOST_BYTES = 2**32  # of a table, unpacked
MOST_LETTERS = 2**28  # of one line of a file that is read line by line
_GZIP = b"\x1f\x8b"
_NO_TEXT = (
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"%PDF", "a PDF file"),
    (b"\x93NUMPY", "a NumPy file"),
)


def read_text(path: AnyPath, most: int = MOST_BYTES) -> str:
    """The text of a file, with its line ends as they are.

    It may be packed with gzip (seen by its content, whatever its name is) and may start with a byte order
    mark of UTF-8, UTF-16 or UTF-32; without one it is UTF-8. Raises ConfigError naming the file, and line
    and column where one byte is at fault, or for more than `most` bytes, packed or not.
    """
    path = Path(path)
    with _opened(path) as file:
        data = file.read(most + 1)
    if data.startswith(_GZIP):
        try:
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(most + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{path}: a damaged gzip file ({error})") from error
    if len(data) > most:
        raise ConfigError(
            f"{path}: more than {most / 2**20:.4g} MB of text, which is the most here"
        )
    _refuse_no_text(data, path)
    return _decode(data, path)


def text_lines(path: AnyPath, newline: str | None = None) -> Iterator[str]:
    r"""The lines of a file as `read_text` reads it, with their ends, never more than one in memory.

    newline   None: lines end with \n, \r or \r\n, and each is given as \n; "\n" or "": as in `open`

    Raises ConfigError as `read_text` does, and for a line of more than 2**28 letters.
    """
    path = Path(path)
    with _opened(path) as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        plain = gzip.GzipFile(fileobj=file) if packed else file
        try:
            head = plain.read(64)
            _refuse_no_text(head, path)
            encoding = _encoding_of(head, path)
            plain.seek(0)
            lines, number = io.TextIOWrapper(plain, encoding, newline=newline), 0
            while line := lines.readline(MOST_LETTERS):
                line = line.lstrip("\ufeff") if not number else line
                number += 1
                if (at := line.find("\0")) >= 0:
                    raise ConfigError(
                        f"{path}, line {number}, column {at + 1}: a NUL byte: the file is damaged or no text"
                    )
                if len(line) == MOST_LETTERS:
                    raise ConfigError(f"{path}, line {number}: more than {MOST_LETTERS} letters")
                yield line
            lines.detach()
        except UnicodeDecodeError as error:
            read_text(path)  # which says where
            raise ConfigError(f"{path}: {error}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{path}: a damaged gzip file ({error})") from error


def _opened(path: Path) -> IO[bytes]:
    """The file, to be read. ConfigError where it cannot be."""
    try:
        if path.is_dir() or not path.exists():
            what = "a folder, not a file" if path.is_dir() else "no such file"
            raise ConfigError(f"{path}: {what}")
        if path.is_char_device() or path.is_block_device():  # /dev/zero has no end
            raise ConfigError(f"{path}: a device, not a file")
        return path.open("rb")
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{shown(str(path))}: cannot be read ({reason})") from error


def _refuse_no_text(data: bytes, path: Path) -> None:
    for sign, what in _NO_TEXT:
        if data.startswith(sign):
            raise ConfigError(f"{path}: {what}, not text: export its rows as CSV or JSON lines")


def suffix_of(path: AnyPath) -> str:
    """The suffix that tells the format, in small letters: `.csv` of `rows.CSV.gz`."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _encoding_of(data: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and _looks_wide(data):
        raise ConfigError(
            f"{path}, line 1: looks like UTF-16 without a byte order mark: save the file as UTF-8"
        )
    return encoding


def _decode(data: bytes, path: Path) -> str:
    encoding = _encoding_of(data, path)
    try:
        text = data.decode(encoding).lstrip("\ufeff")  # some editors add one to one that is there
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace")
        wrong = (
            f"byte 0x{data[error.start]:02x} is not {encoding.removesuffix('-sig').upper()} text"
        )
        raise ConfigError(f"{place_in(path, before)}: {wrong}: save the file as UTF-8") from error
    if (at := text.find("\0")) >= 0:
        raise ConfigError(
            f"{place_in(path, text[:at])}: a NUL byte: the file is damaged or no text"
        )
    return text


def _looks_wide(data: bytes) -> bool:
    """Whether every second byte of the start is NUL, as in UTF-16 of English text."""
    start = data[: min(len(data), 64) // 2 * 2]
    return len(start) >= 4 and any(start[::2]) != any(start[1::2])


def place_in(path: Path, before: str) -> str:
    """`path, line 3, column 7` of the character that comes after the text `before`."""
    start = before.rfind("\n")  # -1 on the first line
    return f"{path}, line {before.count(chr(10)) + 1}, column {len(before) - start}"
