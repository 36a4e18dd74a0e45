"""The run log: no row that was written is ever lost, whatever happens next."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from readsim.errors import RunLogError, SchemaError
from readsim.runs import log_file as runlog
from readsim.runs.log_file import RunLog, git_revision
from readsim.runs.log_schema import ROW_KINDS, SCHEMA, Row, read_content

CONFIG = {"allocator": {"name": "read", "kappa": 1.0}, "steps": 20, "names": ["Mathé", "数学"]}


def step(i: int, **fields: Any) -> Row:
    return {"kind": "step", "seed": 3, "step": i, **fields}


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.builds(
    lambda fields, kind, seed: {**fields, "kind": kind, "seed": seed},
    st.dictionaries(st.text(), FIELDS, max_size=3),
    st.sampled_from(ROW_KINDS),
    st.integers(),
)


class RunLogMachine(RuleBasedStateMachine):
    """The model is the list of the rows that must be in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "new" / "log é.jsonl"
        self.log = RunLog.create(self.path, config=CONFIG, seeds=[1, 2])
        self.header_bytes = self.path.stat().st_size
        self.model: list[Row] = []
        self.open = True

    def teardown(self) -> None:
        self.log.close()
        self.folder.cleanup()

    @precondition(lambda self: self.open)
    @rule(rows=st.lists(ROWS, max_size=4))
    def append(self, rows: list[Row]) -> None:
        self.log.append(rows)
        self.model += rows

    @precondition(lambda self: self.open)
    @rule(rows=st.lists(ROWS, max_size=2))
    def append_with_a_bad_row(self, rows: list[Row]) -> None:
        with pytest.raises(RunLogError, match=rf"rows\[{len(rows)}\]\.reward is nan"):
            self.log.append([*rows, step(0, reward=float("nan"))])

    @rule(data=st.data())
    def kill_and_cut(self, data: st.DataObject) -> None:
        self.log.close()
        self.open = False
        size = self.path.stat().st_size
        keep = data.draw(st.integers(self.header_bytes, size))
        os.truncate(self.path, keep)
        # Independent of the parser: a row is complete if its newline is there.
        self.model = self.model[: self.path.read_bytes().count(b"\n") - 1]

    @rule()
    def reopen(self) -> None:
        self.log.close()
        size = self.path.stat().st_size
        self.log = RunLog.open(self.path, config=CONFIG)
        assert self.log.torn_bytes == size - self.path.stat().st_size
        assert self.path.read_bytes().endswith(b"\n")
        assert self.log.header["seeds"] == [1, 2]
        self.open = True

    @precondition(lambda self: not self.open)
    @rule()
    def append_to_a_closed_log(self) -> None:
        with pytest.raises(RunLogError, match="closed"):
            self.log.append([step(1)])

    @invariant()
    def holds_the_model(self) -> None:
        header, rows, *_ = read_content(self.path)
        assert rows == self.log.rows == self.model
        assert header == self.log.header


TestRunLogMachine = RunLogMachine.TestCase
TestRunLogMachine.settings = settings(max_examples=25, stateful_step_count=15)


