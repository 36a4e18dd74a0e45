"""Values that nobody means: each is refused in one line, quickly, or is read as what it says."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import readsim
from readsim.cli import app as cli
from readsim.errors import ConfigError, ReadsimError

ODD = (
    *("0", "-1", "nan", "1e308", "1" + "0" * 60, "", "0x10", "\u0968\u0966M", "1,1", "math=1e308"),
    *("math=nan", "random:seed=1,seed=2", "random:capabilities=3000", ":", "10000000"),
)
SMALL = {
    "--world": "gateway",
    "--budget": "5M",
    "--steps": "2",
    "--seeds": "1",
    "--allocator": "uniform",
    "--out": "o/run.jsonl",
}
COMPARED = {
    "--world": "gateway",
    "--budgets": "5M",
    "--steps": "2",
    "--seeds": "1",
    "--allocators": "uniform",
}
REFUSED = {  # what is nonsense for an option although a number or a name of that form may be one
    "--budget": ("1e308", "1" + "0" * 60, "\u0968\u0966M", "0", "nan"),
    "--steps": ("0", "-1", "10000000", "1" + "0" * 60),
    "--seeds": ("0", "-1", "10000000", "1" + "0" * 60, "1,1"),
    "--jobs": ("0", "-1", "10000000", "1" + "0" * 60),
    "--task": ("math=1e308", "math=nan"),
}


def assert_one_line(said: str) -> None:
    assert len(said.splitlines()) == 1


def code_of(*arguments: str) -> int:
    """The exit code of `readsim ARGUMENTS`; an error that is not one of ours is raised."""
    before, sys.argv = sys.argv, ["readsim", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv = before
    return 0


def options_of(name: str) -> list[str]:
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    return [p.opts[0] for p in command.params if p.param_type_name == "option" and not p.is_flag]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("option", [o for o in options_of("run") if o != "--out"])
def test_run_takes_or_refuses_each_odd_value(option: str) -> None:
    for number, value in enumerate(ODD):
        table = SMALL | {option: value, "--out": f"o/{number}.jsonl"}
        code = code_of("run", *(part for pair in table.items() for part in pair))
        assert code == 2 if value in REFUSED.get(option, ()) else code in (0, 2), value


@pytest.mark.parametrize("option", ["--seeds", "--jobs", "--budgets", "--backend"])
def test_compare_refuses_each_odd_value(option: str) -> None:
    for value in set(ODD) - ({"10000000"} if option == "--budgets" else set()):
        table = COMPARED | {option: value}
        assert code_of("compare", *(part for pair in table.items() for part in pair)) == 2, value
    assert list(Path.cwd().iterdir()) == []


def test_worlds_refuses_what_no_world_is() -> None:
    for value in ODD:
        assert code_of("worlds", "--", value) == 2, value


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("random:seed=1,seed=2", "seed is given twice"),
        ("random:coupling=1e308", "coupling"),
        ("random:noise=1e308", "noise"),
        ("random:curvature=1e-300", "curvature"),
        (
            "random:capabilities=3000",
            "capabilities = 3000: expected a number of at least 1, at most 1000",
        ),
        ("random:seed=" + "9" * 60, "seed = "),
    ],
)
def test_a_drawn_world_names_the_field(text: str, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        readsim.load_world(text)


def test_a_world_of_many_capabilities_is_shown_without_its_optima(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert code_of("worlds", "random:capabilities=60") == 0
    assert "of at most 16 sources and capabilities" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("odd", [0, -1, np.nan, np.inf, 1e308, 10**60, "", " ", [], [[1]], None])
@pytest.mark.parametrize("name", ["budgets", "seeds", "steps", "jobs", "tasks"])
def test_the_interface_takes_or_refuses_each_odd_value(name: str, odd: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"budgets": "1M", "seeds": 1, "steps": 1, "tasks": "math"}
    try:
        readsim.compare("gateway", allocators="uniform", **given | {name: odd})
    except ReadsimError as error:
        said = str(error)
        assert_one_line(said)
    else:
        assert odd is None  # each field's own default


@pytest.mark.parametrize("odd", [0, -1, np.nan, np.inf, 1e308, 10**60, "", " ", [], None, True])
@pytest.mark.parametrize("name", ["budget", "steps", "history", "num_envs"])
def test_environments_take_or_refuse_each_odd_value(name: str, odd: Any) -> None:
    try:
        readsim.make_env("gateway", "math", **{name: odd})
    except ReadsimError as error:
        said = str(error)
        assert_one_line(said)
    else:
        assert odd is None or (name, odd) == ("history", 0)
