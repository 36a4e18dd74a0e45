"""Names are text in every output: tables, CSV files, pages, Markdown, LaTeX, figures, the terminal."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.cli.output import Terminal
from readsim.errors import ConfigError, RunLogError
from readsim.files.cells import shielded, unshielded
from readsim.files.frame import read_frame
from readsim.files.names import name_fault, visible
from readsim.plots import draw_all
from readsim.report.build import report
from readsim.runs.cell import file_name
from readsim.runs.read_logs import read_log
from readsim.summary import print_table, results, summarise, to_markdown
from readsim.summary.scores import labels, print_scores, read_tested
from readsim.tree_file import write_frame
from readsim.worlds import load_world
from readsim.worlds.files import world_from_dict, world_to_dict
from tests.support.made_logs import write_comparison

HOSTILE = (
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "[red]a[/red]",
    "[link=http://x]b[/link]",
    "$x^$",
    "<script>alert(1)</script>",
    "a|b",
    "\\input{x}",
    "_hidden",
)


@given(st.text())
def test_a_cell_is_read_as_it_was(text: str) -> None:
    assert unshielded(shielded(text)) == text


@given(st.text(alphabet="'=+-@ \t\rab1", max_size=6))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = str(shielded(text))
    assert unshielded(cell) == text
    assert cell[:1] not in ("=", "@", "\t", "\r") or len(cell) == 1
    if len(cell) > 1 and cell[:1] in ("+", "-"):
        float(cell)


def test_a_table_is_read_as_it_was(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"allocator": HOSTILE, "=value": [-1.5] * len(HOSTILE), "n": range(len(HOSTILE))}
    )
    write_frame(tmp_path / "t.csv", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "t.csv"), frame, check_dtype=False)
    text = (tmp_path / "t.csv").read_text()
    assert text.startswith("allocator,'=value,n\n")
    assert ",-1.5," in text


@pytest.mark.parametrize(
    "name", ["", " ", "a\0", "a\nb", "a\x1b[31m", "\u202eb", "a\u200bb", "\ud800", "x" * 1001, 5]
)
def test_what_can_be_no_name(name: object, tmp_path: Path) -> None:
    assert name_fault(name)
    fields: dict[str, Any] = world_to_dict(load_world("gateway"))
    fields["capabilities"] = [name, *list(fields["capabilities"])[1:]]
    with pytest.raises(ConfigError, match="capabilities = "):
        world_from_dict(fields)
    assert name_fault("深い 学習 \u0645\u06cc\u200c\u062e") is None


@given(st.text(min_size=1, max_size=400), st.text(min_size=1, max_size=400))
def test_names_of_files(one: str, other: str) -> None:
    first, second = file_name(one, "math", 5, "seed0"), file_name(other, "math", 5, "seed0")
    assert len(first.encode()) <= 230
    assert not set(first) & set('/\\:*?"<>|\0')
    assert first.split(".")[0] not in ("con", "nul")
    assert (first.lower() == second.lower()) == (one == other)


def test_free_text_commands_no_terminal() -> None:
    assert visible("a\x1b]0;x\x07\nb\u202e") == "a\\x1b]0;x\\x07\nb\\u202e"


def test_hostile_names_from_logs_to_every_output(tmp_path: Path) -> None:
    names = HOSTILE[:3]
    write_comparison(
        tmp_path, (*HOSTILE[3:7], "task-static"), tasks=[names[0]], budgets=[1000], names=names
    )
    frame = results(tmp_path)
    assert set(HOSTILE[3:7]) < set(frame["allocator"])
    write_frame(tmp_path / "results.csv", frame)
    again = read_frame(tmp_path / "results.csv")
    assert list(again.columns) == list(frame.columns)
    assert again["task"].tolist() == frame["task"].tolist()
    table, notes = summarise(frame)
    console = Terminal(file=io.StringIO(), width=400)
    print_table(console, table, notes)
    runs = read_tested(tmp_path)
    print_scores(console, runs, labels(runs)[0])
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for name in HOSTILE[3:6]:
        assert name in shown
    assert "\\[red\\]a" in to_markdown(table)
    draw_all(tmp_path)
    page, *tables = report(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    for path in tables:
        if path.suffix == ".csv":
            for line in path.read_text(encoding="utf-8").splitlines():
                assert not any(cell.lstrip('"')[:1] in ("=", "@") for cell in line.split(","))


def test_a_log_with_a_name_that_is_none(tmp_path: Path) -> None:
    write_comparison(tmp_path, ["a\x1b[31mb"], tasks=["math"], budgets=[1000])
    [path] = (tmp_path / "runs").iterdir()
    with pytest.raises(RunLogError, match=r"allocator is 'a\\x1b\[31mb'"):
        read_log(path)
