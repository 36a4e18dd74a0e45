"""`readsim report` on folders that are wrong or unfinished: what it refuses, and what it leaves out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, ReadsimError, RunLogError, SchemaError
from readsim.report.build import report
from readsim.report.reading import best_seeds, read_groups
from readsim.report.svg import inline
from tests.support.made_logs import rewrite, write_comparison
from tests.support.made_reports import Page, real_log, write_study

ALLOCATORS = ("uniform", "task-static", "read")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path, ALLOCATORS, tasks=["math"], budgets=[1000])


def log_of(folder: Path, allocator: str = "read") -> Path:
    return folder / "runs" / f"{allocator}.math.1000.jsonl"


def left_out(folder: Path) -> str:
    report(folder)
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    return "".join(text for _, text in page.all("aside"))


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="nothing to report: expected run logs"):
        report(tmp_path)
    with pytest.raises(RunLogError, match="is not a folder"):
        report(tmp_path / "absent")
    (tmp_path / "runs").mkdir()
    with pytest.raises(RunLogError, match="no run logs under"):
        report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_unfinished_run_is_left_out_and_named(folder: Path) -> None:
    path = log_of(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.9 * len(whole))])
    text = left_out(folder)
    assert (
        "read.math.1000.jsonl: unfinished, no final row of seeds 2; its last line is cut off"
        in text
    )
    assert "read" not in (folder / "tables" / "report-results.csv").read_text()
    path.write_bytes(whole)
    assert left_out(folder) == ""


def test_if_no_run_has_ended_nothing_is_written(folder: Path) -> None:
    for path in (folder / "runs").glob("*.jsonl"):
        rewrite(path, lambda lines: [line for line in lines if line["kind"] != "final"])
    with pytest.raises(RunLogError, match="no run has ended"):
        report(folder)
    assert not (folder / "report.html").exists()


def drop(kind: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Without the first row of a kind."""

    def change(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        at = next(n for n, line in enumerate(lines) if line["kind"] == kind)
        return lines[:at] + lines[at + 1 :]

    return change


def with_field(
    kind: str, key: str, value: object
) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    def change(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**line, key: value} if line["kind"] == kind else line for line in lines]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("start"), r"seed 0: rows are 4 x step, final; expected start, steps, final"),
        (drop("step"), "seed 0, step row: step is 2, expected 1"),
        (
            lambda lines: [*lines, lines[-1]],
            "seed 2, final row: the seed has more than one final row",
        ),
        (with_field("header", "schema", 99), "use a newer readsim"),
        (with_field("final", "final_change", [0.1]), "final_change is .*, expected 3 numbers"),
        (
            with_field("step", "allocation", ["a", 0, 0]),
            "allocation holds something that is no number",
        ),
        (with_field("final", "utility", None), "utility is None, expected a number"),
    ],
)
def test_what_is_not_a_run_is_refused(
    folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], message: str
) -> None:
    rewrite(log_of(folder), change)
    with pytest.raises(RunLogError, match=message) as caught:
        report(folder)
    assert "read.math.1000.jsonl" in str(caught.value)
    assert isinstance(caught.value, SchemaError) == ("newer" in message)
    assert not (folder / "report.html").exists()


def test_a_broken_line_is_refused_with_its_number(folder: Path) -> None:
    path = log_of(folder)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[3][:20], *lines[4:]]) + "\n")
    with pytest.raises(RunLogError, match=r"read\.math\.1000\.jsonl, line 4: broken line"):
        report(folder)


def test_two_worlds_or_two_logs_of_one_cell_are_refused(folder: Path) -> None:
    twin = folder / "runs" / "read-again.jsonl"
    twin.write_bytes(log_of(folder).read_bytes())
    with pytest.raises(RunLogError, match="both hold"):
        report(folder)
    rewrite(
        twin,
        lambda lines: [{**lines[0], "config": {**lines[0]["config"], "world": "w"}}, *lines[1:]],
    )
    with pytest.raises(RunLogError, match="a folder holds one comparison"):
        report(folder)


def test_the_largest_complete_part_is_compared(folder: Path) -> None:
    rewrite(
        log_of(folder, "uniform"),
        lambda lines: [
            {**lines[0], "seeds": [0], "config": {**lines[0]["config"], "seeds": [0]}},
            *(line for line in lines[1:] if line["seed"] == 0),
        ],
    )
    text = left_out(folder)
    assert (
        "uniform: not run on everything that the others were (seeds 0 are whole, 0, 1, 2 are"
        in text
    )


def test_an_incomplete_comparison_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    write_comparison(tmp_path, ALLOCATORS, budgets=[1000])
    for name in ALLOCATORS:
        task = "math" if name == "read" else "code"
        (tmp_path / "runs" / f"{name}.{task}.1000.jsonl").unlink()
    with pytest.raises(RunLogError, match="the comparison is incomplete: missing"):
        report(tmp_path)


def test_best_seeds() -> None:
    has = {"a": {0, 1, 2}, "b": {0, 1, 2}, "c": {0, 1}, "d": {0}}
    assert best_seeds({name: frozenset(s) for name, s in has.items()}) == {0, 1, 2}
    assert best_seeds(
        {"a": frozenset({0, 1}), "b": frozenset({0, 1}), "c": frozenset({0, 1, 2})}
    ) == {0, 1}
    assert best_seeds({"a": frozenset()}) == frozenset()


