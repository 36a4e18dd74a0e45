"""The run log under kill -9 and on a full disk, in processes of their own."""

import os
from pathlib import Path
from subprocess import PIPE

import pytest

from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from tests.support.processes import end, python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and a limit on file sizes"),
]

FULL_DISK = """
import resource, sys
from readsim.errors import RunLogError
from readsim.runs.log_file import RunLog
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
log = RunLog.create(sys.argv[1], config={}, seeds=[0])
# The system cuts a write short at this size and refuses the next one: what a full disk does.
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
i = 0
try:
    while True:
        log.append([{"kind": "step", "seed": 0, "i": i, "text": "x" * 300}])
        i += 1
except RunLogError as error:
    assert isinstance(error.__cause__, OSError), error
    assert "earlier rows are kept" in str(error), error
assert [row["i"] for row in log.rows] == list(range(i)), log.rows
try:
    RunLog.create(sys.argv[1] + ".big", config={"text": "x" * 6000}, seeds=[0])
except RunLogError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.append([{"kind": "final", "seed": 0, "i": i}])
print(i)
"""


def test_a_full_disk_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with python("-W", "error", "-c", FULL_DISK, path, stdout=PIPE) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    rows = read_content(path).rows
    assert [row["i"] for row in rows] == list(range(int(out) + 1))
    assert len(rows) > 5
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


END = {"kind": "final", "seed": 0}

APPEND_FOR_EVER = """
import itertools, sys
from readsim.runs.log_file import RunLog
log = RunLog.create(sys.argv[1], config={}, seeds=[0])
for i in itertools.count():
    log.append([{"kind": "step", "seed": 0, "i": i, "text": "x" * (i * 7919 % 30_000)}])
    print(i, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 10, 60])
def test_a_killed_run_leaves_complete_rows(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "log.jsonl"
    with python("-W", "error", "-c", APPEND_FOR_EVER, path, stdout=PIPE) as process:
        assert process.stdout is not None
        for _ in range(acknowledged):
            assert process.stdout.readline()
        end(process)
    rows = read_content(path).rows
    assert [row["i"] for row in rows] == list(range(len(rows)))
    assert all(len(row["text"]) == row["i"] * 7919 % 30_000 for row in rows)
    assert len(rows) >= acknowledged
    with RunLog.open(path, config={}) as log:
        log.append([END])
        assert log.rows == [*rows, END]
