"""ReAD without one component each, and with one mend each; worlds in which a component has nothing to do."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import PAPER_BUDGETS
from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import made, straight

LLAMA, CONFLICT, MISALIGNED, STRAIGHT = "read8-llama", "conflict", "misaligned-r", "read8-straight"
COMPONENTS = ("identification", "adaptation", "interaction", "history")
_OWN = "read+ensemble.own_weight=160"  # a run's 20 rows weigh as much as the pool's 3,200
MENDS = {
    "persistent": "read+persistent=true",
    "shares": "read+persistent=true+shares=true",
    "level": "read+persistent=true+target=level",
    "own-rows": _OWN,
    "refit": f"{_OWN}+ensemble.refit=true",
    "rescale": "read+rescale=true",
    "visible-price": "read+penalty=predicted",
    "improvement": "read+rule=improvement",
    "mended": "read+variant=mended",
}
METHODS = ("uniform", "read", *(f"read-no-{name}" for name in COMPONENTS), *MENDS.values())


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """Spillover and saturation (llama), much harm (conflict), a wrong r (misaligned-r), and a world in
    which gains neither saturate nor spill over (straight)."""
    plain = straight(load_world(LLAMA), 2e8, STRAIGHT)
    worlds = {
        LLAMA: (LLAMA, ("reasoning", "math", "tool_use", "long_context")),
        CONFLICT: (CONFLICT, ("skill_1", "skill_2")),
        MISALIGNED: (MISALIGNED, ("reasoning", "math")),
        STRAIGHT: (made(plain, folder), ("reasoning", "math")),
    }
    methods = dict.fromkeys((LLAMA, CONFLICT), METHODS)
    # The other worlds do without what is fitted anew at each decision.
    cheap = tuple(name for name in METHODS if name != MENDS["refit"])
    return [
        Case(
            name,
            make_cells(
                world,
                tasks=tasks,
                budgets=PAPER_BUDGETS,
                allocators=methods.get(name, cheap),
                seeds=seeds,
            ),
        )
        for name, (world, tasks) in worlds.items()
    ]
