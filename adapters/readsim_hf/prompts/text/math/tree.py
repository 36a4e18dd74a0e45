"""Random arithmetic expressions: trees of +, - and * over whole numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim_hf.prompts.slots import is_whole

# A tree is a whole number or (sign, tree, tree).
Tree = Any
_SIGNS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


@dataclass(frozen=True)
class Trees:
    """Expressions of `least` to `most` operations over numbers from low to high."""

    least: int
    most: int
    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> Tree:
        return self._grow(rng, int(rng.integers(self.least, self.most, endpoint=True)))

    def _grow(self, rng: np.random.Generator, size: int) -> Tree:
        if size == 0:
            return int(rng.integers(self.low, self.high, endpoint=True))
        left = int(rng.integers(size))
        sign = tuple(_SIGNS)[int(rng.integers(len(_SIGNS)))]
        return (sign, self._grow(rng, left), self._grow(rng, size - 1 - left))

    def check(self, value: object) -> bool:
        if not _is_tree(value) or not self.least <= operations(value) <= self.most:
            return False
        return all(is_whole(leaf, self.low, self.high) for leaf in leaves(value))


def _is_tree(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) == 3 and value[0] in _SIGNS and all(map(_is_tree, value[1:]))
    return isinstance(value, int)


def operations(tree: Tree) -> int:
    """How many signs it has."""
    return 1 + operations(tree[1]) + operations(tree[2]) if isinstance(tree, tuple) else 0


def depth(tree: Tree) -> int:
    """Operations on the longest path: steps that have to wait for one another."""
    return 1 + max(depth(tree[1]), depth(tree[2])) if isinstance(tree, tuple) else 0


def leaves(tree: Tree) -> list[int]:
    """The numbers, from left to right."""
    return [*leaves(tree[1]), *leaves(tree[2])] if isinstance(tree, tuple) else [tree]


def value(tree: Tree) -> int:
    """What it comes to."""
    if not isinstance(tree, tuple):
        return int(tree)
    return int(_SIGNS[tree[0]](value(tree[1]), value(tree[2])))


def write(tree: Tree) -> str:
    """As text, with parentheses around each compound part."""
    if not isinstance(tree, tuple):
        return str(tree)
    parts = (f"({write(part)})" if isinstance(part, tuple) else str(part) for part in tree[1:])
    return f" {tree[0]} ".join(parts)


def steps(tree: Tree) -> list[str]:
    """One line an operation, innermost first."""
    if not isinstance(tree, tuple):
        return []
    sign, left, right = tree
    a, b = value(left), value(right)
    written = f"({b})" if b < 0 else str(b)
    return [*steps(left), *steps(right), f"{a} {sign} {written} = {value(tree)}."]
