"""Reasoning: chains of links, given out of order.

`rmax:c>d,a>c` asks for the largest, `rnext:` for the second largest, and `rgo2 a:c-k,a-c` for where
two steps from a lead. The rationale puts the chain in order.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from readsim_hf.prompts.nano.draws import LETTERS, between, draw_order, several
from readsim_hf.prompts.nano.template import Filled, NanoTemplate


def _chain(rng: np.random.Generator, links: int, sign: str) -> tuple[list[str], str]:
    """The things in order, and the links between neighbours in a drawn order."""
    things = several(rng, LETTERS, links + 1)
    pairs = [f"{a}{sign}{b}" for a, b in pairwise(things)]
    return things, ",".join(draw_order(rng, pairs))


def _factors(links: int, hops: int, kinds: int) -> dict[str, float]:
    """Constraints, hops to the answer, and symbolic complexity: symbols in the question."""
    return {"constraints": links, "hops": hops, "symbols": kinds}


def _ordering(question: str, place: int) -> Callable[[np.random.Generator], Filled]:
    """Which thing stands at a place of the order, 0 the largest, -1 the smallest."""

    def fill(rng: np.random.Generator) -> Filled:
        links = between(rng, 2, 4)
        things, given = _chain(rng, links, ">")
        return Filled(
            text=f"r{question}:{given}",
            answer=things[place],
            rationale=">".join(things),
            factors=_factors(links, links, links + 1),
        )

    return fill


def _follow(rng: np.random.Generator) -> Filled:
    links = between(rng, 2, 4)
    hops = between(rng, 1, min(links, 3))
    things, given = _chain(rng, links, "-")
    return Filled(
        text=f"rgo{hops} {things[0]}:{given}",
        answer=things[hops],
        rationale="-".join(things[: hops + 1]),
        factors=_factors(links, hops, links + 2),
    )


TEMPLATES = (
    NanoTemplate("nano/reasoning/largest", "reasoning", _ordering("max", 0)),
    NanoTemplate("nano/reasoning/smallest", "reasoning", _ordering("min", -1)),
    NanoTemplate("nano/reasoning/second", "reasoning", _ordering("next", 1)),
    NanoTemplate("nano/reasoning/follow", "reasoning", _follow),
)
