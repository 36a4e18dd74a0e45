"""The tasks that the identifier learns from: each capability, and random mixtures."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.streams import generator
from readsim_hf.prompts.library import Library
from readsim_hf.requirement.builtin import card_names, draw_card
from readsim_hf.requirement.config import IdentifierConfig

TRAINED = (0, 1)  # wordings that training sees; the last one of each list is for held-out cards


class Auxiliary(NamedTuple):
    """A card's text and the utility of its task over the capabilities (K,)."""

    text: str
    weights: Array


def auxiliary_tasks(
    config: IdentifierConfig,
    library: Library,
    seed: int,
    test_keys: Collection[str] = (),
    *,
    held_out: bool = False,
) -> list[Auxiliary]:
    """`wordings` cards of each task: one per capability, then `mixtures` of two or three.

    Mixtures are Dirichlet(1) on a random support. `held_out` gives other mixtures, other exemplars and
    the wording that training never sees.
    """
    names = [c for c in library.capabilities if c in card_names()]
    rng = generator(seed, "requirement", 1 + held_out)
    weights = list(
        np.eye(len(library.capabilities))[[library.capabilities.index(n) for n in names]]
    )
    for _ in range(config.mixtures if len(names) > 1 else 0):
        size = int(rng.integers(2, min(3, len(names)) + 1))
        chosen = rng.choice(len(names), size, replace=False)
        row = np.zeros(len(library.capabilities))
        row[[library.capabilities.index(names[c]) for c in chosen]] = rng.dirichlet(np.ones(size))
        weights.append(row)
    out = []
    for row in weights:
        table = {c: float(w) for c, w in zip(library.capabilities, row, strict=True) if w > 0}
        for _ in range(1 if held_out else config.wordings):
            wording = (2,) if held_out else TRAINED
            out.append(Auxiliary(draw_card(table, library, rng, test_keys, wording).text, row))
    return out
