"""What allocators doubt of runs before their start: said once for a comparison, and not by its workers."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from readsim.allocators.base import Allocator
from readsim.allocators.modifiers import Modified
from readsim.errors import UnlikeTrainingWarning
from readsim.runs.cell import Cell
from readsim.runs.setups import setup_for
from readsim.worlds import load_world


def doubts_of(cells: Iterable[Cell]) -> list[str]:
    """The `UnlikeTrainingWarning` of each allocator of the cells at its setup, each text once, in order.

    Asked are those that check their setup and need nothing that costs; what they refuse is not told here.
    """
    made: dict[str, Allocator] = {}
    texts: dict[str, None] = {}
    for cell in cells:
        if cell.allocator_name not in made:
            with suppress(Exception):  # one that cannot be made is told with its runs
                made[cell.allocator_name] = cell.make_allocator()
        if (allocator := made.get(cell.allocator_name)) is None:
            continue
        rule = allocator.inner if isinstance(allocator, Modified) else allocator
        if allocator.needs or type(rule).check_setup is Allocator.check_setup:
            continue
        with warnings.catch_warnings(record=True) as said, suppress(Exception):
            warnings.simplefilter("always")
            setup_for(cell.make_env(load_world(cell.world)), allocator, cell.seeds[0])
        doubts = (one for one in said if issubclass(one.category, UnlikeTrainingWarning))
        texts |= dict.fromkeys(f"{one.message}." for one in doubts)
    return list(texts)


@contextmanager
def doubts_told() -> Iterator[None]:
    """Without these warnings: whoever runs the cells has told them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnlikeTrainingWarning)
        yield
