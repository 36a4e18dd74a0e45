"""`readsim compare`: what it says first, its folder, names of one's own, several worlds in one table."""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import readsim
from readsim.cli.app import main
from readsim.cli.compare import (
    named_folder,
    no_source_is_asked_for,
    parse_aliases,
    parse_worlds,
    with_aliases,
)
from readsim.errors import ConfigError
from readsim.report.build import report
from readsim.runs.read_logs import read_logs
from readsim.summary.lead import numbers_of
from readsim.worlds import load_world, save_world
from readsim.worlds.random import random_world

FEW = ("--tasks", "average", "--budgets", "2M", "--steps", "2", "--seeds", "2", "--jobs", "1")
RULES = ("--allocators", "uniform,task-static,grid,oracle-static")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["readsim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    shown = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, shown.out, shown.err


def test_what_matters_comes_first_and_the_long_note_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ("compare", "--world", "gateway", *FEW, *RULES)
    _, out, _ = call(capsys, *command)
    lines = out.splitlines()
    assert lines[0].startswith(
        "Simulated world gateway: no model is trained. Its numbers: designed"
    )
    assert lines[1].startswith("task average: ")
    table = pd.read_csv(
        named_folder("compare", ["gateway", "average", "2M", "2", "2", RULES[1]]) / "summary.csv"
    )
    utility = dict(zip(table["allocator"], table["utility"], strict=True))
    oracle = utility.pop("oracle-static")
    best = max(utility, key=lambda name: utility[name])
    gap = oracle - utility[best]
    extra = dict(zip(table["allocator"], table["beside_budget"], strict=True))[best]
    assert (
        f"points {'below' if gap >= 0 else 'above'} oracle-static, which knows the world"
        in lines[2]
    )
    assert f"{abs(gap):.2f} points" in lines[2]
    assert (
        "no tokens in addition to the budget" if extra == 0 else f"used {extra:.1f} times"
    ) in lines[2]
    assert "On is the measured change" in out
    _, again, _ = call(capsys, *command)
    assert "On, Off, Neg" not in again
    assert "What the columns are: --explain, or results" in again
    _, explained, _ = call(capsys, *command, "--explain")
    assert "On is the measured change" in explained


@pytest.mark.slow
def test_each_comparison_has_a_folder_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for world, steps in (("gateway", "2"), ("gateway", "3"), ("conflict", "2")):
        small = [
            "--budgets",
            "2M",
            "--tasks",
            "average",
            "--steps",
            steps,
            "--seeds",
            "2",
            "--jobs",
            "1",
        ]
        code, _, _ = call(capsys, "compare", "--world", world, *small, "--allocators", "uniform")
        assert code == 0
    assert len(list(Path("results").iterdir())) == 3
    assert named_folder("compare", []) == Path("results/compare")
    long = [named_folder("compare", ["x" * 90, end]) for end in "ab"]
    assert long[0] != long[1]


def test_an_alias_names_an_allocator(capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        "compare",
        "--world",
        "gateway",
        *FEW,
        "--allocators",
        "uniform,wide",
        "--out",
        "here",
    )
    code, out, _ = call(capsys, *command, "--alias", "wide=task-static+floor=0.2")
    assert code == 0
    assert "wide is task-static+floor=0.2" in out
    [log] = [log for log in read_logs("here") if log.header.allocator == "wide"]
    assert log.header.settings == {"alias_of": "task-static+floor=0.2"}
    report("here")
    page = Path("here/report.html").read_text(encoding="utf-8")
    assert "--alias wide=task-static+floor=0.2" in page
    assert "settings that were passed by a program" not in page
    code, _, err = call(capsys, *command, "--alias", "wide=task-static+floor=0.1")
    assert code == 2  # the runs there are of another rule
    assert "floor=0.1" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine", "NAME=SPEC"),
        ("read=uniform", "already the name of an allocator"),
        ("a,b=uniform", "NAME=SPEC"),
        ("mine=raed", "did you mean 'read'"),
        ("best=oracle-static", "begin with `oracle`"),
        ("oracle-x=uniform", "begin with `oracle`"),
    ],
)
def test_a_bad_alias_is_refused(capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    code, _, err = call(capsys, "compare", *FEW, "--alias", text)
    assert code == 2
    assert said in " ".join(err.split())
    assert not Path("results").exists()


def test_several_worlds_give_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    worlds = "gateway,random:seed=1,capabilities=4,conflict"
    code, out, _ = call(
        capsys,
        "compare",
        "--world",
        worlds,
        *FEW,
        "--alias",
        "wide=task-static+floor=0.05",
        "--out",
        "three",
        "--allocators",
        "wide",
    )
    assert code == 0
    assert out.splitlines()[0].startswith("Simulated worlds: no model is trained.")
    table = pd.read_csv("three/summary.csv").set_index("allocator")
    assert set(table.index) == {"wide", "uniform", "task-static", "oracle-static"}
    assert {"iqm", "mean", "median", "optimality_gap", "over_task_static"} <= set(table.columns)
    assert (table["cases"] == 3).all()
    for file in (
        "gateway/results.csv",
        "random-1/world.toml",
        "conflict/runs",
        "suite.svg",
        "summary.md",
    ):
        assert (Path("three") / file).exists(), file
    report("three")
    told = pd.read_csv("three/tables/report-suite.csv").set_index("allocator")
    pd.testing.assert_frame_equal(told, table, check_exact=True)  # one bootstrap for the same runs
    page = Path("three/report.html").read_text(encoding="utf-8")
    assert (
        "--world conflict,gateway,random-1/world.toml --tasks average --budgets 2M --steps 2"
        in page
    )
    assert "--alias wide=task-static+floor=0.05" in page


def test_worlds_that_have_commas_stay_whole() -> None:
    assert parse_worlds("a, random:seed=1,noise=.5,b") == ["a", "random:seed=1,noise=.5", "b"]
    Path("a,b.toml").write_text("")
    assert parse_worlds("a,b.toml") == ["a,b.toml"]
    with pytest.raises(ConfigError, match="separated by commas"):
        parse_worlds("a,,b")


def test_two_worlds_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "compare", "--world", "gateway,gateway", *FEW)
    assert code == 2
    assert "is called 'gateway' too" in err


