"""Names are text: what a capability, a source, a task, a world or an allocator may be called."""

import unicodedata

from readsim.errors import ConfigError, ReadsimError

MOST_LETTERS = 1000  # of an allocator with all its settings
JOINERS = "\u200c\u200d"  # letters of Persian and of emoji need them
_REFUSED = {
    "Cc": "a control character",
    "Cf": "an invisible character that turns text round or hides in it",
    "Cs": "half of a surrogate pair, which is no text",
    "Zl": "an end of line",
    "Zp": "an end of paragraph",
}


def name_fault(name: object) -> str | None:
    """Why `name` can be no name, or None: it is text, not empty, of one line, of visible characters."""
    if not isinstance(name, str):
        return "a name is text"
    if not name.strip():
        return "a name is not empty"
    if len(name) > MOST_LETTERS:
        return f"a name has at most {MOST_LETTERS} letters, not {len(name)}"
    if name.isascii() and name.isprintable():
        return None
    for letter in name:
        wrong = _REFUSED.get(unicodedata.category(letter))
        if wrong and letter not in JOINERS:
            return f"{wrong}, U+{ord(letter):04X}, is in it"
    return None


def check_name(name: object, field: str, error: type[ReadsimError] = ConfigError) -> None:
    """Raise `error`, naming the field and showing the value, for what can be no name."""
    if wrong := name_fault(name):
        raise error(f"{field} = {ascii(name)[:80]}: {wrong}")


def visible(text: str) -> str:
    """Free text without what could command a terminal: such characters are shown as escapes; lines stay."""
    if text.isprintable():
        return text
    return "".join(
        c
        if c in "\n\t" or c in JOINERS or unicodedata.category(c) not in _REFUSED
        else ascii(c)[1:-1]
        for c in text
    )


def shown_text(value: object) -> str:
    """A value as a message shows it: on one line, short, and no more than text."""
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    return (str(value) if plain else ascii(value))[:60]
