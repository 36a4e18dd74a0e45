"""Bytes of a user's file become its text, or one line that says where they do not."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError
from readsim.files import read_text, suffix_of

# A file's text: anything but NUL and halves of surrogate pairs; a mark at the start would be taken as one.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(
    lambda text: not text.startswith("\ufeff")
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path))


@given(text=TEXTS, encoding=st.sampled_from(ENCODINGS), packed=st.booleans())
def test_every_disguise_gives_the_text(
    text: str, encoding: str, packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = text.encode(encoding)
    path = tmp_path_factory.mktemp("text") / "rows.csv"  # packed or not: the name says nothing
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read_text(path) == text
    assert read_text(str(path)) == text


def test_a_name_that_says_gz_and_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_text("{}\r\n", encoding="utf-8", newline="")
    assert read_text(path) == "{}\r\n"
    assert suffix_of(path) == ".jsonl"
    assert suffix_of("a.b.CSV.GZ") == suffix_of(Path("x.csv")) == ".csv"
    assert suffix_of("rows") == suffix_of("rows.gz") == ""


@given(before=TEXTS, bad=st.sampled_from([b"\xff", b"\x80", b"\xed\xa0\x80", b"\xe9t"]))
def test_a_byte_that_is_no_text_is_named_with_its_place(
    before: str, bad: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("text") / "rows.csv"
    data = b"# " + before.encode() + b"\n\xc3\xa9" + bad
    line = before.count("\n") + 2
    assert f", line {line}, column 2: byte 0x{bad[0]:02x} is not UTF-8" in refused(path, data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a,b\n1,\x002\n", ", line 2, column 3: a NUL byte"),
        (b"\0" * 64, ", line 1, column 1: a NUL byte"),
        ("a,b\n1,2\n".encode("utf-16-le"), ", line 1: looks like UTF-16 without a byte order mark"),
        ("a,b\n1,2\n".encode("utf-16-be"), ", line 1: looks like UTF-16 without a byte order mark"),
        (b"\xff\xfea\x00\n\x00\x00\xd8", ", line 2, column 1: byte 0x00 is not UTF-16"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], ": a damaged gzip file"),
        (gzip.compress(b"a,b\n", mtime=0)[:-8] + b"12345678", ": a damaged gzip file"),
        (b"\x1f\x8b\x08 and so on", ": a damaged gzip file"),
        (b"PAR1\x15\x04", ": a Parquet file, not text: export its rows as CSV or JSON lines"),
        (b"PK\x03\x04\x14", ": a zip archive or an Excel workbook, not text"),
        (bz2.compress(b"a"), ": a bzip2 archive, not text"),
        (lzma.compress(b"a"), ": an xz archive, not text"),
    ],
)
def test_what_is_no_text(data: bytes, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path / "rows.csv", data).startswith(said)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.csv: no such file"):
        read_text(tmp_path / "absent.csv")
    with pytest.raises(ConfigError, match="a folder, not a file"):
        read_text(tmp_path)
