"""Questions in eight languages: tables of one order, numbers in words, answers recomputed."""

import re
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.text import multilingual
from readsim_hf.prompts.text.languages import TONGUES
from readsim_hf.prompts.text.numerals import settled, spell
from tests.support.prose import made

SPELT = {
    "en": {
        0: "zero",
        14: "fourteen",
        40: "forty",
        99: "ninety-nine",
        318: "three hundred eighteen",
    },
    "es": {22: "veintidós", 31: "treinta y uno", 100: "cien", 515: "quinientos quince"},
    "de": {
        1: "eins",
        16: "sechzehn",
        21: "einundzwanzig",
        101: "einhunderteins",
        730: "siebenhundertdreißig",
    },
    "fr": {21: "vingt et un", 71: "soixante et onze", 80: "quatre-vingts", 91: "quatre-vingt-onze"}
    | {77: "soixante-dix-sept", 200: "deux cents", 281: "deux cent quatre-vingt-un"},
    "it": {21: "ventuno", 23: "ventitré", 28: "ventotto", 100: "cento", 346: "trecentoquarantasei"},
    "pt": {21: "vinte e um", 100: "cem", 101: "cento e um", 999: "novecentos e noventa e nove"},
    "ru": {11: "одиннадцать", 40: "сорок", 90: "девяносто", 243: "двести сорок три"},
    "zh": {10: "十", 15: "十五", 20: "二十", 105: "一百零五", 110: "一百一十", 999: "九百九十九"},
}


def test_numbers_in_words() -> None:
    assert SPELT.keys() == TONGUES.keys()
    for code, wanted in SPELT.items():
        assert {n: spell(n, code) for n in wanted} == wanted
        assert len({spell(n, code) for n in range(1000)}) == 1000
        assert {2, 20, 99 if code not in {"fr"} else 69} <= set(settled(code))
    with pytest.raises(UnknownNameError, match="'xx'"):
        spell(1, "xx")
    with pytest.raises(ConfigError, match="1000"):
        spell(1000, "en")


def test_tables_of_all_languages_match() -> None:
    english = TONGUES["en"]
    assert len(TONGUES) >= 6
    assert len({tongue.script for tongue in TONGUES.values()}) >= 2
    for code, tongue in TONGUES.items():
        assert len(tongue.words) == len(english.words)
        assert len(set(tongue.words)) == len(tongue.words), code
        assert len(tongue.months_in_dates) == len(tongue.months) == 12
        assert len(tongue.weekdays) == 7
        assert tongue.sentences.keys() == english.sentences.keys()
        assert tongue.languages.keys() == TONGUES.keys()
        for name, sentence in tongue.sentences.items():
            fields = sorted(re.findall(r"\{(\w+)\}", sentence))
            assert fields == sorted(re.findall(r"\{(\w+)\}", english.sentences[name]))


def test_language_of_each_prompt() -> None:
    seen = Counter(
        template.make(np.random.default_rng(0)).language for template in multilingual.TEMPLATES
    )
    assert seen.keys() == TONGUES.keys()
    assert min(seen.values()) >= 12


@pytest.mark.parametrize("code", TONGUES)
def test_arithmetic_in_words(code: str) -> None:
    tongue = TONGUES[code]
    value = {spell(n, code): n for n in range(1000)}
    signs = {tongue.plus: int.__add__, tongue.minus: int.__sub__, tongue.times: int.__mul__}
    gap = "" if code == "zh" else " "
    pattern = "|".join(re.escape(f"{gap}{sign}{gap}") for sign in signs)
    body = re.escape(tongue.sentences["sum"]).replace(r"\{words\}", f"(.+)({pattern})(.+)")
    for prompt in made(f"multilingual/sum-{code}"):
        found = re.fullmatch(body, prompt.text)
        assert found
        assert prompt.answer == str(signs[found[2].strip()](value[found[1]], value[found[3]]))
        assert prompt.language == code


@pytest.mark.parametrize("code", TONGUES)
def test_days_and_dates(code: str) -> None:
    tongue = TONGUES[code]
    monday = date(2024, 1, 1)
    for prompt in made(f"multilingual/weekday-{code}"):
        (start,) = [
            n for n, day in enumerate(tongue.weekdays) if day in re.split(r"\d", prompt.text)[0]
        ][:1]
        days = int(re.findall(r"\d+", prompt.text)[0])
        assert prompt.answer == tongue.weekdays[(monday + timedelta(start + days)).weekday()]
    for prompt in made(f"multilingual/date-{code}"):
        later = int(re.findall(r"\d+", prompt.text)[-1])
        (day,) = re.findall(r"\d+", prompt.text)[-2:-1]
        assert prompt.answer is not None
        assert re.findall(r"\d+", prompt.answer)[-1] == str(int(day) + later)


def test_translation_by_table() -> None:
    for source, tongue in TONGUES.items():
        for prompt in made(f"multilingual/translate-{source}", 10):
            assert prompt.answer is not None
            answer = prompt.answer.split(", ")
            (other,) = [t for t in TONGUES.values() if set(answer) <= set(t.words) and t != tongue][
                :1
            ]
            words = [tongue.words[other.words.index(word)] for word in answer]
            assert ", ".join(words) in prompt.text
            assert not check(prompt, ", ".join(reversed(answer)))
            changes = float(other.script != tongue.script)
            assert prompt.factors["script_change"] == changes
