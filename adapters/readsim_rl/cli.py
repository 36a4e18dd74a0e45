"""`readsim train`."""

import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from readsim.cli.common import need_target, progress
from readsim.cli.help import Help
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.parallel import checked_jobs
from readsim.tree_file import write_frame

if TYPE_CHECKING:
    from readsim_rl.train import HeldOutScores

SUFFIX = ".safetensors"
HELP = Help(
    (
        "readsim train mine.safetensors",
        "readsim train mine.safetensors --prior mine.toml --updates 500",
    )
)


def register(app: typer.Typer) -> None:
    """Add the command to readsim's own; called through the entry-point group `readsim.commands`."""
    app.command(**HELP.settings())(train)


def train(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.safetensors",
            help="The policy is written to this file, which ends in .safetensors.",
        ),
    ],
    prior: Annotated[
        str,
        typer.Option(
            help="Worlds are drawn from this prior: wide, broad, or a TOML file of ranges."
        ),
    ] = "wide",
    updates: Annotated[
        int,
        typer.Option(
            help="The network is updated this many times in all, earlier commands included."
        ),
    ] = 1000,
    evaluate: Annotated[
        int,
        typer.Option(
            help="Each time this many updates are done, the policy is evaluated on held-out worlds and saved."
        ),
    ] = 100,
    seed: Annotated[
        int, typer.Option(help="Worlds, noise and initial weights are drawn from this seed.")
    ] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="This many processes work in parallel; the policy does not depend on it.",
            show_default="one for each core",
        ),
    ] = None,
) -> None:
    """Train an allocation policy on randomly drawn worlds.

    `readsim compare --allocators trained+path=OUT.safetensors` uses the policy.

    The same command continues training. It needs `pip install 'readsim[train]'`; using the policy does not.
    """
    if find_spec("torch") is None:
        raise CapabilityMissingError("readsim train needs torch: pip install 'readsim[train]'")
    if out.suffix != SUFFIX:
        raise ConfigError(f"{str(out)!r}: a policy is a {SUFFIX} file")
    from readsim_rl.train import TrainSettings, train_policy

    settings = TrainSettings(prior=prior, seed=seed, updates=updates, evaluate=evaluate)
    need_target(out)
    console = Terminal()
    cores = checked_jobs(len(os.sched_getaffinity(0)) if jobs is None else jobs)
    advice = f"the same command continues from {out}.state"
    with interruptible(advice), progress(console) as bar:
        task = bar.add_task("training", total=updates)

        seen: list[int] = []

        def on_update(done: int, score: float) -> None:
            seen.append(done)
            bar.update(task, completed=done, description=f"training, score {score:.2f}")

        def on_held_out(found: "HeldOutScores") -> None:
            bar.console.print(_said(found), highlight=False)

        curve = train_policy(
            out, settings, jobs=cores, on_update=on_update, on_held_out=on_held_out
        )
    if not seen:
        bar.update(task, completed=updates)
        console.print(
            f"already at {curve[-1].update} updates; --updates is a total, so give more to train further",
            highlight=False,
        )
    import pandas as pd

    table = Path(f"{out}.csv")
    write_frame(table, pd.DataFrame([asdict(row) for row in curve]))
    console.print(f"policy: {out} ({out.stat().st_size / 1024:.0f} KiB), held-out curve: {table}")
    console.print(f"play it: readsim compare --allocators trained+path={out},task-static")


def _said(found: "HeldOutScores") -> str:
    row = asdict(found)
    return (
        "{update} updates: held-out worlds {iqm:.2f} (task-static {static_iqm:.2f}; 0 uniform, 1 the best "
        "static allocation), better than task-static in {better:.0%} of runs, by {mean_points:.2f} points "
        "in the mean, {worst_points:.1f} at worst"
    ).format(**row)
