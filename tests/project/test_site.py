"""The site of docs/: it builds with warnings as errors, loads nothing, and has the help of every command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.mark.extra("mkdocs", "material", "mkdocstrings", "jupytext")
@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    loaded = r'<(?:script|img|iframe)[^>]+src="?(https?:)?//|<link[^>]+stylesheet[^>]+href="?(https?:)?//'
    for page in pages:
        assert not re.search(loaded, page.read_text(encoding="utf-8")), page
    assert "readsim compare" in (tmp_path / "reference/command-line.html").read_text("utf-8")
    assert "Base class of allocators: override" in (tmp_path / "reference/python.html").read_text(
        "utf-8"
    )
    assert (tmp_path / "search/search_index.json").stat().st_size > 100_000
    assert len(list((tmp_path / "examples").glob("*.ipynb"))) == 5
