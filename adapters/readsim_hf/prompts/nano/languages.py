"""Multilingual: `wes:7 red cats` asks for `siete gatos rojos`, `wsiete gatos rojos` for `7 red cats`.

The rationale translates word by word, in the order and with the number of the question.
"""

import numpy as np

from readsim_hf.prompts.nano import vocabulary
from readsim_hf.prompts.nano.draws import between, draw_one
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

HUES = len(vocabulary.COLOURS["en"].split())
THINGS = len(vocabulary.THINGS["en"].split())
LARGEST = vocabulary.FIRST + len(vocabulary.NUMBERS["en"].split()) - 1


def _draw(rng: np.random.Generator) -> tuple[int, int, int]:
    n = between(rng, vocabulary.FIRST, LARGEST)
    return n, between(rng, 0, HUES - 1), between(rng, 0, THINGS - 1)


def _factors(language: str, words: int) -> dict[str, float]:
    """Language tier and sentence length in words; the script never changes."""
    return {"tier": vocabulary.TIER[language], "words": words}


def _write(rng: np.random.Generator) -> Filled:
    language = draw_one(rng, vocabulary.LANGUAGES)
    n, hue, thing = _draw(rng)
    english = f"{n} {vocabulary.colour('en', hue, thing)} {vocabulary.thing('en', thing)}"
    words = (
        vocabulary.number_word(language, n),
        vocabulary.colour(language, hue, thing),
        vocabulary.thing(language, thing),
    )
    return Filled(
        text=f"w{language}:{english}",
        answer=vocabulary.phrase(language, n, hue, thing),
        rationale=",".join(words),
        factors=_factors(language, 3),
        language=language,
    )


def _read(rng: np.random.Generator) -> Filled:
    language = draw_one(rng, vocabulary.LANGUAGES[1:])
    n, hue, thing = _draw(rng)
    english = (vocabulary.colour("en", hue, thing), vocabulary.thing("en", thing))
    order = english[::-1] if language in vocabulary.NOUN_FIRST else english
    return Filled(
        text=f"w{vocabulary.phrase(language, n, hue, thing)}",
        answer=f"{n} {' '.join(english)}",
        rationale=",".join((vocabulary.number_word("en", n), *order)),
        factors=_factors(language, 3),
        language=language,
    )


def _carry(rng: np.random.Generator) -> Filled:
    """From one foreign language to another, `wit:siete gatos`; the rationale goes by English."""
    source = draw_one(rng, vocabulary.LANGUAGES[1:])
    target = draw_one(rng, [name for name in vocabulary.LANGUAGES[1:] if name != source])
    n, _, thing = _draw(rng)
    return Filled(
        text=f"w{target}:{vocabulary.phrase(source, n, None, thing)}",
        answer=vocabulary.phrase(target, n, None, thing),
        rationale=f"{n} {vocabulary.thing('en', thing)}",
        factors=_factors(target, 2),
        language=target,
    )


TEMPLATES = (
    NanoTemplate("nano/multilingual/write", "multilingual", _write),
    NanoTemplate("nano/multilingual/read", "multilingual", _read),
    NanoTemplate("nano/multilingual/carry", "multilingual", _carry),
)
