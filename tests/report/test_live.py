"""`readsim watch`: how far runs are, as their logs say it, in the terminal and as a page."""

import os
import sys
from pathlib import Path

import pytest

from readsim.cli.app import main
from readsim.report.live import LIVE, duration, follow_runs, look_at, write_live
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.runs.read_logs import read_log
from readsim.worlds import load_world
from tests.support.browser import Browser
from tests.support.made_reports import Page

CELL = Cell("gateway", "math", 10**6, 6, "read-no-adaptation", (0,))


def stop_after(path: Path, rounds: int) -> Path:
    """A durable run that was stopped after so many decisions, or resumed until then."""
    done = []

    def stop(_: int) -> None:
        done.append(1)
        if len(done) == rounds:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(CELL, path, durable=True, on_step=stop)
    return path


def test_a_run_that_goes_on_is_told_from_its_log(tmp_path: Path) -> None:
    assert look_at(tmp_path).lead == "There is no run log yet."
    path = stop_after(tmp_path / "runs" / "one.jsonl", 2)
    log = read_log(path)
    [run] = look_at(tmp_path).runs
    assert (run.step, run.over, run.spent) == (2, False, log.steps[-1].spent)
    change = log.steps[-1].profile - log.starts[0].profile
    assert run.gain == pytest.approx(float(change @ log.header.requirement))
    first = int(log.steps[-1].allocation.argmax())
    assert run.mix.startswith(log.header.sources[first])
    run_cell(CELL, path, durable=True)
    look = look_at(tmp_path)
    assert look.over
    assert look.runs[0].texts[-1] == "over"


def test_the_time_left_is_at_the_pace_so_far(tmp_path: Path) -> None:
    from datetime import datetime

    path = stop_after(tmp_path / "runs" / "one.jsonl", 2)
    created = read_log(path).header.created
    assert created is not None
    began = datetime.fromisoformat(created).timestamp()
    os.utime(path, (began + 100.0, began + 100.0))
    [run] = look_at(tmp_path).runs
    assert run.left == pytest.approx(200.0, rel=1e-4)  # two of six decisions took 100 s
    assert run.texts[-1] == "about 3 min left"
    assert [duration(s) for s in (0.0, 89.0, 600.0, 36_000.0)] == [
        "about 1 s left",
        "about 89 s left",
        "about 10 min left",
        "about 10.0 h left",
    ]


def test_a_log_that_is_begun_or_damaged_is_named_and_looked_at_again(tmp_path: Path) -> None:
    path = stop_after(tmp_path / "runs" / "one.jsonl", 2)
    (tmp_path / "runs" / "two.jsonl").write_text('{"kind": "hea')
    look = look_at(tmp_path)
    assert len(look.runs) == 1
    assert "two.jsonl" in look.unread[0]
    assert not look.over
    path.write_bytes(path.read_bytes() + b'{"kind":"st')  # a row in flight
    assert len(look_at(tmp_path).runs) == 1


def test_it_is_followed_to_the_end(tmp_path: Path) -> None:
    path = stop_after(tmp_path / "runs" / "one.jsonl", 1)
    seen: list[int] = []

    def pause() -> None:
        if len(seen) == 2:
            run_cell(CELL, path, durable=True)

    look = follow_runs(tmp_path, lambda look: seen.append(look.runs[0].step), pause)
    assert look.over
    assert seen[:2] == [1, 1]
    assert set(seen[2:]) == {6}


def test_the_page_reloads_itself_until_all_is_over(tmp_path: Path) -> None:
    path = stop_after(tmp_path / "runs" / "one.jsonl", 2)
    text = write_live(tmp_path, look_at(tmp_path), 2.0).read_text(encoding="utf-8")
    page = Page(text)
    assert page.errors == []
    assert page.open == []
    assert '<meta http-equiv="refresh" content="2">' in text
    assert len(page.all("figure")) == 1
    assert "tables/" not in text  # it has no files beside it
    assert any("2 of 6" in t for _, t in page.all("td"))
    assert "Simulated world gateway" in text
    run_cell(CELL, path, durable=True)
    after = write_live(tmp_path, look_at(tmp_path), 2.0).read_text(encoding="utf-8")
    assert "refresh" not in after
    assert "1 of them are over" in after


def test_a_folder_of_several_worlds_is_watched_as_one(tmp_path: Path) -> None:
    stop_after(tmp_path / "gateway" / "runs" / "one.jsonl", 2)
    [task, *_] = load_world("conflict").task_names
    other = Cell("conflict", task, 10**6, 2, "uniform", (0,))
    run_cell(other, tmp_path / "conflict" / "runs" / "two.jsonl")
    look = look_at(tmp_path)
    assert look.lead == "2 runs have begun, 1 of them are over."
    assert [run.name.partition(": ")[0] for run in look.runs] == ["gateway", "conflict"]
    text = write_live(tmp_path, look, 2.0).read_text(encoding="utf-8")
    assert "gateway: read-no-adaptation, math, 1M, seed 0" in text
    assert "Simulated worlds: no model is trained." in text
    assert "Simulated world gateway: no model" not in text
    alone = look_at(tmp_path / "gateway")
    assert [run.name for run in alone.runs] == ["read-no-adaptation, math, 1M, seed 0"]


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    stop_after(tmp_path / "runs" / "one.jsonl", 2)
    for extra, code in ((["--once", "--page"], 0), ([], 0), (["--every", "0"], 2)):
        monkeypatch.setattr(sys, "argv", ["readsim", "watch", str(tmp_path), *extra])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
    assert "2 of 6" in capsys.readouterr().out
    assert (tmp_path / LIVE).is_file()
    monkeypatch.setattr(sys, "argv", ["readsim", "watch", str(tmp_path / "absent"), "--once"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_browser_follows_the_log(tab: Browser, tmp_path: Path) -> None:
    path = stop_after(tmp_path / "runs" / "one.jsonl", 2)
    page = write_live(tmp_path, look_at(tmp_path), 1.0)
    told = "document.querySelector('td').textContent"
    tab.open(page, 390)
    assert tab.value(told) == "2 of 6"
    root = "document.documentElement"
    assert tab.value(f"{root}.scrollWidth <= {root}.clientWidth")
    run_cell(CELL, path, durable=True)
    write_live(tmp_path, look_at(tmp_path), 1.0)
    while tab.value(f"document.querySelector('td') && {told}") != "6 of 6":
        pass
