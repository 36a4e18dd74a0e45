"""`readsim fit` and `readsim predict`."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from readsim.cli.best import show_best
from readsim.cli.common import (
    LowerIsBetter,
    Size,
    Sources,
    Targets,
    need_target,
    parse_list,
    progress,
)
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.fitting.averaged import Fit, fit_average
from readsim.fitting.cross_validation import FOLDS, candidates
from readsim.fitting.diagnostics import compare_columns, warnings_of
from readsim.fitting.guide import Guide
from readsim.fitting.intervals import RESAMPLES, FitIntervals, fit_intervals
from readsim.fitting.law import MEMBERS
from readsim.fitting.odd_rows import far_rows
from readsim.fitting.predict import forecast, measured_for
from readsim.fitting.sealed import average_of, beside, save_average
from readsim.fitting.table import Options, Runs, read_run_table
from readsim.fitting.write import (
    NOT_IDENTIFIED,
    average_text,
    capability_rows,
    documented,
    write_table,
    write_tables,
)
from readsim.runs.logs_for_fit import fit_table, is_log
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world, save_world

Tokens = Annotated[
    str | None,
    typer.Option(help="Each run trains on this many tokens, if no column `tokens` says so."),
]
Tolerance = Annotated[float, typer.Option(help="Shares may sum to 1 plus or minus this.")]


def fit(
    runs: Annotated[
        Path,
        typer.Argument(help="The runs are in a CSV of shares or token counts, or in run logs."),
    ],
    measured: Annotated[
        Path | None,
        typer.Argument(
            help="Scores or losses are in this second CSV, which is joined to the first by its key."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The world is written to this file.")
    ] = Path("world.toml"),
    sources: Sources = None,
    targets: Targets = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="This column names the runs and joins the files.", show_default="guessed"
        ),
    ] = None,
    lower_is_better: LowerIsBetter = None,
    size: Size = None,
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    items: Annotated[
        str | None,
        typer.Option(
            help="Each score was measured on this many test items: 500, or math=500,code=164; "
            "columns named items:* can say it instead."
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            help="The fit starts from this world, which was fitted elsewhere, and relies on it "
            "as far as the runs agree with it."
        ),
    ] = None,
    trust: Annotated[
        str,
        typer.Option(
            help="The prior has this weight: a number from 0 to 1, or auto, by which the runs decide."
        ),
    ] = "auto",
    seed: Annotated[
        int, typer.Option(help="Restarts, folds and resamples are drawn from this seed.")
    ] = 0,
) -> None:
    """Fit a world to measured runs.

    It reports held-out errors, intervals and what the runs do not identify, and draws figures. Predictions
    average several fitted laws.
    """
    console = Terminal()
    if out.suffix not in (".toml", ".json"):
        raise ConfigError(f"--out {str(out)!r}: a world file ends in .toml or .json")
    need_target(out)
    options = Options(
        sources=parse_list(sources, "sources"),
        targets=parse_list(targets, "targets"),
        key=key,
        lower=parse_list(lower_is_better, "lower-is-better"),
        size=size,
        budget=None if tokens is None else float(parse_tokens(tokens, "tokens")),
        tolerance=tolerance,
        items=_items(items),
    )
    sure_of = _trust(trust, prior)
    other = None if prior is None else load_world(prior)
    if is_log(runs):
        if measured is not None or options != Options(tolerance=tolerance):
            raise ConfigError(
                f"{runs}: run logs need no second file and no options that describe columns"
            )
        table = fit_table(runs)
    else:
        table = read_run_table(runs, measured, options)
    for note in table.notes:
        console.print(note, highlight=False)
    guide = None
    if other is not None:
        average, note = average_of(other, str(prior))
        unit = float(table.tokens.sum(axis=1).max())
        guide = Guide(other, average, table.sources, table.capabilities, unit)
        missing = ", ".join(guide.missing)
        for text in (note, f"the prior says nothing of {missing}" if missing else ""):
            if text:
                console.print(text, highlight=False)
    fit, sure = _fit(table, out.stem, seed, guide, sure_of)
    warnings = [
        *warnings_of(fit.law, sure, len(np.unique(table.groups))),
        *far_rows(
            table.label, fit.average.held_out, table.profiles, table.capabilities, table.scale
        ),
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    world, stem = documented(fit, sure, table, warnings), out.with_suffix("")
    save_world(world, out)
    save_average(replace(fit.average, world=world), beside(out), guide)
    written = [
        out,
        beside(out),
        *write_tables(fit, sure, table.scale, stem),
        *_draw(fit, table, stem, f"Rows of {runs.name}"),
    ]
    _show(console, fit, sure, table)
    show_best(console, world, fit.average, world.task("average"), world.horizon)
    console.print(
        f"`readsim worlds {out} --task ... --budget ...` says the same of another task.",
        highlight=False,
    )
    for warning in warnings:
        console.print(Text.assemble(("WARNING:", "bold yellow"), f" {warning}"))
    console.print(f"{', '.join(p.name for p in written)} are in {out.parent.resolve()}")


def _items(text: str | None) -> dict[str, float] | None:
    """`500` or `math=500,code=164`; "" stands for all."""
    out = {}
    for part in parse_list(text, "items") or []:
        name, _, count = part.rpartition("=")
        try:
            out[name.strip()] = float(count)
        except ValueError as error:
            raise ConfigError(
                f"--items {text!r}: expected a number, or name=number, separated by commas"
            ) from error
    return out or None


def _trust(text: str, prior: str | None) -> float | None:
    """A number from 0 to 1; None for auto."""
    if text == "auto":
        return None
    if prior is None:
        raise ConfigError(f"--trust {text!r}: there is no --prior to trust")
    try:
        trust = float(text)
    except ValueError:
        trust = float("nan")
    if not 0.0 <= trust <= 1.0:
        raise ConfigError(f"--trust {text!r}: expected auto, or a number from 0 to 1")
    return trust


def _fit(
    table: Runs, name: str, seed: int, guide: Guide | None, trust: float | None
) -> tuple[Fit, FitIntervals]:
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")  # its BLAS is another library than numpy's: load it to limit it
    scores = table.scale.unit != "losses"
    most = sum(len(values) for _, values in candidates(len(table.sources), scores))
    with (
        interruptible("nothing is written yet"),
        progress(Terminal(stderr=True)) as bar,
        threadpool_limits(limits=1, user_api="blas"),
    ):
        # every candidate in every fold at most: those that fall behind are given up early
        job = bar.add_task("cross-validation", total=(most + 1) * FOLDS + 5 * FOLDS + MEMBERS)
        fit = fit_average(
            table.tokens,
            table.profiles,
            sources=table.sources,
            capabilities=table.capabilities,
            scores=scores,
            lowest=table.scale.lowest,
            groups=table.groups,
            items=table.items if scores else None,
            chosen=table.chosen,
            guide=guide,
            trust=trust,
            path=table.path,
            members=MEMBERS,
            seed=seed,
            name=name,
            tick=lambda: bar.advance(job),
        )
        bar.update(job, completed=bar.tasks[job].total)
        job = bar.add_task("intervals", total=RESAMPLES)
        return fit, fit_intervals(
            fit.law, count=RESAMPLES, seed=seed, tick=lambda: bar.advance(job)
        )


def _draw(fit: Fit, table: Runs, stem: Path, origin: str) -> list[Path]:
    from readsim.plots.held_out import draw_predicted, draw_residuals
    from readsim.plots.style import save, sober

    scale, names = table.scale, fit.law.world.capabilities
    cells = scale.cells(fit.average.held_out), scale.cells(fit.law.targets)
    paths = []
    with sober():
        for word, draw in (("predicted", draw_predicted), ("residuals", draw_residuals)):
            figure = draw(*cells, names, scale.unit, origin)
            paths += save(figure, stem.with_name(f"{stem.name}-{word}"))
    return paths


def _show(console: Console, fit: Fit, sure: FitIntervals, table: Runs) -> None:
    choice = fit.law.choice
    console.print(
        f"{len(table.tokens)} rows, {len(table.sources)} sources, {len(table.capabilities)} capabilities; "
        f"{choice.gain} gains, {choice.curves} curves, {choice.link} link, "
        f"{'with' if choice.harm else 'no'} harm (chosen by cross-validation)",
        highlight=False,
    )
    console.print(average_text(fit), highlight=False)
    unit = table.scale.unit
    shown = Table(
        title=f"held out ({FOLDS} folds), {unit}: errors of the average; start and bound of the shared curves"
    )
    for column in ("capability", "rows", "RMSE", "Spearman", "R2", "start", "bound"):
        shown.add_column(column, justify="left" if column == "capability" else "right")
    rows = list(capability_rows(fit, sure, table.scale))
    for name, count, rmse, rank, r2, *ends in rows:
        bounds = [
            a if a == NOT_IDENTIFIED else f"{a:.3g} [{b:.3g}, {c:.3g}]"
            for a, b, c in (ends[:3], ends[3:])
        ]
        shown.add_row(str(name), str(count), f"{rmse:.4g}", f"{rank:.4f}", f"{r2:.4f}", *bounds)
    console.print(shown)
    mean = np.mean([row[3] for row in rows])
    clear, many = int((~sure.effect.spans_zero).sum()), sure.effect.value.size
    console.print(
        f"mean held-out Spearman {mean:.4f}; {clear} of {many} effects of one more percent of a "
        f"source (around the mean mixture, {show_tokens(sure.budget)} tokens) are significant",
        highlight=False,
    )


def predict(
    world: Annotated[str, typer.Argument(help="The world was written by `fit`.")],
    mixtures: Annotated[
        Path,
        typer.Argument(
            help="The mixtures are in this CSV of shares or token counts, with a row for each run to predict."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The predictions are written to this CSV file.")
    ] = Path("predictions.csv"),
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    measured: Annotated[
        Path | None,
        typer.Option(
            help="The same runs were measured, and this CSV has the results; the errors of the "
            "predictions are printed."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="The utility of this task is added: a name, average, or math=0.7,code=0.3."
        ),
    ] = None,
) -> None:
    """Predict the scores of runs from their mixtures.

    Predictions are in the units of the measurements, with 95 % prediction intervals.
    """
    console = Terminal()
    need_target(out)
    budget = None if tokens is None else float(parse_tokens(tokens, "tokens"))
    loaded = load_world(world)
    average, note = average_of(loaded, world)
    made = forecast(loaded, mixtures, budget, tolerance, average=average, task=task)
    for text in (*filter(None, [note]), *made.notes):
        console.print(text, highlight=False)
    write_table(out, made.header, made.rows)
    if measured is not None:
        table = Table("capability", "rows", "RMSE", "Spearman", "R2", title=f"against {measured}")
        found = compare_columns(made.cells, measured_for(made, measured), tuple(made.columns))
        for q in found:
            numbers = (f"{q.rmse:.4g}", f"{q.spearman:.4f}", f"{q.r2:.4f}")
            table.add_row(q.capability, str(q.rows), *numbers)
        console.print(table)
        mean = float(np.mean([q.spearman for q in found]))
        console.print(f"mean Spearman {mean:.4f}", highlight=False)
        if made.ends:
            cells = measured_for(made, measured)
            there = np.isfinite(cells)
            held = (made.ends[0] <= cells) & (cells <= made.ends[1])
            console.print(
                f"{100 * held[there].mean():.1f} % of the cells are in their 95 % interval"
            )
    law = "the shared curves alone" if average is None else "the average of the laws"
    if made.utility:
        best = int(np.argmax(made.utility[0]))
        ends = [f"{float(u[best, 0]):.4g}" for u in made.utility]
        within = f" [{ends[1]}, {ends[2]}]" if len(ends) > 1 else ""
        console.print(
            f"the highest utility is that of {made.label[best]}: {ends[0]}{within}", highlight=False
        )
    console.print(f"{len(made.label)} predictions, by {law}, are in {out}")
