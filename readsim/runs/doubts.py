"""What allocators doubt or refuse before their runs: said once for a comparison, not by its workers."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from readsim.allocators.base import Allocator
from readsim.errors import UnlikeTrainingWarning
from readsim.runs.cell import Cell
from readsim.runs.setups import setup_for
from readsim.worlds import load_world


def doubts_of(cells: Iterable[Cell]) -> list[str]:
    """The `UnlikeTrainingWarning` of each allocator of the cells at its setup, each text once, in order.

    Raises what an allocator refuses there, ConfigError or CapabilityMissingError. One that does not check its
    setup is not asked; one that cannot be made is told with its runs.
    """
    made: dict[str, Allocator] = {}
    texts: dict[str, None] = {}
    for cell in cells:
        if cell.allocator_name not in made:
            with suppress(Exception):
                made[cell.allocator_name] = cell.make_allocator()
        allocator = made.get(cell.allocator_name)
        if allocator is None or type(allocator).check_setup is Allocator.check_setup:
            continue
        with warnings.catch_warnings(record=True) as said:
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
