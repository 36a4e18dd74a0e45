"""Steerability: follow the rules that a prompt states about the form of its answer.

`sRU:tom` applies R, then U. Rules: U upper case, R reversed, D doubled, C letters with commas.
"""

from collections.abc import Callable

import numpy as np

from readsim_hf.prompts.nano.draws import LETTERS, between, draw_order, several, word
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

RULES: dict[str, Callable[[str], str]] = {
    "U": str.upper,
    "R": lambda text: text[::-1],
    "D": lambda text: text + text,
    "C": ",".join,
}


def _factors(rules: int, fields: int, letters: int) -> dict[str, float]:
    """Number of rules, of schema fields, and of letters to treat."""
    return {"rules": rules, "fields": fields, "letters": letters}


def _rules(n: int) -> Callable[[np.random.Generator], Filled]:
    """n rules one after the other; the rationale is the text before and after each."""

    def fill(rng: np.random.Generator) -> Filled:
        given = word(rng, 3, 5 if n == 1 else 4)
        stages, rules = [given], several(rng, tuple(RULES), n)
        for rule in rules:
            stages.append(RULES[rule](stages[-1]))
        return Filled(
            text=f"s{''.join(rules)}:{given}",
            answer=stages[-1],
            rationale=">".join(stages),
            factors=_factors(n, 0, len(given)),
        )

    return fill


def _schema(rng: np.random.Generator) -> Filled:
    """`s{b,a}a:tom,b:kin` asks for the fields in the order of the schema."""
    asked = several(rng, LETTERS, between(rng, 2, 3))
    values = {key: word(rng, 3, 3) for key in asked}
    given = ",".join(f"{key}:{values[key]}" for key in draw_order(rng, asked))
    return Filled(
        text=f"s{{{','.join(asked)}}}{given}",
        answer="{" + ",".join(f"{key}:{values[key]}" for key in asked) + "}",
        rationale=",".join(values.values()),
        factors=_factors(1, len(asked), 3 * len(asked)),
    )


def _limit(rng: np.random.Generator) -> Filled:
    """`s<4:tomakide` asks for no more than the first four letters, which the rationale counts."""
    limit = between(rng, 2, 4)
    given = word(rng, limit + 1, 7)
    kept = given[:limit]
    return Filled(
        text=f"s<{limit}:{given}",
        answer=kept,
        rationale="".join(f"{letter}{i}" for i, letter in enumerate(kept, start=1)),
        factors=_factors(1, 0, len(given)),
    )


TEMPLATES = (
    NanoTemplate("nano/steerability/rule", "steerability", _rules(1)),
    NanoTemplate("nano/steerability/rules", "steerability", _rules(2)),
    NanoTemplate("nano/steerability/schema", "steerability", _schema),
    NanoTemplate("nano/steerability/limit", "steerability", _limit),
)
