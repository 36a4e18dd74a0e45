"""Whatever happens to a file, its reader gives rows or one line that starts with the file's name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ReadsimError
from readsim.files import read_rows, read_settings
from readsim.files.kinds import record, text, texts, whole_number
from readsim.fitting.table import Options, read_run_table
from readsim.worlds import load_world
from tests.support.paths import ROOT

KINDS = {"q": text, "o": texts, "c": record(text=texts), "n": whole_number}
ABOVE = b"# tokens = 20M\n# start = 0.4\n# ceiling = 0.9\n# unit = shares\n"
FILES: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "rows.jsonl": (
        b'{"q": "x", "o": ["a"], "c": {"text": ["b"]}, "n": 1}\n',
        lambda p: read_rows(p, KINDS),
    ),
    "rows.csv": (
        b"q,o,c,n\nx,\"['a' 'b']\",\"{'text': array(['b'], dtype=object)}\",1\n",
        lambda p: read_rows(p, KINDS),
    ),
    "runs.csv": (
        b"run;a;b;tokens;s\n1;0,5;0,5;1M;0,3\n2;0,2;0,8;1M;0,4\n3;0,9;0,1;1M;0,35\n",
        lambda p: read_run_table(p, None, Options()),
    ),
    "effects.csv": (ABOVE + b"source,a,b\nx,0.1,-0.05\ny,0,0.2\n", load_world),
    "world.toml": ((ROOT / "readsim/worlds/presets/gateway.toml").read_bytes(), load_world),
    "run.toml": (b'budget = "50k"\n[training]\nbatch = 7\n', read_settings),
    "run.json": (b'{"budget": "50k",\n "training": {"batch": 7}}', read_settings),
}
LONG = (b"9" * 5000, b"[" * 3000)
WORDS = b"\" ' , ; [ ] { } NaN 1e999 #start= ... - \\ud800 \xef\xbb\xbf \x1f\x8b".split(b" ")
PIECES = st.binary(max_size=3) | st.sampled_from([*WORDS, *LONG, b"\0", b"\r", b"\n", b"\t"])


@pytest.mark.parametrize("name", FILES)
def test_unharmed(name: str, tmp_path: Path) -> None:
    data, read = FILES[name]
    (tmp_path / name).write_bytes(data)
    read(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
@given(at=st.floats(0, 1), cut=st.integers(0, 6), piece=PIECES, short=st.booleans())
def test_damaged(
    name: str,
    at: float,
    cut: int,
    piece: bytes,
    short: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data, read = FILES[name]
    place = int(at * len(data))
    path = tmp_path_factory.mktemp("damage") / name
    path.write_bytes(data[:place] + piece + (b"" if short else data[place + cut :]))
    said = str(path)
    try:
        read(path)
    except ReadsimError as error:
        said = str(error)
    assert str(path) in said
    assert "\n" not in said


# What reads bytes, and who besides `readsim.files` may: files that come with readsim or that it wrote.
READERS = {
    "tomllib": {"adapters/readsim_hf/prompts/text/languages.py"},
    r"yaml\.\w*load": set[str](),
    "gzip": set[str](),
    r"csv\.(?:Dict)?[rR]eader": set[str](),
    r"pd\.read_csv": {"readsim/report/study.py"},
    "utf-8-sig": set[str](),
}


@pytest.mark.parametrize("word", READERS)
def test_there_is_one_reader(word: str) -> None:
    using = {
        path.relative_to(ROOT).as_posix()
        for folder in ("readsim", "adapters")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(rf"\b{word}", path.read_text(encoding="utf-8"))
    }
    assert {name for name in using if not name.startswith("readsim/files/")} == READERS[word]
