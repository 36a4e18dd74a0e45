"""`readsim fit` and `readsim predict`."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from readsim.cli.common import interruptible, need_target, parse_list, progress
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.fitting.cross_validation import FOLDS, candidates
from readsim.fitting.diagnostics import compare_columns, warnings_of
from readsim.fitting.intervals import RESAMPLES, FitIntervals, fit_intervals
from readsim.fitting.law import MEMBERS, Fitted, fit_law
from readsim.fitting.predict import forecast, measured_for
from readsim.fitting.table import Options, Runs, read_run_table
from readsim.fitting.write import capability_rows, documented, write_table, write_tables
from readsim.runs.logs_for_fit import fit_table, is_log
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world, save_world

Tokens = Annotated[
    str | None, typer.Option(help="Tokens of each run, where no column `tokens` says it.")
]
Tolerance = Annotated[float, typer.Option(help="How far shares may sum from 1.")]


def fit(
    runs: Annotated[Path, typer.Argument(help="CSV of shares or token counts, or run logs.")],
    measured: Annotated[
        Path | None, typer.Argument(help="CSV of scores or losses, joined by key.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The world to write.")] = Path(
        "world.toml"
    ),
    sources: Annotated[str | None, typer.Option(help="Source columns: a,b,share_*.")] = None,
    targets: Annotated[str | None, typer.Option(help="Measured columns: c,d,*_loss.")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names the runs.")] = None,
    lower_is_better: Annotated[
        str | None, typer.Option(help="all, none or columns; by default those named loss.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Model size, if the file has several.")] = None,
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    seed: Annotated[int, typer.Option(help="Of restarts, folds and resamples.")] = 0,
) -> None:
    """Fit a world to measured runs.

    Leaves held-out errors, intervals, figures, and what is not known.
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
        budget=None if tokens is None else float(parse_tokens(tokens)),
        tolerance=tolerance,
    )
    if is_log(runs):
        if measured is not None or options != Options(tolerance=tolerance):
            raise ConfigError(
                f"{runs}: run logs say it all; no second file and no options for them"
            )
        table = fit_table(runs)
    else:
        table = read_run_table(runs, measured, options)
    for note in table.notes:
        console.print(note, highlight=False)
    fitted, sure = _fit(table, out.stem, seed)
    warnings = warnings_of(fitted, sure, len(np.unique(table.groups)))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_world(documented(fitted, table, warnings), out)
    stem = out.with_suffix("")
    written = [out, *write_tables(fitted, sure, table.scale, stem), *_draw(fitted, table, stem)]
    _show(console, fitted, sure, table)
    for warning in warnings:
        console.print(Text.assemble(("WARNING:", "bold yellow"), f" {warning}"))
    console.print(f"{', '.join(p.name for p in written)} are in {out.parent}")


def _fit(table: Runs, name: str, seed: int) -> tuple[Fitted, FitIntervals]:
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
        job = bar.add_task("cross-validation", total=(most + 1) * FOLDS + 4 * FOLDS + MEMBERS)
        fitted = fit_law(
            table.tokens,
            table.profiles,
            sources=table.sources,
            capabilities=table.capabilities,
            scores=scores,
            lowest=table.scale.lowest,
            groups=table.groups,
            members=MEMBERS,
            seed=seed,
            name=name,
            tick=lambda: bar.advance(job),
        )
        bar.update(job, completed=bar.tasks[job].total)
        job = bar.add_task("intervals", total=RESAMPLES)
        return fitted, fit_intervals(
            fitted, count=RESAMPLES, seed=seed, tick=lambda: bar.advance(job)
        )


def _draw(fitted: Fitted, table: Runs, stem: Path) -> list[Path]:
    from readsim.plots.held_out import draw_predicted, draw_residuals
    from readsim.plots.style import save, sober

    scale, names = table.scale, fitted.world.capabilities
    cells = scale.cells(fitted.held_out), scale.cells(fitted.targets)
    paths = []
    with sober():
        for word, draw in (("predicted", draw_predicted), ("residuals", draw_residuals)):
            figure = draw(*cells, names, scale.unit)
            paths += save(figure, stem.with_name(f"{stem.name}-{word}"))
    return paths


def _show(console: Console, fitted: Fitted, sure: FitIntervals, table: Runs) -> None:
    choice = fitted.choice
    console.print(
        f"{len(table.tokens)} rows, {len(table.sources)} sources, {len(table.capabilities)} capabilities; "
        f"{choice.gain} gains, {choice.curves} curves, {choice.link} link, "
        f"{'with' if choice.harm else 'no'} harm (chosen by cross-validation)",
        highlight=False,
    )
    unit = table.scale.unit
    shown = Table(title=f"held out ({FOLDS} folds), {unit}; start and bound with 95 % intervals")
    for column in ("capability", "rows", "RMSE", "Spearman", "R2", "start", "bound"):
        shown.add_column(column, justify="left" if column == "capability" else "right")
    rows = list(capability_rows(fitted, sure, table.scale))
    for name, count, rmse, rank, r2, *ends in rows:
        bounds = [f"{a:.4g} ± {(c - b) / 2:.2g}" for a, b, c in (ends[:3], ends[3:])]
        shown.add_row(str(name), str(count), f"{rmse:.4g}", f"{rank:.4f}", f"{r2:.4f}", *bounds)
    console.print(shown)
    mean = np.mean([row[3] for row in rows])
    unclear, many = int(sure.effect.spans_zero.sum()), sure.effect.value.size
    console.print(
        f"mean held-out Spearman {mean:.4f}; {unclear} of {many} effects of one more percent of a "
        f"source (around the mean mixture, {show_tokens(sure.budget)} tokens) is not significant",
        highlight=False,
    )


def predict(
    world: Annotated[str, typer.Argument(help="A world that `fit` wrote.")],
    mixtures: Annotated[Path, typer.Argument(help="CSV of shares or token counts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV to write.")] = Path(
        "predictions.csv"
    ),
    tokens: Tokens = None,
    tolerance: Tolerance = 0.01,
    measured: Annotated[
        Path | None, typer.Option(help="CSV of what was measured: prints the errors.")
    ] = None,
) -> None:
    """Predict runs from their mixtures.

    Predictions are in the units of the fitted measurements.
    """
    console = Terminal()
    need_target(out)
    budget = None if tokens is None else float(parse_tokens(tokens))
    made = forecast(load_world(world), mixtures, budget, tolerance)
    for note in made.notes:
        console.print(note, highlight=False)
    rows = zip(made.label, made.cells.tolist(), strict=True)
    write_table(out, [made.key, *made.columns], ([label, *cells] for label, cells in rows))
    if measured is not None:
        table = Table("capability", "rows", "RMSE", "Spearman", "R2", title=f"against {measured}")
        found = compare_columns(made.cells, measured_for(made, measured), tuple(made.columns))
        for q in found:
            numbers = (f"{q.rmse:.4g}", f"{q.spearman:.4f}", f"{q.r2:.4f}")
            table.add_row(q.capability, str(q.rows), *numbers)
        console.print(table)
        mean = float(np.mean([q.spearman for q in found]))
        console.print(f"mean Spearman {mean:.4f}", highlight=False)
    console.print(f"{len(made.label)} predictions are in {out}")
