"""Cards for each capability and for the safety transfer task, and for mixtures of capabilities."""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from readsim.errors import unknown
from readsim.files import read_settings
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import question_key
from readsim_hf.requirement.card import Exemplar, TaskCard

CARDS = Path(__file__).parent / "cards"
FIELDS = ("description", "format", "evaluation")
LEAST = 0.1  # weight from which a capability has a say in the card of a mixture
EXEMPLARS = 3
SHOWN = 100  # characters of an exemplar's input: the rest of a long text says little more
TRIES = 50


@cache
def phrases(name: str) -> Mapping[str, tuple[str, ...]]:
    """What may be said of a task, by field. Raises UnknownNameError for a task without a card."""
    path = CARDS / f"{name}.toml"
    if not path.is_file():
        raise unknown("task card", name, card_names())
    table = read_settings(path)
    return {field: tuple(table[field]) for field in FIELDS}


def card_names() -> tuple[str, ...]:
    """The tasks that have a card."""
    return tuple(sorted(path.stem for path in CARDS.glob("*.toml")))


def draw_card(
    weights: Mapping[str, float],
    library: Library,
    rng: np.random.Generator,
    test_keys: Collection[str] = (),
    wording: tuple[int, ...] | None = None,
) -> TaskCard:
    """A card of the task with these weights over capabilities.

    Each field says one sentence of each capability that counts (weight >= 0.1, or the largest), heaviest
    first; exemplars are prompts of the library's templates, none with a key in `test_keys`. `wording`
    restricts the sentences to these numbers (modulo what there is).

    Raises UnknownNameError for a capability without a card.
    """
    total = sum(weights.values())
    ranked = sorted(weights, key=lambda name: -weights[name])
    named = [n for n in ranked if weights[n] >= LEAST * total] or ranked[:1]
    said = {field: [_pick(phrases(n)[field], rng, wording) for n in named] for field in FIELDS}
    with_prompts = [n for n in named if n in library.templates]
    chances = np.array([weights[n] for n in with_prompts], dtype=np.float64)
    exemplars = []
    for at in range(EXEMPLARS if with_prompts else 0):
        name = with_prompts[at] if at < len(with_prompts) else None
        name = name or with_prompts[int(rng.choice(len(chances), p=chances / chances.sum()))]
        found = _exemplar(library, name, rng, test_keys)
        exemplars += [found] if found is not None else []
    description, form, evaluation = (" ".join(said[field]) for field in FIELDS)
    return TaskCard(description, form, evaluation, tuple(exemplars))


def _pick(lines: tuple[str, ...], rng: np.random.Generator, wording: tuple[int, ...] | None) -> str:
    allowed = range(len(lines)) if wording is None else sorted({n % len(lines) for n in wording})
    return lines[allowed[int(rng.integers(len(allowed)))]]


def _exemplar(
    library: Library, name: str, rng: np.random.Generator, test_keys: Collection[str]
) -> Exemplar | None:
    """A prompt with a gold answer that is no test item; None if none was found."""
    templates = library.templates[name]
    for _ in range(TRIES):
        prompt = templates[int(rng.integers(len(templates)))].make(rng)
        if prompt.answer is not None and question_key(prompt.text) not in test_keys:
            return Exemplar(prompt.text[:SHOWN], prompt.answer[:SHOWN])
    return None
