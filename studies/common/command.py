"""The command of a study: run what is missing, analyse the rows, write and show."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from readsim.cli.common import Seeds, parse_seeds, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.runs.parallel import checked_jobs, use_backend
from readsim.runs.read_logs import read_logs
from studies.common.claim import ClaimVerdict
from studies.common.options import Backend, Jobs, Out, Slurm
from studies.common.outputs import refuse_other_results, write_findings
from studies.common.show import show
from studies.common.slurm import run_array
from studies.common.store import jobs_of, read_case, run_jobs
from studies.common.study import Case, Findings, Study

OUT = Path("results/studies")


def run_missing(
    cases: Sequence[Case], out: Path, jobs: int | None, backend: str, slurm: int
) -> None:
    """Run what the store `out`/rows lacks, here or as an array of `slurm` tasks."""
    todo = jobs_of(cases, out / "rows")
    if slurm:
        run_array(todo, slurm, out.absolute() / "slurm")
        return
    jobs = checked_jobs(os.cpu_count() or 1 if jobs is None else jobs)
    with use_backend(backend, jobs), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("runs", total=len(todo))
        run_jobs(todo, jobs, lambda: bar.advance(job))


def findings_of(study: Study, cases: Sequence[Case], out: Path) -> Findings:
    """The analysis of cases whose runs are in the store."""
    return study.findings({case.name: read_case(case, out / "rows") for case in cases})


def conclude(
    study: Study, findings: Findings, console: Console, out: Path, options: str
) -> list[ClaimVerdict]:
    """Write the study's files into `out`/NAME and show them; `options` are those that made them."""
    command = command_of(study, options)
    verdicts = write_findings(study, findings, command, out / study.name)
    show(console, study, findings, verdicts)
    return verdicts


def command_of(study: Study, options: str) -> str:
    """What makes the results again."""
    return f"python -m studies {study.name} {options}"


def seeds_option(seeds: Sequence[int]) -> str:
    """`--seeds 8` for 0 to 7, `--seeds 3,5` for others."""
    plain = list(seeds) == list(range(len(seeds))) and len(seeds) > 1
    return f"--seeds {len(seeds) if plain else ','.join(map(str, seeds))}"


def command_for(study: Study) -> Callable[..., None]:
    """The command of one study: a function whose arguments are its options."""

    def command(
        seeds: Seeds = str(study.seeds),
        out: Out = OUT,
        jobs: Jobs = None,
        backend: Backend = "loky",
        slurm: Slurm = 0,
        rows: Annotated[
            list[Path] | None,
            typer.Option(
                help="The run logs in this folder are analysed, and nothing is run; the option "
                "may be repeated."
            ),
        ] = None,
    ) -> None:
        with interruptible(f"finished runs are kept in {out}, the same command resumes"):
            numbers = parse_seeds(seeds)
            given = [f"--rows {folder}" for folder in rows or ()]
            options = " ".join(given) or seeds_option(numbers)
            refuse_other_results(out / study.name, command_of(study, options))
            if rows:
                findings = study.findings({str(folder): read_logs(folder) for folder in rows})
            else:
                cases = study.cases(numbers, out / "worlds")
                run_missing(cases, out, jobs, backend, slurm)
                findings = findings_of(study, cases, out)
            conclude(study, findings, Terminal(), out, options)

    command.__doc__ = f"{study.title}: {study.question}"
    return command
