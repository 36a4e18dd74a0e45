"""Where a run can be watched: every tracker is told the same, nothing twice, and none can stop the run.

W&B and trackio are stood in for by packages with the part of their documented interface that is used;
with the real trackio installed, one test runs it.
"""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, UnknownNameError
from tests.cli.test_app import call
from tests.hf.test_distill import command, rows, table, the
from tests.support.hf import NEEDS
from tests.support.hf_runs import small, stop_at_second
from tests.support.processes import python

pytestmark = pytest.mark.extra(*NEEDS)

# Both write one line of JSON for each call into the file that STANDIN names.
COMMON = """
import json, os

def note(**fields):
    with open(os.environ["STANDIN"], "a") as file:
        file.write(json.dumps({"library": __name__, **fields}) + "\\n")
"""
WANDB = (
    COMMON
    + """
class Settings:
    def __init__(self, *, console): pass

class Html:
    def __init__(self, data): self.data = data

class Run:
    def log(self, data, step=None):
        texts = {k: v.data for k, v in data.items() if isinstance(v, Html)}
        note(call="log", step=step, scalars={k: v for k, v in data.items() if k not in texts}, texts=texts)
    def finish(self): note(call="finish")

def init(*, project, name, id, group, config, dir, resume, settings):
    if os.environ.get("STANDIN_KEY") == "none":
        raise RuntimeError("No API key configured.\\nUse wandb login")
    note(call="init", project=project, name=name, id=id, group=group, config=config, resume=resume)
    return Run()
"""
)
TRACKIO = (
    COMMON
    + """
class Markdown:
    def __init__(self, text): self.text = text

class Run:
    def log(self, metrics, step=None):
        texts = {k: v.text for k, v in metrics.items() if isinstance(v, Markdown)}
        note(call="log", step=step, scalars={k: v for k, v in metrics.items() if k not in texts}, texts=texts)

def init(project, name=None, group=None, config=None, resume="never"):
    note(call="init", project=project, name=name, group=group, config=config, resume=resume)
    return Run()

def finish(): note(call="finish")
"""
)

Notes = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def standins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Notes]:
    """Both packages, and what each was told."""
    packages, file = tmp_path / "packages", tmp_path / "notes"
    for name, text in (("wandb", WANDB), ("trackio", TRACKIO)):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("STANDIN", str(file))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)

    def notes(library: str) -> list[dict[str, Any]]:
        read = [json.loads(line) for line in file.read_text().splitlines()]
        return [line for line in read if line["library"] == library]

    yield notes
    for name in ("wandb", "trackio"):
        sys.modules.pop(name, None)


def tracking(
    folder: Path, *names: str, resumed: bool = False, said: list[str] | None = None
) -> Any:
    from readsim_hf.tracking import Tracking

    about: dict[str, Any] = {"name": "run", "group": "alike", "config": {"seed": 0}}
    return Tracking(names, folder / "run", about, resumed, ([] if said is None else said).append)


