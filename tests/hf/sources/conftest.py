"""Data sets in every container, kept apart from those of the machine."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "cache"))
