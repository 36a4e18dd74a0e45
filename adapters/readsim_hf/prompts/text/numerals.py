"""Whole numbers from 0 to 999 spelt out in the languages of `tongues`.

Spelling is that of one convention for each language: American English (no `and`), traditional
French hyphens, Brazilian Portuguese. `settled` tells the numbers below 100 whose spelling all
conventions share.
"""

from collections.abc import Callable

from readsim.errors import ConfigError, unknown
from readsim_hf.prompts.text.languages import TONGUES, Numbers

Spell = Callable[[int, Numbers], str]


def _plain(n: int, words: Numbers, between: str, spell_rest: Spell) -> str:
    """Tens, then `between`, then units; or hundreds, a blank, and the rest."""
    if n < len(words.units):
        return words.units[n]
    if n < 100:
        tens = words.tens[n // 10 - len(words.units) // 10]
        return tens + (between + words.units[n % 10] if n % 10 else "")
    return words.hundreds[n // 100 - 1] + (" " + spell_rest(n % 100, words) if n % 100 else "")


def _english(n: int, words: Numbers) -> str:
    if n < 100:
        return _plain(n, words, "-", _english)
    rest = f" {_english(n % 100, words)}" if n % 100 else ""
    return f"{words.units[n // 100]} hundred{rest}"


def _spanish(n: int, words: Numbers) -> str:
    return "cien" if n == 100 else _plain(n, words, " y ", _spanish)


def _german(n: int, words: Numbers) -> str:
    if n >= 100:
        head = "ein" if n < 200 else words.units[n // 100]
        return f"{head}hundert" + (_german(n % 100, words) if n % 100 else "")
    if n < 20:
        return words.units[n]
    unit = {0: "", 1: "einund"}.get(n % 10, f"{words.units[n % 10]}und")
    return unit + words.tens[n // 10 - 2]


def _french(n: int, words: Numbers) -> str:
    if n >= 100:
        head = "cent" if n < 200 else f"{words.units[n // 100]} cent"
        if n % 100 == 0:
            return head + "s" * (n >= 200)
        return f"{head} {_french(n % 100, words)}"
    if n < 20:
        return words.units[n]
    if n >= 80:
        return "quatre-vingts" if n == 80 else f"quatre-vingt-{words.units[n - 80]}"
    base = min(n // 10, 6)
    tens, rest = words.tens[base - 2], n - 10 * base
    if rest == 0:
        return tens
    return f"{tens} et {words.units[rest]}" if rest in {1, 11} else f"{tens}-{words.units[rest]}"


def _italian(n: int, words: Numbers) -> str:
    if n < 20:
        return words.units[n]
    if n >= 100:
        head = ("" if n < 200 else words.units[n // 100]) + "cento"
        rest = n % 100
        return head + ("tré" if rest == 3 else _italian(rest, words) if rest else "")
    tens, unit = words.tens[n // 10 - 2], n % 10
    if unit in {1, 8}:  # the vowel before a vowel falls
        tens = tens[:-1]
    return tens + ("tré" if unit == 3 else words.units[unit] if unit else "")


def _portuguese(n: int, words: Numbers) -> str:
    if n == 100:
        return "cem"
    if n < 100:
        return _plain(n, words, " e ", _portuguese)
    rest = f" e {_portuguese(n % 100, words)}" if n % 100 else ""
    return words.hundreds[n // 100 - 1] + rest


def _russian(n: int, words: Numbers) -> str:
    return _plain(n, words, " ", _russian)


def _chinese(n: int, words: Numbers) -> str:
    digit = words.units
    hundreds, tens, units = n // 100, n % 100 // 10, n % 10
    if n < 10:
        return digit[n]
    if n < 20:
        return "十" + (digit[units] if units else "")
    out = f"{digit[hundreds]}百" if hundreds else ""
    if tens:
        out += f"{digit[tens]}十"
    elif units:
        out += digit[0]
    return out + (digit[units] if units else "")


_SPELL: dict[str, Spell] = {
    "en": _english,
    "es": _spanish,
    "de": _german,
    "fr": _french,
    "it": _italian,
    "pt": _portuguese,
    "ru": _russian,
    "zh": _chinese,
}


def spell(n: int, language: str) -> str:
    """The number in words.

    Raises UnknownNameError for a language without rules, ConfigError outside 0 to 999.
    """
    if language not in _SPELL:
        raise unknown("language", language, _SPELL)
    if not 0 <= n <= 999:
        raise ConfigError(f"n = {n!r}; accepted: 0 to 999")
    return _SPELL[language](n, TONGUES[language].numbers)


def settled(language: str) -> tuple[int, ...]:
    """Numbers from 2 to 99 that are spelt one way only in the language."""
    doubtful = {
        "fr": {21, 31, 41, 51, 61, 71, *range(70, 100)},  # hyphens; septante, nonante
        "pt": {14, 16, 17, 19},  # Brazil and Portugal differ
    }.get(language, set())
    return tuple(n for n in range(2, 100) if n not in doubtful)