def test_an_alias_takes_the_place_of_its_spec() -> None:
    listed = ["uniform", "read+kappa=0.5", "task-static"]
    renamed = with_aliases(listed, {"mild": "read+kappa=0.5"})
    assert list(renamed.items()) == [
        ("uniform", "uniform"),
        ("mild", "read+kappa=0.5"),
        ("task-static", "task-static"),
    ]
    assert list(with_aliases(listed, {"new": "exp3"})) == ["new", *listed]
    assert list(with_aliases([*listed, "mild"], {"mild": "greedy"}))[-1] == "mild"
    # scores are measured against it, whatever else it is called
    assert list(with_aliases(listed, {"ours": "task-static"}))[-2:] == ["ours", "task-static"]


def test_aliases_are_read() -> None:
    assert parse_aliases(["a=read+kappa=0.5", "b=m:C"]) == {"a": "read+kappa=0.5", "b": "m:C"}


def test_a_world_says_where_its_numbers_come_from() -> None:
    said = numbers_of(load_world("read8-llama").provenance)
    assert "reported in papers: start, ceiling" in said
    assert "chosen or measured by readsim's authors: floor, cross effects" in said
    assert numbers_of({}) == "Its numbers: its file does not say where they come from."
    assert "effects: a table" in numbers_of({"effects": "a table"})


def test_a_static_split_of_a_task_that_names_no_source_is_said_to_be_uniform() -> None:
    known = load_world("gateway")
    renamed = replace(known, sources=tuple(f"set{n}" for n in range(len(known.sources))))
    assert no_source_is_asked_for(known, {"task-static"}) == []
    assert no_source_is_asked_for(renamed, {"uniform"}) == []
    [line] = no_source_is_asked_for(renamed, {"front-loaded", "task-static+floor=0.1"})
    assert "task-static and front-loaded are the uniform mixture here" in line


def test_what_an_allocator_refuses_is_said_before_the_first_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    unlike = tmp_path / "unlike.toml"
    save_world(random_world(0, capabilities=2).replace(sources=("a", "b")), unlike)
    code, _, err = call(
        capsys, "compare", "--world", str(unlike), *FEW, "--allocators", "uniform,task-static+stop=1",
        "--out", "made",
    )  # fmt: skip
    assert code == 2
    assert "no source has the name of a visible capability" in " ".join(err.split())
    assert not list(Path("made").glob("runs/*.jsonl"))
    with pytest.raises(ConfigError, match="no source has the name of a visible capability"):
        readsim.compare(unlike, "average", "2M", ["uniform", "task-static+stop=1"], 1, out="also")
    assert not list(Path("also").glob("runs/*.jsonl"))