def test_header(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log.jsonl"
    with RunLog.create(path, config={"n": np.int64(3), "t": (1, 2)}, seeds=[0, 1]) as log:
        header, rows, *_ = read_content(path)
        assert rows == []
        assert header == log.header
    assert (header["kind"], header["schema"], header["seeds"]) == ("header", SCHEMA, [0, 1])
    assert header["config"] == {"n": 3, "t": [1, 2]}
    assert set(header["versions"]) == {"python", "numpy", "gymnasium", "readsim"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", header["created"])
    assert header["git"] == git_revision()
    path.read_bytes().decode("ascii")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    RunLog.create(path, config=CONFIG, seeds=[0]).close()
    before = path.read_bytes()
    with pytest.raises(RunLogError, match="not overwritten"):
        RunLog.create(path, config=CONFIG, seeds=[0])
    assert path.read_bytes() == before
    with pytest.raises(RunLogError, match="not overwritten"):
        RunLog.create(tmp_path, config=CONFIG, seeds=[0])
    with pytest.raises(RunLogError, match="cannot create"):
        RunLog.create(path / "below a file.jsonl", config=CONFIG, seeds=[0])


@pytest.mark.parametrize(
    "bad", [{"config": {"x": float("inf")}}, {"seeds": [0.5]}, {"config": None}, {"config": {1: 2}}]
)
def test_a_bad_header_leaves_no_file(tmp_path: Path, bad: dict[str, Any]) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(RunLogError):
        RunLog.create(path, **({"config": CONFIG, "seeds": [0]} | bad))
    assert not path.exists()


def test_another_config_is_refused_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    RunLog.create(path, config=CONFIG, seeds=[0]).close()
    other = {"allocator": {"name": "read", "kappa": 0.7}, "steps": 20, "gamma": "x"}
    with pytest.raises(RunLogError) as caught:
        RunLog.open(path, config=other)
    message = str(caught.value)
    assert "allocator.kappa is 1.0 in the log, 0.7 now" in message
    assert "gamma is absent in the log, 'x' now" in message
    assert "names is ['Mathé', '数学'] in the log, absent now" in message
    assert "steps" not in message
    assert "name is" not in message


def test_a_newer_log_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"kind": "header", "schema": SCHEMA + 1}) + "\n{", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(SchemaError):
        RunLog.open(path, config={})
    assert path.read_bytes() == before


def test_append_takes_rows_not_a_row(tmp_path: Path) -> None:
    with RunLog.create(tmp_path / "log.jsonl", config={}, seeds=[0]) as log:
        with pytest.raises(RunLogError, match=r"rows\[0\] is 'kind'"):
            log.append(step(0))  # type: ignore[arg-type]  # the mistake under test
        log.append([])
        assert log.rows == []


def test_a_second_writer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with RunLog.create(path, config={}, seeds=[0]) as one, RunLog.open(path, config={}) as two:
        one.append([step(0)])
        with pytest.raises(RunLogError, match="something else wrote"):
            two.append([step(1)])
        one.append([step(2)])
        assert one.rows == [step(0), step(2)]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_append_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "log.jsonl"
    expected = RunLogError if isinstance(error, OSError) else KeyboardInterrupt

    def fail(_: int) -> None:
        raise error

    with RunLog.create(path, config={}, seeds=[0]) as log:
        log.append([step(0)])
        before = path.read_bytes()
        # The bytes are in the file when the failure comes.
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(expected):
                log.append([step(1), step(2)])
        assert path.read_bytes() == before
        log.append([step(3)])
        assert log.rows == [step(0), step(3)]
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(expected):
        RunLog.create(tmp_path / "new.jsonl", config={}, seeds=[0])
    assert not (tmp_path / "new.jsonl").exists()


def test_git_revision_of_a_checkout_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def revision() -> str | None:
        git_revision.cache_clear()
        return git_revision()

    # As if readsim were installed inside somebody else's checkout.
    monkeypatch.setattr(
        runlog, "__file__", str(tmp_path / "lib" / "readsim" / "runs" / "log_file.py")
    )
    (tmp_path / ".git").mkdir()
    assert revision() is None
    monkeypatch.setattr(runlog, "__file__", str(tmp_path / "readsim" / "runs" / "log_file.py"))
    assert revision() is None  # a .git that git does not know
    git = shutil.which("git")
    if git is not None:
        name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for command in (("init", "-q"), (*name, "commit", "-q", "--allow-empty", "-m", "a")):
            assert revision() is None  # no commit yet
            subprocess.run([git, "-C", str(tmp_path), *command], check=True)
        shown = subprocess.run(
            [git, "-C", str(tmp_path), "rev-parse", "HEAD"], check=True, capture_output=True
        )
        assert revision() == shown.stdout.decode().strip()
    monkeypatch.setenv("PATH", "")
    assert revision() is None  # no git
    monkeypatch.undo()
    revision()
