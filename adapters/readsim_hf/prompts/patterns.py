"""Regular expressions that a user's file brings: searched with a time limit, since some never end."""

import re
from typing import Any

from readsim.errors import ConfigError, shown

SECONDS = 5.0  # for one pattern on one text


class Pattern:
    """A pattern as Python's `re` reads it; `.` matches newlines where `flags` says so.

    Raises ConfigError for what is no pattern, and where a text takes more than SECONDS: a reply is never
    called wrong because the clock ran out.
    """

    def __init__(self, text: str, flags: int = 0) -> None:
        import regex  # of the extra; it reads what `re` reads, and has a time limit

        self.text = text
        try:
            self._inner = regex.compile(text, int(flags))
        except (regex.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"{shown(text)} is not a regular expression: {error}") from error

    def found(self, text: str) -> bool:
        """Whether it is found anywhere."""
        return self._within("search", text) is not None

    def whole(self, text: str) -> bool:
        """Whether it matches the whole text."""
        return self._within("fullmatch", text) is not None

    def findall(self, text: str) -> list[Any]:
        """As that of `re`."""
        found: list[Any] = self._within("findall", text)
        return found

    def _within(self, how: str, text: str) -> Any:
        try:
            return getattr(self._inner, how)(text, timeout=SECONDS)
        except TimeoutError as error:
            raise ConfigError(
                f"the regular expression {shown(self.text)} takes more than {SECONDS:g} s on a text of "
                f"{len(text)} characters: write it without nested repeats"
            ) from error


def dot_all(text: str, *, ignore_case: bool = False) -> Pattern:
    """A pattern whose `.` matches newlines."""
    return Pattern(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
