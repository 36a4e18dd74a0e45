"""What allocators doubt or refuse before their runs: said once for a comparison, not by its workers."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from readsim.allocators.base import Allocator
from readsim.errors import UnlikeTrainingWarning
from readsim.runs.cell import Cell
from readsim.runs.setups import setup_for
from readsim.worlds import load_world


def refuse_unsuited(cells: Iterable[Cell]) -> None:
    """Raises what an allocator of the cells refuses at its setup: ConfigError, CapabilityMissingError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said elsewhere, once
        for cell, allocator in _with_checks(cells):
            setup_for(cell.make_env(load_world(cell.world)), allocator, cell.seeds[0])


def doubts_of(cells: Iterable[Cell]) -> list[str]:
    """The `UnlikeTrainingWarning` of each allocator of the cells at its setup, each text once, in order.

    What allocators refuse is not told here.
    """
    texts: dict[str, None] = {}
    for cell, allocator in _with_checks(cells):
        with warnings.catch_warnings(record=True) as said, suppress(Exception):
            warnings.simplefilter("always")
            setup_for(cell.make_env(load_world(cell.world)), allocator, cell.seeds[0])
        doubts = (one for one in said if issubclass(one.category, UnlikeTrainingWarning))
        texts |= dict.fromkeys(f"{one.message}." for one in doubts)
    return list(texts)


def _with_checks(cells: Iterable[Cell]) -> Iterator[tuple[Cell, Allocator]]:
    """Each cell whose allocator checks its setup; one that cannot be made is told with its runs."""
    made: dict[str, Allocator] = {}
    for cell in cells:
        if cell.allocator_name not in made:
            with suppress(Exception):
                made[cell.allocator_name] = cell.make_allocator()
        allocator = made.get(cell.allocator_name)
        if allocator and type(allocator).check_setup is not Allocator.check_setup:
            yield cell, allocator


@contextmanager
def doubts_told() -> Iterator[None]:
    """Without these warnings: whoever runs the cells has told them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnlikeTrainingWarning)
        yield
