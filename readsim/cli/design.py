"""`readsim design`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from readsim.cli.best import show_best, show_mixture
from readsim.cli.common import need_target, parse_list, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError, unknown
from readsim.fitting.proposal import PURPOSES, Proposal, propose
from readsim.fitting.sealed import average_of
from readsim.fitting.write import Trained, write_table
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world

REACH = 10.0  # times shorter or longer than the runs of the fit


def design(
    world: Annotated[
        str,
        typer.Argument(help="The runs are chosen for this world, preferably one that `fit` wrote."),
    ],
    runs: Annotated[
        int, typer.Option("--runs", "-n", min=1, max=1000, help="This many runs are chosen.")
    ] = 16,
    purpose: Annotated[
        str,
        typer.Option(
            "--for",
            help="The runs are chosen to predict every mixture (fit) or to find the best one (decision).",
        ),
    ] = "fit",
    task: Annotated[
        str | None,
        typer.Option(
            help="Capabilities are weighted by this task: a name, average, or math=0.7,code=0.3.",
            show_default="average",
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(
            help="A run has one of these numbers of tokens: 1M,4M.",
            show_default="the largest in the fit",
        ),
    ] = None,
    total: Annotated[
        str | None,
        typer.Option(
            help="All runs together have at most this many tokens.", show_default="no limit"
        ),
    ] = None,
    min_share: Annotated[
        str | None, typer.Option(help="No run gives a source less than this: math=0.1,code=0.05.")
    ] = None,
    max_share: Annotated[
        str | None, typer.Option(help="No run gives a source more than this: math=0.5.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The runs are written to this CSV file.")
    ] = Path("design.csv"),
    seed: Annotated[
        int, typer.Option(help="The mixtures to choose from are drawn from this seed.")
    ] = 0,
) -> None:
    """Choose which runs to make next.

    It prints how much they are expected to improve predictions or the decision.

    The CSV has a row for each run; add the measurements as columns, and `readsim fit` reads it.
    """
    console = Terminal()
    if purpose not in PURPOSES:
        raise unknown("purpose (--for)", purpose, PURPOSES)
    need_target(out)
    loaded = load_world(world)
    average, note = average_of(loaded, world)
    if note:
        console.print(note, highlight=False)
    menu = (
        None
        if budgets is None
        else [float(parse_tokens(b)) for b in parse_list(budgets, "budgets") or []]
    )
    trained = Trained.of_world(loaded)
    least, most = trained.tokens
    for amount in [b for b in menu or [] if not least / REACH <= b <= REACH * most]:
        raise ConfigError(
            f"--budgets {show_tokens(round(amount))} tokens: the runs of the fit have "
            f"{show_tokens(least)} to {show_tokens(most)}, and nothing is known of runs more than "
            f"{REACH:g} times shorter or longer; write 50M for 50 million"
        )
    with interruptible("nothing is written yet"), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("choosing", total=runs)
        made = propose(
            loaded,
            average,
            runs,
            decision=purpose == "decision",
            task=task or "average",
            budgets=menu,
            total=np.inf if total is None else float(parse_tokens(total, "total")),
            least=_shares(min_share, "min-share"),
            most=_shares(max_share, "max-share"),
            seed=seed,
            tick=lambda: bar.advance(job),
        )
    columns = [c.replace("*", s) for c in [trained.source_pattern] for s in loaded.sources]
    rows = zip(made.shares.tolist(), made.tokens.tolist(), strict=True)
    write_table(
        out,
        ["run", *columns, "tokens"],
        ([f"next{i}", *shares, int(tokens)] for i, (shares, tokens) in enumerate(rows)),
    )
    _show(console, made, purpose, loaded.sources, loaded.capabilities, loaded.is_score)
    if purpose == "decision":
        show_best(console, loaded, average, loaded.task(task or "average"), made.budget, made.best)
    console.print(
        f"{len(made.tokens)} runs, {show_tokens(round(made.tokens.sum()))} tokens, are in {out}"
    )


def _shares(text: str | None, name: str) -> dict[str, float]:
    """`math=0.1,code=0.05`."""
    out = {}
    for part in parse_list(text, name) or []:
        key, _, share = part.partition("=")
        try:
            out[key.strip()] = float(share)
        except ValueError as error:
            raise ConfigError(
                f"--{name} {text!r}: expected name=share, separated by commas"
            ) from error
    return out


def _show(
    console: Terminal,
    made: Proposal,
    purpose: str,
    sources: tuple[str, ...],
    capabilities: tuple[str, ...],
    is_score: bool,
) -> None:
    per_unit, unit = (100.0, "points") if is_score else (1.0, "loss")
    shown = Table(
        "run", "tokens", "mixture", title="runs to make next, in the order of their choice"
    )
    for i, (shares, tokens) in enumerate(zip(made.shares, made.tokens, strict=True)):
        shown.add_row(str(i), show_tokens(round(tokens)), show_mixture(shares, sources))
    console.print(shown)
    before, after = per_unit * made.before, per_unit * made.after
    if purpose == "decision":
        console.print(
            f"expected regret of the best mixture: {before[0]:.3g} -> {after[0]:.3g} {unit}",
            highlight=False,
        )
        return
    what = "standard deviation of predictions"
    gains = Table("capability", "now", "after", title=f"{what} ({unit}), expected")
    for name, b, a in zip(capabilities, before, after, strict=True):
        gains.add_row(name, f"{b:.3g}", f"{a:.3g}")
    console.print(gains)
    console.print(
        f"{what}, mean: {before.mean():.3g} -> {after.mean():.3g} {unit}", highlight=False
    )
