"""Every method on the task of every capability; and how much help it takes to beat a specialist."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import PAPER_BUDGETS
from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, column_tasks, isolated, made, related

WORLDS = ("read8-llama", "read8-qwen")
METHODS = ("one-hot", "uniform", "task-static", "grid", "read")
COLUMNS = "read8-llama-columns"  # added after the other cases had been seen: nothing was expected
ONE_RUN = "read-no-identification"  # r = 1/K: one student for all columns
ONE_RUN_TASK = "math"  # any: without identification its task changes nothing but the utility
HELP = (0, 1, 4, 16, 64)  # times the help between capabilities of read8-llama, without any harm


def help_case(factor: int) -> str:
    """The name of the case whose world has this much help."""
    return f"help-x{factor}"


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """The tables' runs, and static ones in worlds with more and more help."""
    llama = load_world(WORLDS[0])
    apart = made(isolated(llama, ISOLATED), folder)
    out = []
    for name, world in [*((w, w) for w in WORLDS), (ISOLATED, apart)]:
        cells = make_cells(world, budgets=PAPER_BUDGETS, allocators=METHODS, seeds=seeds)
        one = make_cells(
            world, tasks=[ONE_RUN_TASK], budgets=PAPER_BUDGETS, allocators=[ONE_RUN], seeds=seeds
        )
        out.append(Case(name, (*cells, *one)))
    columns = made(column_tasks(llama, COLUMNS), folder)
    cells = make_cells(
        columns, budgets=PAPER_BUDGETS, allocators=["one-hot", "uniform", "read"], seeds=seeds
    )
    out.append(Case(COLUMNS, cells))
    for factor in HELP:
        world = made(column_tasks(related(llama, factor, "related"), help_case(factor)), folder)
        cells = make_cells(
            world,
            budgets=PAPER_BUDGETS[-1:],
            steps=1,
            allocators=["one-hot", "oracle-static"],
            seeds=seeds,
        )
        out.append(Case(help_case(factor), cells))
    return out
