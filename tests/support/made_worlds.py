"""The smallest world file, as a table, and variants of it."""

from typing import Any

from readsim.worlds import World, world_from_dict


def table(**changes: Any) -> dict[str, Any]:
    """The smallest world file, as a table; None leaves a field out."""
    base = {
        "name": "small",
        "capabilities": ["math", "code"],
        "dynamics": "potential",
        "start": 0.3,
        "ceiling": 0.9,
        "scale_tokens": 1e7,
        "help": [[0.2, 0.1], [0.0, 0.3]],
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def made(**changes: Any) -> World:
    return world_from_dict(table(**changes))
