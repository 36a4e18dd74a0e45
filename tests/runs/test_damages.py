"""Typed damages of a log: each is refused with file, place and field, or listed here with the reason."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from readsim.errors import ReadsimError
from readsim.plots import draw_all
from readsim.report.build import report
from readsim.runs.logs_for_fit import fit_table
from readsim.runs.read_logs import read_log
from readsim.summary import results, summarise
from readsim.summary.scores import check_fair, labels, read_tested, score_table
from readsim.theory.runs import measured_runs
from tests.support.damages import all_damages
from tests.support.made_logs import Rows, run_rows, write_log

# Damages that a reader cannot know for damages, and why.
ACCEPTED = {
    r"header\.(versions|git|created): (missing|null|empty object)": "logs of others lack them",
    r"config\.\w+: (missing|null)": "whoever needs the field refuses the log (`Log.need`)",
    r"header\.config: (empty )?object": "the same, of all fields",
    r"(start|step)\.(requirement|samples|change|reward|dev_profile|report): (missing|null)": (
        "they need not be measured"
    ),
    r"(start|step)\.samples: empty list": "nothing was shown",
    r"config\.(world|world_digest|task|allocator|told): text( NaN)?": "any name is one",
    r"config\.(settings|identified|manifest|code|scale): (empty )?object": (
        "they hold what the allocator or the backend says of itself"
    ),
    r"step\.report: (empty )?object": "an allocator reports what it likes",
    r"step\.reward: (number|negative)": "its unit is that of the run's reward settings",
    r"config\.(sources|capabilities): list of texts": "other names",
    r"config\.hidden: empty list": "nothing is hidden, which is right here",
    r"(start\.profile|step\.(profile|change|dev_profile)): list of nulls": (
        "a score may be missing; `Log.runs` asks for whole profiles"
    ),
    r"(start|step|final)\.\w+: negative numbers": (
        "losses were logged before there was a scale: they are shown with a warning"
    ),
}


def known(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in ACCEPTED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("damages")
    rng = np.random.default_rng(4)
    for allocator in ("read", "uniform"):
        rows = [row for seed in (0, 1) for row in run_rows(rng, seed, 400, 0.1, 3)]
        more = {"dev_profile": [0.4] * 3, "change": [0.0, 0.01, 0.02], "reward": 0.1}
        rows = [{**row, **more, "report": {"a": 1}} if "tokens" in row else row for row in rows]
        write_log(out, rows, allocator=allocator, task="math", budget=400, seeds=[0, 1])
    return out


def lines_of(path: Path) -> Rows:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "sha256"} for line in lines[:13]]


def write(path: Path, lines: Rows) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.slow
def test_every_damage_is_refused_by_name_or_listed(folder: Path, tmp_path: Path) -> None:
    lines = lines_of(folder / "runs" / "read.math.400.jsonl")
    path = tmp_path / "one.jsonl"
    write(path, lines)
    assert len(read_log(path).runs) == 2
    wrong: list[str] = []
    for name, change in all_damages().items():
        write(path, change(lines))
        try:
            read_log(path).frame()
        except ReadsimError as error:
            text = str(error)
            if len(text) > 600 or str(path) not in text or "\n" in text:
                wrong.append(f"{name}: {text[:200]}")
        else:
            if not known(name):
                wrong.append(f"{name}: accepted")
    assert wrong == []


def scores(folder: Path) -> None:
    runs = read_tested(folder)
    check_fair(runs)
    score_table(runs, labels(runs)[0])


READERS: dict[str, Callable[[Path], object]] = {
    "summary": lambda folder: summarise(results(folder)),
    "scores": scores,
    "fit": fit_table,
    "theory": measured_runs,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_what_is_accepted_is_read_or_refused_by_every_reader(
    folder: Path, tmp_path: Path, name: str
) -> None:
    """Without a traceback; figures and pages are drawn from the same logs."""
    whole = {path.name: path for path in (folder / "runs").iterdir()}
    lines = lines_of(whole["read.math.400.jsonl"])
    (tmp_path / "runs").mkdir()
    other = whole["uniform.math.400.jsonl"]
    (tmp_path / "runs" / other.name).write_bytes(other.read_bytes())
    for damage, change in all_damages().items():
        if not known(damage):
            continue
        write(tmp_path / "runs" / "read.math.400.jsonl", change(lines))
        with contextlib.suppress(ReadsimError):
            READERS[name](tmp_path)


@pytest.mark.slow
def test_pages_and_figures_of_odd_logs(folder: Path, tmp_path: Path) -> None:
    lines = lines_of(folder / "runs" / "read.math.400.jsonl")
    (tmp_path / "runs").mkdir()
    damages = all_damages()
    for damage in ("config.manifest: object", "config.settings: object", "header.git: missing"):
        write(tmp_path / "runs" / "read.math.400.jsonl", damages[damage](lines))
        for read in (report, draw_all):
            with contextlib.suppress(ReadsimError):
                read(tmp_path)