def told(notes: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Each (step, name) in the order in which it came."""
    logs = [note for note in notes if note["call"] == "log"]
    return [(note["step"], name) for note in logs for name in (*note["scalars"], *note["texts"])]


def test_all_of_them_are_told_the_same(standins: Notes, tmp_path: Path) -> None:
    one = tracking(tmp_path, "wandb", "trackio", "wandb")
    one.log(100, {"loss": 0.5})
    one.log(100, {"probe/math": 0.25}, {"samples/math": "<b>right</b>"})
    one.close()
    for library, text in (
        ("wandb", "<pre>&lt;b&gt;right&lt;/b&gt;</pre>"),
        ("trackio", "<b>right</b>"),
    ):
        first, second, third, last = standins(library)
        assert (first["call"], first["project"], first["group"]) == ("init", "readsim", "alike")
        assert first["config"] == {"seed": 0}
        assert (second["step"], second["scalars"]) == (100, {"loss": 0.5})
        assert (third["scalars"], third["texts"]) == ({"probe/math": 0.25}, {"samples/math": text})
        assert last["call"] == "finish"


def test_a_resumed_run_is_the_same_one_and_tells_nothing_twice(
    standins: Notes, tmp_path: Path
) -> None:
    killed = tracking(tmp_path, "wandb", "trackio")
    for step in (10, 20, 30):
        killed.log(step, {"loss": step / 10})
    again = tracking(tmp_path, "wandb", "trackio", resumed=True)
    for step in (20, 30):
        again.log(step, {"loss": step / 10})
    again.log(30, {"loss": 3.0, "probe/math": 0.5})
    again.log(40, {"loss": 4.0})
    again.close()
    fresh = tracking(tmp_path, "wandb", "trackio")
    fresh.log(10, {"loss": 1.0})
    for library, key, how in (("wandb", "id", [None, "allow", None]), ("trackio", "name", None)):
        notes = standins(library)
        wanted = [(10, "loss"), (20, "loss"), (30, "loss"), (30, "probe/math"), (40, "loss")]
        assert told(notes) == [*wanted, (10, "loss")]
        started = [note for note in notes if note["call"] == "init"]
        first, second, third = (note[key] for note in started)
        assert first == second != third
        assert [note["resume"] for note in started] == (how or ["never", "allow", "never"])


def test_one_that_fails_is_left_out_with_one_line(
    standins: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    one = tracking(tmp_path, "wandb", "trackio", said=said)

    def fails(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto host")

    one.log(1, {"loss": 1.0})
    monkeypatch.setattr(import_module("wandb").Run, "log", fails)
    monkeypatch.setattr(import_module("trackio"), "finish", fails)
    for step in (2, 3):
        one.log(step, {"loss": 1.0})
    one.close()
    assert said == [
        "wandb failed and is left out from here on; the run continues: no route to host",
        "trackio failed and is left out from here on; the run continues: no route to host",
    ]
    assert told(standins("wandb")) == [(1, "loss")]
    assert told(standins("trackio")) == [(1, "loss"), (2, "loss"), (3, "loss")]


def test_a_mark_that_cannot_be_written_ends_it_with_one_line(
    standins: Notes, tmp_path: Path
) -> None:
    said: list[str] = []
    one = tracking(tmp_path, "trackio", said=said)
    (tmp_path / "run.tracked.tmp").mkdir()
    for step in (1, 2):
        one.log(step, {"loss": 1.0})
    assert len(said) == 1
    assert "run.tracked, so nothing more is logged" in said[0]
    assert [note["call"] for note in standins("trackio")] == ["init", "finish"]


def test_a_damaged_mark_is_said(standins: Notes, tmp_path: Path) -> None:
    (tmp_path / "run.tracked").write_text("{")
    with pytest.raises(ConfigError, match=r"run\.tracked is damaged: remove it"):
        tracking(tmp_path, "trackio", resumed=True)


def test_what_is_not_there_or_does_not_start(
    standins: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.tracking import check_trackers

    with pytest.raises(UnknownNameError, match="did you mean 'tensorboard'"):
        check_trackers(["tensorbord"])
    monkeypatch.setenv("STANDIN_KEY", "none")
    with pytest.raises(
        ConfigError, match=r"--log-to wandb does not start: No API key config"
    ) as why:
        tracking(tmp_path, "trackio", "wandb")
    assert "\n" not in str(why.value)
    assert [note["call"] for note in standins("trackio")] == ["init", "finish"]
    # W&B leaves a folder of its own name where it ran: that is no package
    (tmp_path / "packages/wandb/__init__.py").unlink()
    monkeypatch.delitem(sys.modules, "wandb")
    invalidate_caches()
    monkeypatch.setattr("sys.path", [str(tmp_path / "packages")])
    with pytest.raises(ConfigError, match=r"--log-to wandb needs the package wandb: pip install"):
        check_trackers(["wandb"])


def test_what_a_trial_did_is_told_to_nobody(standins: Notes, tmp_path: Path) -> None:
    """It is undone: only the training that stays, and the decisions, are logged."""
    from readsim_hf.config import RunConfig
    from readsim_hf.progress import ProgressDisplay

    backend = small()
    config = RunConfig(budget=backend.budget, steps=2)
    env = DistillEnv(backend=backend, task="average", steps=2)
    kept: list[int] = []

    def trained() -> None:
        kept.extend(n for n, name in told(standins("trackio")) if name == "train/loss")

    with ProgressDisplay(tmp_path / "run", config, env, ["trackio"]) as display:
        backend.watch = display
        env.reset(seed=1)
        shares = np.full(len(backend.sources), 1.0 / len(backend.sources))
        env.trial(shares, 40, charge=False)
        env.step(shares)
        display.decided(1)
        before_snapshot = env.ledger.spent
        env.snapshot()  # nothing was undone after it: what is trained next is told at the decision
        env.step(shares)
        display.decided(1)
    trained()
    assert kept == sorted(set(kept))
    assert kept[-1] == env.ledger.spent == backend.budget
    assert before_snapshot in kept
    steps = [n for n, name in told(standins("trackio")) if name.startswith("probe/")]
    assert sorted(set(steps)) == [before_snapshot, backend.budget]
    assert "samples/general" in {name for _, name in told(standins("trackio"))}


@pytest.mark.slow
@pytest.mark.usefixtures("in_a_folder", "on_tiny", "undrawn")
def test_a_run_from_the_command_line_is_told_once_and_without_secrets(
    standins: Notes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from readsim_hf.training.student import Student

    cache = tmp_path / "somebody" / "teacher.sqlite"
    to = ("--log-to", "wandb,trackio", "--cache", str(cache))
    with pytest.MonkeyPatch.context() as patch:
        stop_at_second(patch, Student, "train_window", lambda _, spent: spent > 0.34)
        assert call(capsys, *command("run", *to))[0] == 130
    assert call(capsys, *command("run", *to, "--resume"))[0] == 0
    done = np.cumsum([int(row[1]) for row in table("run")[1:]]).tolist()
    for library in ("wandb", "trackio"):
        notes = standins(library)
        found = told(notes)
        assert len(found) == len(set(found))
        assert [n for n, name in found if name == "train/loss"] == done
        for place, name in enumerate(("general", "steerability")):
            key = f"probe/{name}"
            logs = [n for n in notes if key in n.get("scalars", ())]
            mine = {n["step"]: n["scalars"][key] for n in logs}
            decided = [row for row in rows("run") if row["kind"] == "step"]
            assert [mine[row["spent"]] for row in decided] == [
                row["profile"][place] for row in decided
            ]
        assert (600, "test/utility") in found
        assert str(tmp_path) not in json.dumps(notes[0])
    assert the(".tracked", "run").is_file()
    before = len(standins("wandb"))
    assert call(capsys, *command("run", *to, "--resume"))[0] == 0  # complete: nothing is opened
    assert len(standins("wandb")) == before


REAL = """
import sys
from importlib import import_module
from pathlib import Path
from tests.hf.test_tracking import tracking

for resumed, steps in ((False, [10]), (True, [10, 20])):
    one = tracking(Path(sys.argv[1]), "trackio", resumed=resumed)
    for step in steps:
        one.log(step, {"loss": 1.0 / step}, {"samples/math": "**right**"})
    one.close()
storage = import_module("trackio.sqlite_storage").SQLiteStorage
(run,) = storage.get_runs("readsim")
logs = storage.get_logs("readsim", run)
assert [(entry["step"], entry["loss"]) for entry in logs] == [(10, 0.1), (20, 0.05)], logs
"""


@pytest.mark.extra("trackio")
def test_the_real_trackio(tmp_path: Path) -> None:
    """In a process of its own: where it writes is read once, when it is loaded."""
    with python("-c", REAL, str(tmp_path), stderr=PIPE, env={"TRACKIO_DIR": str(tmp_path)}) as one:
        _, err = one.communicate()
    assert one.returncode == 0, err
