"""Random propositional formulas: a tree of and, or, xor and not over a few letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

VARIABLES = "PQRS"
# A formula is a letter, ("not", formula), or (connective, formula, formula).
Formula = Any
_CONNECTIVES = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
}


@dataclass(frozen=True)
class Formulas:
    """Formulas over the first `letters` letters with `least` to `most` connectives."""

    letters: int
    least: int
    most: int

    def draw(self, rng: np.random.Generator) -> Formula:
        return self._grow(rng, int(rng.integers(self.least, self.most, endpoint=True)))

    def _grow(self, rng: np.random.Generator, size: int) -> Formula:
        if size == 0:
            tree: Formula = VARIABLES[int(rng.integers(self.letters))]
        else:
            left = int(rng.integers(size))
            name = tuple(_CONNECTIVES)[int(rng.integers(len(_CONNECTIVES)))]
            tree = (name, self._grow(rng, left), self._grow(rng, size - 1 - left))
        return ("not", tree) if rng.random() < 0.25 else tree

    def check(self, truth: object) -> bool:
        try:
            fits = self.least <= connectives(truth) <= self.most
            return fits and set(letters_of(truth)) <= set(VARIABLES[: self.letters])
        except (TypeError, ValueError):
            return False


def _parts(formula: Formula) -> tuple[Formula, ...]:
    """The direct parts of a formula; raises ValueError for something else."""
    if isinstance(formula, str) and formula in tuple(VARIABLES):
        return ()
    if isinstance(formula, tuple) and formula:
        if formula[0] == "not" and len(formula) == 2:
            return formula[1:]
        if formula[0] in _CONNECTIVES and len(formula) == 3:
            return formula[1:]
    raise ValueError(f"{formula!r} is no formula")


def connectives(formula: Formula) -> int:
    """Connectives other than `not`."""
    parts = _parts(formula)
    return (len(parts) == 2) + sum(map(connectives, parts))


def symbols(formula: Formula) -> int:
    """Connectives and negations."""
    parts = _parts(formula)
    return bool(parts) + sum(map(symbols, parts))


def formula_depth(formula: Formula) -> int:
    """Levels of nesting."""
    return 1 + max(map(formula_depth, _parts(formula)), default=-1)


def letters_of(formula: Formula) -> list[str]:
    """The letters that occur, in alphabetical order."""
    parts = _parts(formula)
    found = {letter for part in parts for letter in letters_of(part)} if parts else {formula}
    return sorted(found)


def write_formula(formula: Formula) -> str:
    """The formula as text, with parentheses around every compound part."""
    parts = _parts(formula)
    inside = [
        write_formula(part) if not _parts(part) else f"({write_formula(part)})" for part in parts
    ]
    if not parts:
        return str(formula)
    return f"not {inside[0]}" if len(parts) == 1 else f"{inside[0]} {formula[0]} {inside[1]}"


def truth(formula: Formula, of: Mapping[str, bool]) -> bool:
    """Its truth value."""
    parts = [truth(part, of) for part in _parts(formula)]
    if not parts:
        return of[formula]
    return not parts[0] if len(parts) == 1 else bool(_CONNECTIVES[formula[0]](*parts))


def formula_steps(formula: Formula, of: Mapping[str, bool]) -> list[str]:
    """One line a compound part, innermost first: what it is."""
    parts = _parts(formula)
    if not parts:
        return []
    lines = [line for part in parts for line in formula_steps(part, of)]
    lines.append(f"{write_formula(formula)} is {str(truth(formula, of)).lower()}.")
    return list(dict.fromkeys(lines))
