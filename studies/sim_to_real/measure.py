"""The real runs of `sim_to_real`, about two minutes each on one core."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import Seeds, parse_seeds
from readsim.token_counts import show_tokens
from studies.sim_to_real.mixtures import BUDGET, RANDOM, STEPS, TASK

ALLOCATORS = (
    *("uniform", "task-static", "one-hot"),
    *(f"studies.sim_to_real.mixtures:Mixture+name={name}" for name in ("chosen", *RANDOM)),
)


def main(
    seeds: Seeds = "3",
    out: Annotated[Path, typer.Option(help="The runs go into this folder.")] = Path(
        "results/sim_to_real"
    ),
) -> None:
    """Run what is missing on the pair nano; `python -m studies sim_to_real --rows OUT` reads it."""
    from readsim_hf.distill import distill

    runs = [(seed, name) for seed in parse_seeds(seeds) for name in ALLOCATORS]
    shared = {"pair": {"name": "nano"}, "task": TASK, "budget": show_tokens(BUDGET), "steps": STEPS}
    for seed, name in runs:
        distill(None, {**shared, "allocator": name, "seed": seed}, out, resume=True)
