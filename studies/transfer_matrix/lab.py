"""What the study is done on: names, a backend for each budget, and what is known in addition to the runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from readsim.arrays import Array
from readsim.backend import Backend
from readsim.errors import ConfigError
from readsim.runs.cell import world_digest
from readsim.simulator import SimBackend
from readsim.worlds import World, load_world


class Reference(NamedTuple):
    """Scores (K,) on the test split of student (at the start), chance and teacher; items (K,)."""

    start: Array
    floor: Array
    teacher: Array
    items: Array
    test_items: Array


@dataclass(frozen=True)
class Lab:
    """`name` and `digest` identify it in the run logs; `facts` are kept with the results."""

    name: str
    digest: str
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    backend: Callable[[int], Backend]
    reference: Callable[[], Reference]
    facts: Mapping[str, Any]


def sim_lab(world: World | str) -> Lab:
    """A simulated world. Raises ConfigError for one with hidden capabilities or negated losses."""
    loaded = load_world(world)
    if loaded.hidden or not loaded.is_score:
        raise ConfigError(f"world {loaded.name!r}: the study needs visible scores")
    start, floor, ceiling = loaded.start, loaded.floor, loaded.ceiling
    return Lab(
        name=loaded.name,
        digest=world_digest(loaded),
        sources=loaded.sources,
        capabilities=loaded.capabilities,
        backend=lambda budget: SimBackend(loaded, budget),
        reference=lambda: Reference(start, floor, ceiling, loaded.items, loaded.test_items),
        facts={"what": f"simulated world {loaded.name}"},
    )
