"""One store for the tests of a module."""

from pathlib import Path

import pytest

from tests.support.stores import PROMPTS, taught


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten prompts of two sources, top 5, exactly; what the teacher said is in `replies.sqlite` beside it."""
    folder = tmp_path_factory.mktemp("teach") / "store"
    taught(folder, PROMPTS, data={"cache": str(folder.parent / "replies.sqlite")})
    return folder
