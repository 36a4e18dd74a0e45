"""A log that is over ends with its digest: no damage goes unseen, in it or in a log that is resumed."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, ReadsimError, RunLogError
from readsim.runs.checkpoints import has_checkpoint
from readsim.runs.folder import refuse_other_runs, write_timings
from readsim.runs.grid import make_cells, run_cell, run_cells
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.runs.one import state_of
from readsim.runs.read_logs import read_log
from tests.cli.test_app import call

CELL = make_cells(
    "gateway", tasks=["math"], budgets=[10**6], allocators=["exp3"], steps=4, seeds=[0, 1]
)[0]


@pytest.mark.parametrize("durable", [True, False])
def test_every_damage_of_a_finished_log_is_found(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "run.jsonl"
    run_cell(CELL, path, durable=durable)
    whole = path.read_bytes()
    assert read_content(path).sealed
    assert whole.splitlines()[-1].startswith(b'{"kind":"digest","sha256":"')
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        place = int(rng.integers(len(damaged)))
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with pytest.raises(ReadsimError):
            read_log(path)
    for first, second in ((10, 400), (len(whole) - 200, len(whole) - 100)):
        path.write_bytes(whole[:first] + whole[second:])
        with pytest.raises(ReadsimError):
            read_log(path)
    path.write_bytes(whole + b'{"kind":"step"}\n')
    with pytest.raises(RunLogError, match="after the log's digest"):
        read_log(path)


def test_a_log_without_digest_reads_as_before(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_cell(CELL, path)
    rows = read_content(path).rows
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert read_content(path).rows == rows
    assert not read_content(path).sealed
    assert run_cell(CELL, path) == 0.0  # it is over all the same


def stopped(path: Path, after: int) -> None:
    """A durable run that is stopped after so many rounds."""
    done = []

    def stop(_: int) -> None:
        done.append(1)
        if len(done) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(CELL, path, durable=True, resume=False, on_step=stop)


@pytest.mark.parametrize("row", [0, -1], ids=["first", "last"])
def test_a_damaged_log_is_not_resumed(tmp_path: Path, row: int) -> None:
    """The first row is told by the digest in the checkpoint, the last one by the rows that it holds."""
    path = tmp_path / "run.jsonl"
    stopped(path, 3)
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    steps = [n for n, line in enumerate(lines) if '"kind":"step"' in line]
    begin, sign, end = lines[steps[row]].partition('"spent":')
    lines[steps[row]] = begin + sign + chr(ord(end[0]) ^ 1) + end[1:]
    path.write_text("".join(lines))
    told = (
        "are not those that its checkpoint was saved after|is not the one that its checkpoint has"
    )
    with pytest.raises(RunLogError, match=told):
        run_cell(CELL, path, durable=True, resume=True)
    path.write_text(text)
    run_cell(CELL, path, durable=True, resume=True)
    run_cell(CELL, tmp_path / "whole.jsonl")
    assert read_content(path).rows == read_content(tmp_path / "whole.jsonl").rows


def test_a_kill_before_the_digest_is_made_good(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    stopped(path, 4)  # all rows are there, the digest and the end are not
    assert not read_content(path).sealed
    run_cell(CELL, path, durable=True, resume=True)
    assert read_content(path).sealed
    assert not has_checkpoint(state_of(path))


def test_a_damaged_checkpoint_that_is_passed_over_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    stopped(path, 3)
    newest = max(p for p in state_of(path).iterdir() if p.is_dir()) / "run.npz"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"a checkpoint is ignored: .*run\.npz is damaged"):
        run_cell(CELL, path, durable=True, resume=True)
    run_cell(CELL, tmp_path / "whole.jsonl")
    assert read_content(path).rows == read_content(tmp_path / "whole.jsonl").rows


def test_a_log_is_over_when_it_is_sealed(tmp_path: Path) -> None:
    from readsim.runs.log_file import RunLog

    path = tmp_path / "run.jsonl"
    env = DistillEnv("gateway", "math", 10**6, steps=2)
    with RunLog.create(path, config={"a": 1}, seeds=[0]) as log:
        rows, _ = rollout(env, "uniform", 0, log=log)
        before = log.digest
        assert before == log.digest_of_rows(len(rows))
        log.seal()
        log.seal()
        with pytest.raises(RunLogError, match="is over"):
            log.append(rows)
    assert read_content(path).sealed


def test_a_half_written_world_does_not_block_its_folder(tmp_path: Path) -> None:
    cells = make_cells("gateway", tasks=["math"], budgets=[10**6], allocators=["uniform"], steps=2)
    run_cells(cells, tmp_path)
    (tmp_path / "world.toml").write_text('name = "gateway"\n')
    refuse_other_runs(tmp_path, cells)
    others = make_cells("conflict", tasks=None, budgets=[10**6], allocators=["uniform"], steps=2)
    with pytest.raises(
        ConfigError, match=r"another world \(gateway, not conflict\)|of another comp"
    ):
        refuse_other_runs(tmp_path, others[:1])


def test_torn_timings_are_said_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "timings.csv"
    for text in (
        "",
        "alloc",
        "allocator,task,budget,seconds\na,b,c,",
        'a"b,"\n"',
        "allocator\nx\n",
    ):
        path.write_text(text)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            write_timings(path, {CELL: 1.5})
        assert path.read_text().startswith("allocator,task,budget,seconds,decisions\nexp3,math,")
        assert all("seconds of earlier runs are lost" in str(w.message) for w in said)


@pytest.mark.parametrize(
    "command",
    [
        ("theory", "--worlds", "gateway", "--out"),
        ("compare", "--world", "gateway", "--out"),
        ("compare", "--suite", "--out"),
    ],
)
def test_a_target_that_cannot_be_written_is_found_first(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        code, out, err = call(capsys, *command, str(target))
        assert code == 2
        assert "cannot write" in err
        assert "allocator" not in out
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
