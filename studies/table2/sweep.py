"""Five methods, both ways to count the search, and the best static mixture as a bound."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import PAPER_BUDGETS
from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made, sated

LLAMA, CONFLICT, GATEWAY, SATED = "read8-llama", "conflict", "gateway", "read8-sated"
FOUR = ("reasoning", "math", "tool_use", "long_context")
METHODS = ("one-hot", "uniform", "task-static", "greedy", "grid", "grid-charged", "read")
BOUND = "oracle-static"


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """Spillover and saturation (llama), much harm (conflict), order (gateway), no spillover (isolated),
    and nothing that is scarce (sated)."""
    llama = load_world(LLAMA)
    worlds = {
        LLAMA: (LLAMA, None),
        CONFLICT: (CONFLICT, ("skill_1", "skill_2", "skill_3")),
        GATEWAY: (GATEWAY, ("math", "agent")),
        ISOLATED: (made(isolated(llama, ISOLATED), folder), FOUR),
        SATED: (made(sated(llama, 2e5, SATED), folder), FOUR[:2]),
    }
    return [
        Case(
            name,
            make_cells(
                world, tasks=tasks, budgets=PAPER_BUDGETS, allocators=[*METHODS, BOUND], seeds=seeds
            ),
        )
        for name, (world, tasks) in worlds.items()
    ]
