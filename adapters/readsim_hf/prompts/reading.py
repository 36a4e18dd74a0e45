"""Reading a reply: the number, letter, label, list or JSON value in it, None where there is none."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from readsim_hf.prompts.latex import plain_text, value_of

_NUMBER = re.compile(
    r"""(?<![\d._A-Za-z\u00c0-\u024f\u0370-\u04ff])     # no letter of a script with spaces right before it
        [-+]?                                         # a sign, where nothing stands before it
        (?:(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?|\.\d+)
        (?:[eE][-+]?\d{1,2}(?!\d)|/\d+|\s/\s\d+)?     # exponent, or denominator""",
    re.VERBOSE,
)
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")  # 1'250
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")  # one half, three quarters
_MIXED = re.compile(r"(?<![\d./,])(\d+)\s+(\d+)/(\d+)(?!\d)")  # 3 1/2
_MINUS = re.compile(r"(?<!\d)(?<!\d\s)(?:\u2013|\bminus\s+)(?=[\d.])", re.IGNORECASE)
# What takes back the word behind it.
_DENIED = re.compile(r"(?i:\b(?:not|never|nor|cannot)|n['\u2019]t)\s+(?i:be\s+|an?\s+|the\s+)?\Z")
_FIRST = re.compile(r"\s*(\S[^\n]*)\n\s*\n")
_UNIT_POWER = re.compile(r"(?<=[A-Za-z])\s*\^\s*(?:\{\s*-?\d+\s*\}|-?\d+)")  # km^2
_FENCE = re.compile(r"(```|~~~)(?:[\w+-]*[ \t]*\n|json\b|python\b)?(.*?)\1", re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*\u2022]\s+|\d{1,3}[.)]\s+)")
_QUOTES = " \t\r\n\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_MARKS = _QUOTES + ".!?,;:*_\u3002\uff01\u00bf\u00a1"


def fold(text: str) -> str:
    """Case and spacing folded; quotes around the text and punctuation at its ends dropped.

    Text that is nothing but punctuation (an operator) loses its quotes only.
    """
    folded = " ".join(text.casefold().split())
    return folded.strip(_MARKS) or folded.strip(_QUOTES)


def read_number(text: str) -> Fraction | None:
    r"""The last number that is not denied (`not 5`): `1,250.5`, `-3`, `3/4`, `3 1/2`, `2e3`, `0,5`, that in
    `\boxed{\frac{3}{4}}`; units and currency signs are passed over. Of a few words that begin with a number
    and stand in a paragraph of their own, what follows is no part."""
    text = _VULGAR.sub(_as_fraction, plain_text(value_of(text)))
    text = _GROUPED.sub(",", _UNIT_POWER.sub("", text))
    text = _MINUS.sub("-", _DECIMAL_COMMA.sub(r"\1.\2", text))
    text = _MIXED.sub(lambda m: f"{int(m[1]) * int(m[3]) + int(m[2])}/{m[3]}", text)
    first = _FIRST.match(text)
    alone = _numbers(first[1]) if first is not None and len(first[1].split()) <= 4 else []
    leads = (
        len(alone) == 1 and first is not None and not re.search(r"\w", first[1][: alone[0].start()])
    )
    found = [match[0] for match in (alone if leads else _numbers(text))]
    try:
        return Fraction("".join(found[-1].replace(",", "").split())) if found else None
    except (ValueError, ZeroDivisionError):  # too many digits; a denominator of zero
        return None


def _numbers(text: str) -> list[re.Match[str]]:
    return [m for m in _NUMBER.finditer(text) if not _DENIED.search(text, 0, m.start())]


def _as_fraction(sign: re.Match[str]) -> str:
    return " " + unicodedata.normalize("NFKC", sign[0]).replace("\u2044", "/")


def read_choice(text: str, letters: str, options: Sequence[str] = ()) -> str | None:
    r"""The letter of a choice: `B`, `(b)`, `**B**`, `B. Rome`, `The answer is B`, `\boxed{\text{B}}`, or one
    option word by word. None where several letters are named."""
    text = plain_text(value_of(text))
    text = re.sub(rf"\((?i:[{letters}])\)", lambda found: found[0].upper(), text)
    bare = text.strip(_MARKS + "()[]{}")
    if len(bare) == 1 and bare.upper() in letters:
        return bare.upper()
    one, dress = rf"(?<!\w)([{letters}])(?!\w)", r"[\s*_(\[\"'`]*"
    also = rf"(?:[\s*_)\]]*(?:or|and|/|&|,(?:\s*(?:or|and))?){dress}{one}(?!\s+is\b))?"
    named = _letters(rf"(?i:\b(?:answer|option|choice)(?:\s+is)?)\s*:?{dress}{one}{also}", text)
    inside = set(re.findall(rf"\(([{letters}])\)", text))
    behind = r"[).:,/&\]*]|\s*\n|\s+(?:or|and|because)\b|\s+[-\u2013\u2014]\s"
    start = _letters(rf"\A{dress}([{letters}])(?={behind}){also}", text)
    found = (named or inside) | start
    if found:
        return found.pop() if len(found) == 1 else None
    same = [
        letter
        for letter, option in zip(letters, options, strict=False)
        if fold(option) == fold(text)
    ]
    return same[0] if len(same) == 1 else None


def _letters(pattern: str, text: str) -> set[str]:
    """All letters that the groups of a pattern find."""
    return {found for match in re.finditer(pattern, text) for found in match.groups() if found}


def read_label(text: str, labels: Sequence[str]) -> str | None:
    """The one label that the text names as a whole word, None where it names none or several."""
    folded = fold(plain_text(value_of(text)))
    named = [label for label in labels if _names(folded, label.casefold())]
    # A label inside a longer one that is named ("true" in "not true") does not count.
    longest = [
        label
        for label in named
        if not any(label != other and label.casefold() in other.casefold() for other in named)
    ]
    return longest[0] if len(longest) == 1 else None


def _names(text: str, label: str) -> bool:
    """Whether the label occurs and is not denied (`not true`)."""
    found = re.finditer(rf"(?<!\w){re.escape(label)}(?!\w)", text)
    return any(not _DENIED.search(text, 0, match.start()) for match in found)


def unfence(text: str) -> str:
    """The content of the first code fence, else the whole text."""
    found = _FENCE.search(text)
    return (found[2] if found else text).strip()


class NotJson:
    """What `read_json` returns for text that is no JSON (None is a JSON value)."""


def read_json(text: str) -> Any:
    """The JSON value that the text is, in a code fence or without one; else `NotJson`."""
    try:
        return json.loads(unfence(text), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return NotJson


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """ValueError for a key that is there twice: which of its values is meant?"""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("doubled key")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def same_json(left: Any, right: Any) -> bool:
    """Equality of JSON values; unlike Python's, true is not 1. The order of keys is free."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same_json(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_json, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def read_list(text: str) -> list[str] | None:
    """The items of a list, folded: a JSON array, one a line with or without bullets, or commas."""
    body = unfence(value_of(text))
    value = read_json(body.replace("'", '"'))
    if isinstance(value, list):
        return [fold(str(item)) for item in value]
    lines = [_BULLET.sub("", line) for line in plain_text(body).splitlines() if line.strip()]
    if len(lines) == 1:
        apart = r"\s*(?:[,;\u2192]|-?>)\s*(?:and\s+)?|\s+and\s+"
        whole = lines[0].strip(" .[]")
        inner = re.fullmatch(r"\(([^()]*)\)", whole)
        parts = re.split(apart, whole if inner is None else inner[1])
    else:
        parts = lines
    items = [fold(part) for part in parts]
    return items if items and all(items) else None
