"""Figures are drawn on a canvas of their own, whatever backend the environment names."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.made_logs import write_comparison
from tests.support.paths import ROOT

DRAW = """
import sys
from pathlib import Path
import {module}
from readsim.plots import draw_all
import matplotlib, os
assert "matplotlib.pyplot" not in sys.modules
assert len(draw_all(Path(sys.argv[1]))) == 9
print(os.environ["MPLBACKEND"], matplotlib.rcParams._get_backend_or_none())
"""


def drawn(folder: Path, backend: str, module: str) -> str:
    code = [sys.executable, "-c", DRAW.format(module=module), str(folder)]
    done = subprocess.run(
        code,
        env={**os.environ, "MPLBACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "module"),
    [
        ("module://no_such_package.backend_inline", "readsim.plots"),
        ("no-such-backend", "readsim.suite.figure"),
        ("module://no_such_package.backend_inline", "studies.__main__, studies.figure2.study"),
    ],
)
def test_a_backend_that_is_not_there_does_no_harm(
    tmp_path: Path, backend: str, module: str
) -> None:
    folder = write_comparison(tmp_path, ("uniform", "task-static"), seeds=(0, 1))
    assert drawn(folder, backend, module).startswith(f"{backend} ")  # the environment is as it was


@pytest.mark.slow
def test_a_backend_that_is_there_stays_the_users(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("uniform", "task-static"), seeds=(0, 1))
    assert drawn(folder, "svg", "readsim.plots") == "svg svg"


def _loads_matplotlib(path: Path) -> bool:
    """At the top of the module, types apart."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] == "matplotlib" for name in names):
            return True
    return False


def test_nothing_else_loads_matplotlib_first() -> None:
    """Modules of `readsim.plots` load `any_backend` before themselves; other ones leave it to them."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("readsim", "adapters")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent != ROOT / "readsim" / "plots" and _loads_matplotlib(path)
    ]
    assert found == []
