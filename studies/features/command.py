"""Which features of a world make ReAD win or lose?

Runs ReAD and four references on worlds of the random family, measures what may matter on the worlds
themselves, and fits the paired differences. Finished runs are not repeated: the same command resumes.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_target, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import CapabilityMissingError, ConfigError, RunLogError
from readsim.plots.style import save, sober
from readsim.suite.run import run_suite
from readsim.tree_file import write_atomic, write_frame
from studies.features.explain import RESPONSES, explain
from studies.features.report import draw_features, report
from studies.features.sweep import plan_sweep, world_table

LEAST = 20


def main(
    worlds: Annotated[
        int, typer.Option(help=f"This many worlds are drawn, at least {LEAST}.")
    ] = 80,
    seeds: Annotated[
        int, typer.Option(help="Each allocator runs this many times in each world.")
    ] = 4,
    steps: Annotated[int, typer.Option(help="A run has this many decisions.")] = 20,
    jobs: Annotated[int, typer.Option(help="This many processes work in parallel.")] = 1,
    out: Annotated[Path, typer.Option(help="Runs and report go into this folder.")] = Path(
        "results/features"
    ),
) -> None:
    """Which features of a world make ReAD win or lose? Missing runs are made first."""
    console = Terminal()
    for name, value, least in (
        ("worlds", worlds, LEAST),
        ("seeds", seeds, 2),
        ("steps", steps, 2),
        ("jobs", jobs, 1),
    ):
        if value < least:
            raise ConfigError(f"--{name} {value}: at least {least}")
    if find_spec("sklearn") is None:
        raise CapabilityMissingError(
            "the study features needs scikit-learn: pip install 'readsim[dev]'"
        )
    need_target(out / "report.md")
    plan = plan_sweep(worlds, seeds, steps)
    kept = f"finished runs are kept in {out}, the same command resumes"
    with interruptible(kept), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("worlds", total=len(plan))
        troubles = run_suite(plan, out / "worlds", jobs=jobs, on_world=lambda _: bar.advance(job))
    if troubles:
        first = troubles[0]
        raise RunLogError(
            f"{first.cell.allocator_name} failed in {first.folder}: {first.problem.text}"
        )
    table = world_table(plan, out / "worlds")
    table.attrs["seeds"] = seeds
    explained = {response: explain(table, response) for response in RESPONSES}
    text = report(table, explained)
    write_frame(out / "worlds.csv", table)
    write_atomic(out / "report.md", text.encode())
    with sober():
        save(draw_features(table, explained), out / "features")
    console.print(text, highlight=False, soft_wrap=True)
    console.print(f"worlds.csv, report.md and features.png are in {out}")
