"""The whole loop of the paper on a real pair, and what it is worth.

Each seed trains the same student, with the same recipe, budget and prompt streams, by
ReAD with the requirement identified from the task's card, the six one-hot baselines, and the
static splits. The table pairs all with ReAD. Finished runs are left as they are: the same command resumes.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from readsim.cli.common import Seeds, parse_seeds
from readsim.cli.output import Terminal
from readsim.cli.scores import scores
from readsim.summary.scores import read_tested
from readsim_hf.distill import distill
from readsim_hf.methods.table import METHODS
from studies.common.options import Budget, Folder, Steps

READ = "read+guard=0.1"
PAPERS = tuple(name for name in METHODS if name.partition("-")[0] in ("resp", "cot", "logit"))


def plan(pool_runs: int) -> list[dict[str, Any]]:
    """The options of each run of a seed, beside what all share."""
    read = {"allocator": READ, "identify": True, "pool_runs": pool_runs}
    one_hot = [{"allocator": "one-hot", "method": method} for method in PAPERS]
    return [read, *one_hot, {"allocator": "uniform"}, {"allocator": "task-static"}]


def main(
    pair: Annotated[str, typer.Option(help="The models are this pair: nano or smollm2.")] = "nano",
    task: Annotated[
        str, typer.Option(help="This capability has weight 0.6 in the utility.")
    ] = "math",
    budget: Budget = "120k",
    steps: Steps = 10,
    seeds: Seeds = "3",
    pool_runs: Annotated[int, typer.Option(help="ReAD's pool has this many short trainings.")] = 24,
    out: Folder = Path("results/real_read"),
) -> None:
    """Run what is missing, then print the table."""
    console = Terminal()
    runs = [(seed, options) for seed in parse_seeds(seeds) for options in plan(pool_runs)]
    shared = {"pair": {"name": pair}, "task": task, "budget": budget, "steps": steps}
    for number, (seed, options) in enumerate(runs, 1):
        console.rule(f"{number}/{len(runs)}: seed {seed}, {options}")
        distill(None, {**shared, **options, "seed": seed}, out, resume=True)
    label = next(run.label for run in read_tested(out) if run.header.identified is not None)
    scores(out, label)
