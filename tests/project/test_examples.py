"""The examples of the docs: what a reader gets is what runs, cell by cell, as a program and as a notebook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.hf import NEEDS
from tests.support.paths import ROOT

EXAMPLES = ROOT / "docs" / "examples"
REAL = EXAMPLES / "real_run.py"
CHEAP = sorted(set(EXAMPLES.glob("*.py")) - {REAL})


def cells(program: Path) -> list[tuple[bool, str]]:
    """Whether each cell is code, and its text: what stands between lines that begin with `# %%`."""
    parts = re.split(r"^# %%(.*)\n", program.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parts[0] == ""
    return [
        ("markdown" not in kind, text) for kind, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def follow(program: Path) -> dict[str, Any]:
    """The names after its last cell of code."""
    names: dict[str, Any] = {}
    for is_code, text in cells(program):
        if is_code:
            exec(compile(text, program.name, "exec"), names)
    return names


@pytest.mark.parametrize("program", CHEAP, ids=lambda program: program.stem)
def test_an_example_runs(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(program)
    assert capsys.readouterr().out.strip()


@pytest.mark.extra(*NEEDS)
@pytest.mark.slow
def test_the_example_of_a_real_run(capsys: pytest.CaptureFixture[str]) -> None:
    follow(REAL)
    assert "final utility" in capsys.readouterr().out


@pytest.mark.extra("jupytext")
@pytest.mark.parametrize("program", [*CHEAP, REAL], ids=lambda program: program.stem)
def test_its_notebook_has_the_same_cells(program: Path) -> None:
    """A notebook made by jupytext runs what the program runs, in the same order."""
    import jupytext

    made = json.loads(jupytext.writes(jupytext.read(program), fmt="ipynb"))
    assert made["nbformat"] == 4
    found = [(c["cell_type"] == "code", "".join(c["source"])) for c in made["cells"]]
    own = [(is_code, text.strip()) for is_code, text in cells(program)]
    assert [text for is_code, text in found if is_code] == [
        text for is_code, text in own if is_code
    ]
    assert [is_code for is_code, _ in found] == [is_code for is_code, _ in own]
