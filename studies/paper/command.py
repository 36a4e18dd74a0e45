"""The command of a study: run what is missing, analyse the rows, write and show."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from readsim.commands import interruptible, parse_seeds, progress
from readsim.errors import ReadsimError
from readsim.parallel import use_backend
from readsim.summary.runs import read_logs
from studies.paper.claim import Verdict
from studies.paper.runs import jobs_of, read_case, run_jobs
from studies.paper.show import show
from studies.paper.study import Findings, Study
from studies.paper.write import write_findings

OUT = Path("results/studies")


def measure(study: Study, seeds: Sequence[int], out: Path, jobs: int) -> Findings:
    """Run the study's cases into the store `out`/rows, and analyse them."""
    cases = study.cases(seeds, out / "worlds")
    todo = jobs_of(cases, out / "rows")
    with progress(Console(stderr=True)) as bar:
        job = bar.add_task(study.name, total=len(todo))
        run_jobs(todo, jobs, lambda: bar.advance(job))
    return study.findings({case.name: read_case(case, out / "rows") for case in cases})


def report(
    study: Study,
    console: Console,
    *,
    seeds: Sequence[int],
    out: Path = OUT,
    jobs: int | None = None,
    backend: str = "loky",
    rows: Sequence[Path] = (),
) -> list[Verdict]:
    """The whole study, its files in `out`/NAME; with `rows`, of these folders of run logs instead."""
    jobs = jobs or os.cpu_count() or 1
    command = f"python -m studies.{study.name}"
    if rows:
        findings = study.findings({str(folder): read_logs(folder) for folder in rows})
        command += "".join(f" --rows {folder}" for folder in rows)
    else:
        command += f" --seeds {','.join(map(str, seeds))}"
        with use_backend(backend, jobs):
            findings = measure(study, seeds, out, jobs)
    verdicts = write_findings(study, findings, command, out / study.name)
    show(console, study, findings, verdicts)
    return verdicts


def main(study: Study) -> None:
    """The command line of one study. Exit codes: 0; 2 after an error of ours; 130 after ctrl-C."""

    def command(
        seeds: Annotated[str, typer.Option(help="Number of seeds, or seeds with commas.")] = str(
            study.seeds
        ),
        out: Annotated[Path, typer.Option(help="Folder of all studies: rows are shared.")] = OUT,
        jobs: Annotated[
            int | None, typer.Option(help="Parallel processes; as many as cores.")
        ] = None,
        backend: Annotated[str, typer.Option(help="loky (processes), ray or dask.")] = "loky",
        rows: Annotated[
            list[Path] | None,
            typer.Option(help="Analyse run logs of this folder instead; repeatable."),
        ] = None,
    ) -> None:
        with interruptible(f"finished runs are kept in {out}, the same command goes on"):
            report(
                study,
                Console(),
                seeds=parse_seeds(seeds),
                out=out,
                jobs=jobs,
                backend=backend,
                rows=rows or (),
            )

    command.__doc__ = f"{study.title}: {study.question}"
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app(prog_name=f"python -m studies.{study.name}")
    except ReadsimError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)
