"""The table of training steps: whole or not at all, and damaged rows are said."""

from pathlib import Path

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError
from tests.support.hf import NEEDS
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS)

HEAD = "spent,tokens,loss,gradient,rate"
WHOLE = ["0,40,2.5,1,0.01", "0.25,40,2.25,1,0.01"]
WINDOW = {"spent": 0.5, "tokens": 40.0, "loss": 2.0, "gradient": 1.0, "rate": 0.01}


def after_a_window(folder: Path, rows: list[bytes]) -> tuple[list[str], str]:
    """The table when the next window follows what is there, and what is said."""
    from readsim_hf.config import RunConfig
    from readsim_hf.progress import ProgressDisplay

    path = folder / "run.csv"
    path.write_bytes(b"\r\n".join([HEAD.encode(), *rows]))
    backend, said = small(), list[str]()
    env = DistillEnv(backend=backend, task="average", steps=2)
    env.reset(seed=0)
    config = RunConfig(budget=backend.budget, steps=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressDisplay, "_warn", lambda _, text: said.append(text))
        with ProgressDisplay(folder / "run", config, env) as display:
            display("window", WINDOW)
    return path.read_text().splitlines(), " ".join(said)


@pytest.mark.parametrize(
    "damage", [b"odd,40,2,1,0.01", b"\xff\xfe,1", b"", b"1,2", b"nan,40,2,1,0.01", b"\0" * 20]
)
def test_damaged_rows_are_left_out_and_said(tmp_path: Path, damage: bytes) -> None:
    first, second = (row.encode() for row in WHOLE)
    table, said = after_a_window(tmp_path, [first, damage, second, b"0.5,40,9,9,9"])
    assert table == [HEAD, *WHOLE, "0.5,40,2,1,0.01"]
    assert "run.csv: 1 damaged rows are left out" in said


def test_a_last_row_that_a_kill_tore_is_nothing_to_say(tmp_path: Path) -> None:
    table, said = after_a_window(tmp_path, [*(row.encode() for row in WHOLE), b"0.5,4"])
    assert table == [HEAD, *WHOLE, "0.5,40,2,1,0.01"]
    assert said == ""


def test_what_cannot_be_written_leaves_the_table_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunLogError, match=r"run\.csv"):
        after_a_window(tmp_path, [row.encode() for row in WHOLE])
    assert (tmp_path / "run.csv").read_text().splitlines() == [HEAD, *WHOLE]


def test_a_run_that_goes_on_counts_decisions_from_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.progress import ProgressDisplay

    backend, said = small(), list[str]()
    env = DistillEnv(backend=backend, task="average", steps=4)
    env.reset(seed=0)
    config = RunConfig(budget=backend.budget, steps=4)
    monkeypatch.setattr(ProgressDisplay, "_describe", lambda _, text: said.append(text))
    for decided in range(3):
        with ProgressDisplay(tmp_path / f"run{decided}", config, env) as display:  # as if resumed
            display("window", WINDOW)
        env.step(np.full(len(env.backend.sources), 1.0))
    assert [text.split("  ")[0] for text in said] == [f"decision {n}/4" for n in (1, 2, 3)]
