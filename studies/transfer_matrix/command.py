"""Train on each source alone, at several budgets; write matrices, a figure and the fitted world.

Every run has its own log under OUT/runs; finished ones are not repeated, so the same command resumes
where it was. Several processes share the work with --shard 0/2, --shard 1/2; the last one to end
makes the files.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from readsim.cli.common import Seeds, need_target, parse_seeds, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.token_counts import parse_tokens
from studies.transfer_matrix.lab import Lab, sim_lab
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.plan import make_plan, shard_of
from studies.transfer_matrix.report import show, write_files
from studies.transfer_matrix.run import collect, missing, run_jobs
from studies.transfer_matrix.world import PURPOSE, world_of


def main(
    out: Annotated[Path, typer.Option(help="Runs and results go into this folder.")],
    backend: Annotated[
        Literal["hf", "sim"], typer.Option(help="Runs are real (hf) or simulated in a world (sim).")
    ] = "hf",
    pair: Annotated[str, typer.Option(help="--backend hf trains this pair.")] = "nano",
    world: Annotated[str, typer.Option(help="--backend sim runs in this world.")] = "read8-llama",
    budgets: Annotated[
        str, typer.Option(help="The runs have these numbers of tokens, separated by commas.")
    ] = "3k,10k,30k,90k",
    seeds: Seeds = "3",
    mixtures: Annotated[int, typer.Option(help="Each budget has this many held-out runs.")] = 2,
    shard: Annotated[
        str, typer.Option(help="Every N-th run is made, from the I-th on: I/N.")
    ] = "0/1",
    threads: Annotated[int, typer.Option(help="--backend hf uses this many threads.")] = 1,
) -> None:
    """Train on each source alone, at several budgets; write matrices, a figure and the fitted world."""
    console = Terminal()
    need_target(out / "measured.json")
    lab = sim_lab(world) if backend == "sim" else _real_lab(pair, threads, out)
    amounts = [parse_tokens(text) for text in budgets.split(",")]
    jobs = make_plan(lab.sources, amounts, parse_seeds(seeds), mixtures)
    mine = shard_of(jobs, shard)
    advice = f"finished runs are in {out / 'runs'}; the same command resumes"
    with interruptible(advice), progress(Terminal(stderr=True)) as bar:
        task = bar.add_task("tokens", total=sum(job.budget for job in mine))
        run_jobs(mine, lab, out, lambda job: bar.advance(task, job.budget))
    if left := len(missing(jobs, out)):
        console.print(f"{left} runs of other shards are missing: no matrix yet")
        return
    what = f"--pair {pair}" if backend == "hf" else f"--world {world}"
    command = (
        f"python -m studies transfer_matrix --backend {backend} {what} --budgets {budgets} "
        f"--seeds {seeds} --mixtures {mixtures}"
    )
    measured = Measured.of(collect(jobs, lab, out, command))
    fitted = world_of(measured, f"{lab.name.removeprefix('hf:')}-measured", PURPOSE)
    write_files(measured, fitted, out)
    show(console, measured, fitted)
    console.print(f"measured.json, matrix.*, world.toml are in {out}")


def _real_lab(pair: str, threads: int, out: Path) -> Lab:
    import torch

    from studies.transfer_matrix.hf_lab import hf_lab

    torch.set_num_threads(threads)
    return hf_lab(pair, out / "teacher.sqlite")