def test_real_runs_that_must_not_be_compared_are_apart(tmp_path: Path) -> None:
    for seed in (0, 1):
        for name in ("task-static", "uniform"):
            real_log(tmp_path, name, seed)
    for seed in (0, 1):
        real_log(tmp_path, "uniform", seed, name=".fast", training={"learning_rate": 0.9})
    groups, _ = read_groups(tmp_path)
    assert [len(group.logs) for group in groups] == [2, 1]
    assert list(groups[1].apart) == ["training.learning_rate"]
    report(tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "these differ in training.learning_rate" in text
    assert (tmp_path / "tables" / "report-2-results.csv").is_file()


def test_runs_of_one_name_with_other_settings_are_refused(tmp_path: Path) -> None:
    real_log(tmp_path, "uniform", 0)
    real_log(tmp_path, "uniform", 1, config={"settings": {"kappa": 1}})
    with pytest.raises(RunLogError, match="settings is"):
        report(tmp_path)


def test_runs_are_judged_by_what_the_task_weighs(tmp_path: Path) -> None:
    for seed, told in ((0, [0.2, 0.7, 0.1]), (1, [0.1, 0.8, 0.1])):
        real_log(tmp_path, "read", seed, config={"requirement": told, "identified": {"r2": 1}})
        real_log(tmp_path, "task-static", seed)
    [group], _ = read_groups(tmp_path)
    assert {log.header.allocator for log in group.logs} == {"read, identified", "task-static"}
    assert all(log.header.requirement == (0.6, 0.3, 0.1) for log in group.logs)


def test_nothing_of_others_is_overwritten(folder: Path) -> None:
    (folder / "tables").mkdir()
    for name in ("tables/report-results.csv", "report.html"):
        (folder / name).write_text("mine")
        with pytest.raises(ConfigError, match=f"{name} was not written by readsim report"):
            report(folder)
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()
    (folder / "tables" / "results.csv").write_text("mine")
    report(folder)
    report(folder)
    assert (folder / "tables" / "results.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": None}, "title is None, expected str"),
        ({"verdicts": [{"claim": "C1"}]}, r"verdicts\[0\] lacks case"),
        ({"tables": [{"title": "t", "file": "../../x.csv"}]}, "outside the study's folder"),
        ({"tables": [{"title": "t", "file": "absent.csv"}]}, "does not exist"),
        ({"figures": [{"title": "t", "file": "numbers.csv", "alt": " "}]}, "alt is empty"),
        ({"figures": [{"title": "t", "file": "numbers.csv", "alt": "a"}]}, "not an SVG file"),
    ],
)
def test_a_study_that_cannot_be_shown_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReadsimError, match=message):
        report(write_study(tmp_path / "study", **change))
    assert not (tmp_path / "study" / "report.html").exists()


def test_studies_begin_with_their_verdicts(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_study(tmp_path / name)
    report(tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.all("caption")[0][1] == "Verdicts of all studies"
    assert "2 of 4 verdicts of 2 studies are as expected, 2 are not, 0" in "".join(
        t for _, t in page.all("p")
    )
    assert [text for _, text in page.all("h2")] == ["2 studies", "Study one", "Study two"]


def test_a_shortened_name_is_whole_in_a_title() -> None:
    texts = b"<text>...end</text><text>a</text>"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt">' + texts + b"</svg>"
    text, _ = inline(svg, "p-", "here", {"...end": "<the> whole & its end"})
    assert "<title>&lt;the&gt; whole &amp; its end</title>...end</text>" in text
    assert text.count("<title>") == 1


def test_drawings_lose_what_is_not_drawing() -> None:
    text, width = inline(
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" '
        b'height="36pt" viewBox="0 0 72 36" onload="x()"><script>x()</script><style>@import "a"</style>'
        b'<defs><clipPath id="c"><rect width="1" height="1"/></clipPath></defs>'
        b'<g clip-path="url(#c)" style="fill: #0072b2"><use xlink:href="#c" x="1"/>'
        b'<use xlink:href="http://a/b#c"/><image href="file:///a.png"/>'
        b'<path style="fill: url(http://a)" d="M 0 0"/>'
        b"<text style=\"font: 7px 'DejaVu Sans'; fill: #D55E00\" onclick='x()'>a &lt;b&gt;</text>"
        b"<foreignObject><p>x</p></foreignObject><a href='http://a'><path d='M 1 1'/></a></g></svg>",
        "p-",
        "here",
    )
    assert width == 72.0
    assert 'id="p-c"' in text
    assert 'clip-path="url(#p-c)"' in text
    assert 'href="#p-c"' in text
    assert "var(--blue)" in text
    assert "var(--vermilion-text)" in text
    assert "a &lt;b&gt;" in text
    for gone in (
        "script",
        "style>",
        "http",
        "file:",
        "onload",
        "onclick",
        "foreign",
        "<a",
        "M 1 1",
    ):
        assert gone not in text
