"""Linter, formatter and type checker are clean, with the settings of pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def _check(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, cwd=ROOT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tools' caches: the tree if it can be written, so that the next run is fast."""
    return ROOT if os.access(ROOT, os.W_OK) else tmp_path_factory.mktemp("caches")


@pytest.mark.extra("ruff")
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command: list[str], caches: Path) -> None:
    cache = str(caches / ".ruff_cache")
    _check("ruff", *command, "--cache-dir", cache, "readsim", "adapters", "studies", "tests")


@pytest.mark.extra("mypy")
def test_mypy(caches: Path) -> None:
    _check("mypy", "--cache-dir", str(caches / ".mypy_cache"))
