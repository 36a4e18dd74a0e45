"""One cell of a grid: what is run, and the configuration its log records."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from readsim.worlds import World, world_to_dict

PAPER_ALLOCATORS = ("one-hot", "uniform", "task-static", "greedy", "grid", "read", "oracle-static")


PAPER_BUDGETS = (20_000_000, 150_000_000)


@dataclass(frozen=True, eq=False)
class Cell:
    """Runs that share everything but the seed.

    `settings` are passed to the allocator; `requirement` is a mode of
    `readsim.envs.requirement_modes`, or None for the task's own.
    """

    world: str
    task: str
    budget: int
    steps: int
    allocator: str
    seeds: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    requirement: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the run log: `ALLOCATOR.TASK.BUDGET.jsonl`, with anything odd replaced."""
        text = f"{self.allocator}.{self.task}.{self.budget}"
        safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in text)
        if safe == text:
            return f"{safe}.jsonl"
        return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.jsonl"


def world_digest(world: World) -> str:
    """First 16 hex digits of the SHA-256 of the world's data."""
    text = json.dumps(world_to_dict(world), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cell_config(cell: Cell, world: World) -> dict[str, Any]:
    """The header of a cell's log: what must be equal for a log to be continued."""
    config = asdict(cell)
    config.pop("seeds")
    said = config.pop("requirement")
    return {
        **config,
        "world": world.name,
        "world_digest": world_digest(world),
        "sources": list(world.sources),
        "capabilities": list(world.capabilities),
        "hidden": list(world.hidden),
        "requirement": world.task(cell.task).requirement.tolist(),
        "seeds": list(cell.seeds),
        **({} if said is None else {"told": said}),
    }
