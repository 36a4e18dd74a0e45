"""Progress where there is no terminal: lines of text, and no more often than now and then."""

from io import StringIO

import pytest
from rich.console import Console

from readsim.cli import common


def said(every: float, patch: pytest.MonkeyPatch) -> list[str]:
    patch.setattr(common, "EVERY", every)
    text = StringIO()
    with common.progress(Console(file=text, width=80)) as bar:
        job = bar.add_task("runs", total=3)
        bar.advance(job)
        bar.update(job, advance=2)
    return [line for line in text.getvalue().splitlines() if "after" in line]


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(0.0, monkeypatch) == ["runs: 1 of 3 after 0 min", "runs: 3 of 3 after 0 min"]
    assert said(1e9, monkeypatch) == []
