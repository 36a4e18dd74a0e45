"""Which features of a world make ReAD win or lose?

Runs ReAD and four references on worlds of the random family, measures what may matter on the worlds
themselves, and fits the paired differences. Finished runs are not repeated: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from readsim.cli.common import interruptible, progress
from readsim.errors import ConfigError, ReadsimError, RunLogError
from readsim.plots.style import save, sober
from readsim.suite.run import run_suite
from studies.features.explain import RESPONSES, explain
from studies.features.figure import draw_features
from studies.features.report import report
from studies.features.sweep import plan_sweep, world_table

LEAST = 20


def parser() -> argparse.ArgumentParser:
    """The options."""
    out = argparse.ArgumentParser(prog="python -m studies.features", description=__doc__)
    out.add_argument("--worlds", type=int, default=80, help=f"how many, at least {LEAST}")
    out.add_argument("--seeds", type=int, default=4, help="runs a world and allocator")
    out.add_argument("--steps", type=int, default=20, help="decisions a run")
    out.add_argument("--jobs", type=int, default=1)
    out.add_argument("--out", type=Path, default=Path("results/features"))
    return out


def study(given: argparse.Namespace, console: Console) -> None:
    """Run what is missing, then explain."""
    for name, least in (("worlds", LEAST), ("seeds", 2), ("steps", 2), ("jobs", 1)):
        if getattr(given, name) < least:
            raise ConfigError(f"--{name} {getattr(given, name)}: at least {least}")
    plan = plan_sweep(given.worlds, given.seeds, given.steps)
    kept = f"what is finished is kept in {given.out}, the same command goes on"
    with interruptible(kept), progress(Console(stderr=True)) as bar:
        job = bar.add_task("worlds", total=len(plan))
        troubles = run_suite(
            plan, given.out / "worlds", jobs=given.jobs, on_world=lambda _: bar.advance(job)
        )
    if troubles:
        first = troubles[0]
        raise RunLogError(
            f"{first.cell.allocator_name} failed in {first.folder}: {first.problem.text}"
        )
    table = world_table(plan, given.out / "worlds")
    table.attrs["seeds"] = given.seeds
    explained = {response: explain(table, response) for response in RESPONSES}
    text = report(table, explained)
    table.to_csv(given.out / "worlds.csv", index=False)
    (given.out / "report.md").write_text(text, encoding="utf-8")
    with sober():
        save(draw_features(table, explained), given.out / "features")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"worlds.csv, report.md and features.png are in {given.out}", markup=False)


def main() -> int:
    """Exit codes: 0, 1 after a refused setting, 130 after ctrl-C."""
    given = parser().parse_args()
    try:
        study(given, Console())
    except ReadsimError as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
