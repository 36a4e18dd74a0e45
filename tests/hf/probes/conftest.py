"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandboxed import still_running


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files; at the test's end nothing is left there, and no process."""
    place = tmp_path / "temporary"
    place.mkdir()
    for folder in (place, *list(place.parents)[:4]):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o711)  # nobody must get through
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []
    assert still_running(str(place)) == []
