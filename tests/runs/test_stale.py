"""Edited code, another file, other settings: no old number comes back without a word."""

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import readsim
from readsim.errors import RunLogError
from readsim.named import code_of, find
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.read_logs import read_log
from tests.cli.test_app import call

CODE = """
import numpy as np
from readsim import Allocator
{imports}

class Follow(Allocator):
    def __init__(self, table: str = "") -> None:
        self.table = table
    def select(self, state, context):
        shares = np.full(context.profile.size, {share})
        shares[0] = 1 - shares[1:].sum()
        return shares
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with mine.py, which is the current one; its modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("mine", "mine_parts"):
        sys.modules.pop(name, None)


def write(folder: Path, share: str = "0.05", imports: str = "") -> None:
    (folder / "mine.py").write_text(CODE.format(share=share, imports=imports))


def utilities(**more: Any) -> list[float]:
    frame = readsim.compare(
        "gateway", budgets="1M", allocators=["mine:Follow", "uniform"], seeds=2, steps=2, **more
    )
    return list(frame[frame["allocator"].str.startswith("mine")]["utility"])


def test_an_edited_allocator_is_run_again_and_that_is_said(mine: Path) -> None:
    first = utilities(out="out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert utilities(out="out") == first
    write(mine, "0.01")
    with pytest.warns(UserWarning, match=r"^mine:Follow: mine changed since its runs in out"):
        second = utilities(out="out")
    assert second != first
    assert second == utilities()
    kept = [path.name.partition(".")[0] for path in Path("out/runs").glob("*.replaced")]
    assert kept == ["mine-Follow"] * len(kept)
    assert kept


def test_a_module_that_an_allocator_uses_counts(mine: Path) -> None:
    (mine / "mine_parts.py").write_text("SHARE = 0.05\n")
    write(mine, "mine_parts.SHARE", "import mine_parts")
    allocator = find("mine:Follow")()
    assert code_of(allocator).keys() == {"mine", "mine_parts"}
    before = code_of(allocator)
    sys.modules.pop("mine_parts")
    sys.modules.pop("mine")
    (mine / "mine_parts.py").write_text("SHARE = 0.125\n")
    importlib.invalidate_caches()
    after = code_of(find("mine:Follow")())
    assert {name for name in before if before[name] != after[name]} <= {"mine_parts"}


def test_a_file_that_a_setting_names_counts(mine: Path) -> None:
    (mine / "policy.zip").write_bytes(b"one")
    names = ["mine:Follow+table=policy.zip"]
    cell = make_cells("gateway", budgets=[10**6], allocators=names, seeds=[0], steps=2)[0]
    run_cell(cell, mine / "a.jsonl")
    code = dict(read_log(mine / "a.jsonl").header.code)
    assert code.keys() == {"mine", "file table"}
    (mine / "policy.zip").write_bytes(b"two")
    with pytest.raises(RunLogError, match=r"code\.file table is '\w+' in the log"):
        run_cell(cell, mine / "a.jsonl")


def test_built_in_allocators_have_no_code_and_logs_keep_their_fields() -> None:
    for name in readsim.allocators.registry.allocator_names():
        if name in readsim.allocators.registry.BUILT_IN:
            assert code_of(readsim.load_allocator(name)) == {}


@pytest.mark.slow
def test_the_command_says_what_it_read_and_what_it_ran_again(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("compare", "--world", "gateway", "--budgets", "1M", "--steps", "2", "--seeds", "2")
    options = ("--allocators", "mine:Follow,uniform", "--jobs", "1", "--out", "o")
    _, first, _ = call(capsys, *command, *options)
    assert "read from disk" not in first
    _, again, _ = call(capsys, *command, *options)
    assert "runs were read from disk; --fresh runs them again" in again
    write(mine, "0.01")
    _, edited, _ = call(capsys, *command, *options)
    assert "mine:Follow: mine changed since its runs in o: they are run again" in edited
    _, fresh, _ = call(capsys, *command, *options, "--fresh")
    assert "read from disk" not in fresh
    before, after = (_results(text) for text in (edited, fresh))
    assert before == after != []


def _results(text: str) -> list[list[str]]:
    """The allocator's line of the table, without its time."""
    return [line.split()[:-1] for line in text.splitlines() if line.startswith(" mine:Follow ")]


def test_a_table_says_how_many_of_its_runs_were_there_already(mine: Path) -> None:
    grid: dict[str, Any] = {"budgets": "1M", "seeds": 2, "steps": 2, "out": "out"}

    def read(*allocators: str) -> object:
        table = readsim.compare("gateway", "average", allocators=allocators, **grid)
        return table.attrs["runs_read"]

    assert read("mine:Follow", "uniform") == 0
    assert read("mine:Follow", "uniform") == 4
    write(mine, "0.01")
    with pytest.warns(UserWarning, match="mine changed"):
        assert read("mine:Follow", "uniform") == 2
