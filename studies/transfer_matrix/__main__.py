"""Train on each source alone, at several budgets; write matrices, a figure and the fitted world.

Every run has its own log under OUT/runs; finished ones are not repeated, so the same command goes on
where it was. Several processes share the work with --shard 0/2, --shard 1/2; the last one to end
makes the files.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from readsim.cli.common import interruptible, parse_seeds, progress
from readsim.errors import ReadsimError
from readsim.token_counts import parse_tokens
from studies.transfer_matrix.lab import Lab, sim_lab
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.plan import make_plan, shard_of
from studies.transfer_matrix.report import show, write_files
from studies.transfer_matrix.run import collect, missing, run_jobs
from studies.transfer_matrix.world import PURPOSE, world_of


def parser() -> argparse.ArgumentParser:
    """The options."""
    out = argparse.ArgumentParser(prog="python -m studies.transfer_matrix", description=__doc__)
    out.add_argument("--backend", choices=("hf", "sim"), default="hf")
    out.add_argument("--pair", default="nano", help="of --backend hf")
    out.add_argument("--world", default="read8-llama", help="of --backend sim")
    out.add_argument("--budgets", default="3k,10k,30k,90k", help="tokens, separated by commas")
    out.add_argument("--seeds", default="3", help="how many, or which, separated by commas")
    out.add_argument("--mixtures", type=int, default=2, help="held-out runs a budget")
    out.add_argument("--shard", default="0/1", help="I/N: every N-th run, from the I-th on")
    out.add_argument("--threads", type=int, default=1)
    out.add_argument("--out", type=Path, required=True)
    return out


def lab_for(given: argparse.Namespace) -> Lab:
    """The lab that the options name."""
    if given.backend == "sim":
        return sim_lab(given.world)
    import torch

    from studies.transfer_matrix.hf_lab import hf_lab

    torch.set_num_threads(given.threads)
    return hf_lab(given.pair, given.out / "teacher.sqlite")


def command_of(given: argparse.Namespace) -> str:
    """What to type to make the same runs."""
    what = f"--pair {given.pair}" if given.backend == "hf" else f"--world {given.world}"
    return (
        f"python -m studies.transfer_matrix --backend {given.backend} {what} --budgets "
        f"{given.budgets} --seeds {given.seeds} --mixtures {given.mixtures}"
    )


def study(given: argparse.Namespace, console: Console) -> None:
    """Make what is missing; if nothing is missing then, evaluate."""
    lab = lab_for(given)
    budgets = [parse_tokens(text) for text in given.budgets.split(",")]
    jobs = make_plan(lab.sources, budgets, parse_seeds(given.seeds), given.mixtures)
    mine = shard_of(jobs, given.shard)
    tokens = sum(job.budget for job in mine)
    advice = f"finished runs are in {given.out / 'runs'}; the same command goes on"
    with interruptible(advice), progress(Console(stderr=True)) as bar:
        task = bar.add_task("tokens", total=tokens)
        run_jobs(mine, lab, given.out, lambda job: bar.advance(task, job.budget))
    if left := len(missing(jobs, given.out)):
        console.print(f"{left} runs of other shards are missing: no matrix yet")
        return
    measured = Measured.of(collect(jobs, lab, given.out, command_of(given)))
    world = world_of(measured, f"{lab.name.removeprefix('hf:')}-measured", PURPOSE)
    write_files(measured, world, given.out)
    show(console, measured, world)
    console.print(f"measured.json, matrix.*, world.toml are in {given.out}", markup=False)


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
