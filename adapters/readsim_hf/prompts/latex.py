r"""Answers written in LaTeX: the box around an answer, and values as plain text."""

import re
from typing import NamedTuple

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|[^\s{}$\\])")
_FONT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt)|operatorname|emph|mbox)\s*"
    r"\{([^{}]*)\}"
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
# What may stand around a whole value: emphasis, dollars, \( \) \[ \], a full stop.
_DRESS = re.compile(r"\A(?:[\s*_$]|\\[\[(])*(.*?)(?:[\s*_$.]|\\[\])])*\Z", re.DOTALL)
_JOINED = re.compile(r"[\s$]*(?:,|/|or|and|,\s*(?:or|and))?[\s$]*")
_MIXED = re.compile(r"(\d+)\s*\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_POWER_OF_TEN = re.compile(r"(?<=\d)\s*(?:\\times|\\cdot|\u00d7)\s*10\s*\^\s*\{?\s*([-+]?\d+)\}?")
_GONE = re.compile(r"\\(?:left|right|displaystyle)(?![a-zA-Z])|\\[,;:!()\[\]]|\$")


class Boxed(NamedTuple):
    r"""`\boxed{content}` in a text, from `start` to `end`."""

    start: int
    end: int
    content: str


def last_box(text: str) -> Boxed | None:
    r"""The last `\boxed{...}` (or `\fbox`) outside code fences; None without one, or where it is not closed.

    Boxes with nothing but "or", "and" or a comma between them are one, whose content names all of them.
    """
    bare = _FENCE.sub(lambda found: " " * len(found[0]), text)
    boxes = [_box(bare, *found.span()) for found in _BOX.finditer(bare)]
    last = boxes.pop() if boxes else None
    while last is not None and boxes and (one := boxes.pop()) is not None:
        between = bare[one.end : last.start]
        if one.end > last.start or not _JOINED.fullmatch(between):
            break
        last = Boxed(one.start, last.end, one.content + between.replace("$", "") + last.content)
    return last


def _box(text: str, start: int, at: int) -> Boxed | None:
    if text[at] != "{":  # \boxed 5
        word = re.match(r"[^\s{}$\\.,;]+", text[at:])
        return None if word is None else Boxed(start, at + word.end(), word[0])
    depth, n = 0, at
    while n < len(text):
        if text[n] == "\\":
            n += 1
        elif text[n] in "{}":
            depth += 1 if text[n] == "{" else -1
            if depth == 0:
                return Boxed(start, n + 1, text[at + 1 : n])
        n += 1
    return None


def undressed(text: str) -> str:
    r"""A value without the `$...$`, `\(...\)`, emphasis and `\text{...}` around the whole of it."""
    found = _DRESS.match(text)
    inner = text if found is None else found[1]
    whole = _FONT.fullmatch(inner)
    return text.strip() if whole is None and inner == text.strip() else (whole or [inner, inner])[1]


def value_of(text: str) -> str:
    r"""What a text gives as its value: the content of its last box, or the text."""
    box = last_box(text)
    return text if box is None else undressed(box.content)


def plain_text(text: str) -> str:
    r"""LaTeX as plain text: `\frac{3}{4}` is 3/4, `\text{C}` is C, `4.2\times10^{3}` is 4.2e3."""
    while (less := _FONT.sub(r"\1", text)) != text:
        text = less
    text = text.replace("{,}", ",").replace("\\%", "%").replace("\\$", "$")
    text = _MIXED.sub(lambda m: f"{int(m[1]) * int(m[3]) + int(m[2])}/{m[3]}", text)
    text = _FRACTION.sub(lambda m: f"{m[1] or m[2]}/{m[3] or m[4]}", text)
    return _GONE.sub("", _POWER_OF_TEN.sub(r"e\1", text)).replace("\u2212", "-")
