"""Methods of distillation beside each other on real pairs, token for token.

Each run has its own folder under OUT; finished ones are not repeated, so the same command resumes. Tables
are written after each run: a part of them is as good as the runs it has. `--read-only` shows those that are
there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from rich.console import Console
from rich.table import Table

from readsim.cli.common import Seeds, parse_list, parse_seeds
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError, TrainingError, unknown
from readsim.stats import half_width
from readsim.token_counts import parse_tokens
from readsim.tree_file import write_atomic
from readsim_hf.config import resolve_config
from readsim_hf.methods.table import METHODS
from studies.common.claim import judge
from studies.common.options import Budget, Folder, Steps
from studies.methods.claims import CLAIMS
from studies.methods.forms import ends_in
from studies.methods.runs import MERGE, SPECIALIST, Plan, played, run_method
from studies.methods.table import AMOUNTS, EFFECTS, effects, row_of, shares_of_run

REFERENCE = "resp-sft"


def main(
    pairs: Annotated[
        str, typer.Option(help="These pairs are run, separated by commas.")
    ] = "nano,micro",
    forms: Annotated[
        str,
        typer.Option(
            help="Scores are of these forms, separated by commas; the first is probed during a run."
        ),
    ] = "answer,rationale",
    methods: Annotated[
        str | None,
        typer.Option(
            help="These methods are run, separated by commas.",
            show_default="all that ask for no prose",
        ),
    ] = None,
    budget: Budget = "60k",
    steps: Steps = 10,
    seeds: Seeds = "5",
    items: Annotated[
        int | None,
        typer.Option(help="The test and probe splits have this many items of each capability."),
    ] = None,
    out: Folder = Path("results/methods"),
    read_only: Annotated[
        bool, typer.Option(help="Nothing is run; the tables in the folder are shown.")
    ] = False,
) -> None:
    """Run what is missing, then print utility, tokens, seconds, forgetting, shares and verdicts."""
    console = Terminal()
    if read_only:
        try:
            rows, shares = (pd.read_csv(out / f"{name}.csv") for name in ("runs", "shares"))
        except FileNotFoundError as error:
            raise ConfigError(
                f"{error.filename}: there is no such table; leave --read-only out"
            ) from error
        show(console, rows, shares, {})
        return
    torch.set_num_threads(1)
    chosen = parse_list(methods, "methods") or played()
    for name in chosen:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
    tokens, numbers = parse_tokens(budget), parse_seeds(seeds)
    asked = tuple(forms.split(","))
    plans = [Plan(pair, asked, tokens, steps, items) for pair in pairs.split(",")]
    for plan in plans:
        for form in asked:
            resolve_config(None, plan._replace(forms=(form,)).options(SPECIALIST, 0))
    runs = [(p, m, s) for s in numbers for p in plans for m in chosen]
    rows, shares = pd.DataFrame(), pd.DataFrame()
    refused: dict[tuple[str, str], str] = {}
    with interruptible(f"finished runs are in {out}; the same command resumes"):
        for number, (plan, method, seed) in enumerate(runs, 1):
            if (plan.pair, method) in refused:
                continue
            console.rule(f"{number}/{len(runs)}: {plan.pair}, {method}, seed {seed}")
            try:
                logs = run_method(plan, method, seed, out)
                made = [
                    row_of(plan.case(form), method, seed, logs, ends_in(plan, form, seed, logs))
                    for form in plan.forms
                ]
            except (ConfigError, TrainingError) as error:  # a pair that does not have what it needs
                refused[plan.pair, method] = str(error)
                console.print(str(error))
                continue
            rows = pd.concat([rows, pd.DataFrame(made)], ignore_index=True)
            if method != MERGE:
                more = pd.DataFrame(shares_of_run(plan.case(asked[0]), method, seed, logs[-1]))
                shares = pd.concat([shares, more], ignore_index=True)
            _write(rows, shares, out)
    show(console, rows, shares, refused)


def show(
    console: Console,
    rows: pd.DataFrame,
    shares: pd.DataFrame,
    refused: Mapping[tuple[str, str], str],
) -> None:
    """Every table of these runs, case by case."""
    cases = list(dict.fromkeys(rows["case"])) if len(rows) else []
    for case in cases:
        show_case(console, case, rows)
    show_shares(console, shares)
    show_refused(console, refused)
    show_verdicts(console, cases, rows, shares)


def _write(rows: pd.DataFrame, shares: pd.DataFrame, out: Path) -> None:
    for name, table in (("runs", rows), ("shares", shares)):
        write_atomic(out / f"{name}.csv", table.to_csv(index=False).encode())


def show_case(console: Console, case: str, rows: pd.DataFrame) -> None:
    """Means over seeds with 95 % intervals of effects, and utility minus that of SFT, by seed."""
    here = rows[rows["case"] == case]
    table = Table("method", *EFFECTS, f"minus {REFERENCE}", *AMOUNTS, title=case)
    reference = here[here["method"] == REFERENCE].set_index("seed")["utility"]
    for method, own in here.groupby("method", sort=False):
        apart = (own.set_index("seed")["utility"] - reference).dropna()
        said = [_with_half(own[name]) for name in EFFECTS]
        amounts = [f"{own[name].mean():.0f}" for name in AMOUNTS]
        table.add_row(str(method), *said, _with_half(apart) if len(apart) else "", *amounts)
    console.print(table)


def _with_half(values: pd.Series) -> str:
    numbers = values.to_numpy(dtype=float)
    if len(numbers) < 2:
        return f"{numbers.mean():.2f}"
    return f"{numbers.mean():.2f} ± {float(half_width(numbers)):.2f}"


def show_shares(console: Console, shares: pd.DataFrame) -> None:
    """Prompt, token, loss and gradient shares of each source under each method, means over seeds."""
    if shares.empty:
        return
    kinds = ["prompts", "tokens", "loss", "gradient"]
    mean = shares.groupby(["case", "method", "source"], sort=False)[kinds].mean()
    table = Table("case", "method", "source", *kinds, title="shares, percent")
    for *place, a, b, c, d in mean.reset_index().itertuples(index=False):
        cells = ["" if pd.isna(v) else f"{100 * v:.1f}" for v in (a, b, c, d)]
        table.add_row(*map(str, place), *cells)
    console.print(table)


def show_refused(console: Console, refused: Mapping[tuple[str, str], str]) -> None:
    """The methods that did not run on a pair, and why."""
    if not refused:
        return
    table = Table("pair", "method", "why it did not run", title="did not run")
    for (pair, method), why in refused.items():
        table.add_row(pair, method, why)
    console.print(table)


def show_verdicts(
    console: Console, cases: list[str], rows: pd.DataFrame, shares: pd.DataFrame
) -> None:
    """What was claimed, and what was seen."""
    table = Table("claim", "case", "expected", "seen", "mean", title="claims")
    for claim in CLAIMS:
        for case in cases:
            values = effects(claim.id, case, rows, shares) if not shares.empty else []
            if claim.expected(case) and values:
                found = judge(claim, case, values)
                mean = sum(values) / len(values)
                table.add_row(claim.id, case, claim.expected(case), found.observed, f"{mean:.2f}")
    console.print(table)
