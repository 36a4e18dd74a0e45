"""Files and tables from what was measured."""

import csv
import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from readsim.arrays import Array
from readsim.files.cells import shielded
from readsim.plots.style import save, sober
from readsim.plots.transfer import draw_transfer
from readsim.token_counts import show_tokens
from readsim.tree_file import write_atomic
from readsim.worlds import World
from studies.presets.command import save_preset
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.world import matrix_errors, mixture_errors

FLOOR = (2.0 * np.pi) ** -0.5  # mean of [-x]_+ of a standard normal


def draw_matrix(measured: Measured) -> Figure:
    """Rows are trained on, columns measured; points. Entries that may be 0 are pale."""
    return draw_transfer(
        100.0 * measured.matrix,
        measured.significant,
        measured.sources,
        measured.capabilities,
        measured.budgets,
        "Real training",
        "Change in points of the column's capability by training on the row's source alone; mean over "
        f"{measured.change.shape[2]} seeds, test split. Pale: not significant (paired items, "
        "false discoveries at 10 %).",
    )


def write_files(measured: Measured, world: World, out: Path) -> None:
    """measured.json, matrix.BUDGET.csv, matrix.pdf, .png and .svg, world.toml."""
    measured.save(out / "measured.json")
    for b, budget in enumerate(measured.budgets):
        write_atomic(out / f"matrix.{budget}.csv", _csv(measured, b).encode())
    with sober():
        save(draw_matrix(measured), out / "matrix")
    save_preset(world, out / "world.toml")


def _csv(measured: Measured, b: int) -> str:
    """One row an entry: source, capability, mean, standard error, seeds, significant."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["source", "capability", "change", "standard_error", "seeds", "significant"])
    seeds = measured.change.shape[2]
    for i, source in enumerate(measured.sources):
        for j, capability in enumerate(measured.capabilities):
            mean, error = measured.matrix[b, i, j], measured.error[b, i, j]
            real = int(measured.significant[b, i, j])
            table.writerow(
                [shielded(source), shielded(capability), f"{mean:.6f}", f"{error:.6f}", seeds, real]
            )
    return text.getvalue()


def show(console: Console, measured: Measured, world: World) -> None:
    """The statistics of the paper's two observations, and the errors of the fit."""
    own, cross = measured.own, ~measured.own
    table = Table("tokens", "own", "cross, size", "drop", "noise floor", "harms", "helps")
    table.title = "points; drop: mean of what cross effects take; harms, helps: significant ones"
    for b, budget in enumerate(measured.budgets):
        matrix, error = 100 * measured.matrix[b], 100 * measured.error[b]
        real = measured.significant[b] & cross
        numbers = (
            _mean(matrix[own]),
            _mean(np.abs(matrix[cross])),
            _mean(np.maximum(-matrix[cross], 0.0)),
            FLOOR * _mean(error[cross]),
        )
        counts = ((real & (matrix < 0)).sum(), (real & (matrix > 0)).sum())
        of = int(cross.sum())
        shown = [show_tokens(budget), *(f"{v:.2f}" for v in numbers)]
        table.add_row(*shown, *(f"{c} of {of}" for c in counts))
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    fitted, mixed = matrix_errors(measured, world), mixture_errors(measured, world)
    console.print(
        f"fit ({world.gain[0]} gains): {fitted.fitted:.2f} points off, standard error "
        f"{fitted.noise:.2f}, size of the changes {fitted.change:.2f}"
    )
    if len(measured.mixed):
        console.print(
            f"held-out mixtures: {mixed.fitted:.2f} points off (mean of the one-hot rows "
            f"{mixed.linear:.2f}, no change {mixed.change:.2f}), standard error {mixed.noise:.2f}"
        )
    console.print(
        f"between seeds: ln(efficiency) varies by {world.efficiency_sd[0]:.2f}; two measurements on "
        f"the same items correlate by {world.pairing:.2f}"
    )


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else 0.0
