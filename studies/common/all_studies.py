"""`python -m studies all`: every study of the paper, then one table of verdicts.

Rows that two studies need are run once; what is finished is not run again.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_target, parse_list, parse_seeds
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.tree_file import write_frame
from studies.common.catalogue import NAMES, load_study
from studies.common.claim import ClaimVerdict
from studies.common.command import (
    OUT,
    command_of,
    conclude,
    findings_of,
    run_missing,
    seeds_option,
)
from studies.common.options import Backend, Jobs, Out, Slurm
from studies.common.outputs import refuse_other_results, verdict_table
from studies.common.show import markdown, show_verdicts, summary_block, write_block
from studies.common.study import Study

ROOT = Path(__file__).parents[2]


def main(
    only: Annotated[
        str | None,
        typer.Option(help="Only these studies are run, separated by commas.", show_default="all"),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Each run is repeated with this many seeds, or with the seeds listed: 3,5.",
            show_default="each study's own",
        ),
    ] = None,
    out: Out = OUT,
    jobs: Jobs = None,
    backend: Backend = "loky",
    slurm: Slurm = 0,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="The results are put into README files and docs/results.md of this clone.",
        ),
    ] = False,
) -> None:
    """Run what is missing, analyse, and show the verdicts."""
    console = Terminal()
    names = parse_list(only, "only") or list(NAMES)
    chosen = {name: load_study(name) for name in names}
    given = None if seeds is None else parse_seeds(seeds)
    found: dict[str, tuple[Study, list[ClaimVerdict]]] = {}
    need_target(out / "verdicts.csv")
    with interruptible(f"finished runs are kept in {out}, the same command resumes"):
        numbers = {name: given or range(study.seeds) for name, study in chosen.items()}
        options = {name: seeds_option(numbers[name]) for name in chosen}
        for name, study in chosen.items():
            refuse_other_results(out / name, command_of(study, options[name]))
        cases = {name: study.cases(numbers[name], out / "worlds") for name, study in chosen.items()}
        run_missing([case for some in cases.values() for case in some], out, jobs, backend, slurm)
        for name, study in chosen.items():
            findings = findings_of(study, cases[name], out)
            found[name] = study, conclude(study, findings, console, out, options[name])
    verdicts = [v for _, some in found.values() for v in some]
    table = verdict_table(verdicts)
    table.insert(0, "study", [name for name, (_, some) in found.items() for _ in some])
    write_frame(out / "verdicts.csv", table)
    show_verdicts(console, "all claims", verdicts)
    count = Counter(v.as_expected for v in verdicts)
    console.print(
        f"{count[True]} as expected, {count[False]} not, {count[None]} undecided or without expectation; "
        f"files are in {out}"
    )
    if write:
        for name, (study, some) in found.items():
            write_block(ROOT / "studies" / name / "README.md", markdown(study.claims, some))
        if len(found) == len(NAMES):
            write_block(ROOT / "docs" / "results.md", summary_block(found))
