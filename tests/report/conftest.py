"""What tests of pages share: one browser for all of them."""

from collections.abc import Iterator

import pytest

from tests.support.browser import Browser, browser


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A tab of a headless browser. Skips, with the reason, where there is none."""
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
