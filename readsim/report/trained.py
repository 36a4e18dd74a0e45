"""Section: what was set and what trained, of runs whose backend counts what it trains of each source."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.plots.style import sober, to_svg
from readsim.plots.trained_shares import (
    counts_what_it_trains,
    draw_trained_shares,
    shares_over_steps,
)
from readsim.report.provenance import listed
from readsim.report.render import Figure, Section, Table, text_cells
from readsim.runs.read_logs import Log
from readsim.runs.rows import StepRow

TITLE = "What was set and what trained"
MOST = 6  # runs that are drawn
HEADERS = {
    "set": "set",
    "prompts": "prompts",
    "tokens": "tokens",
    "loss": "loss",
    "gradient": "gradient norms",
}
KINDS = tuple(HEADERS)


def trained_section(logs: Sequence[Log]) -> Section | None:
    """A figure per run and a table of the runs' mean shares; None where no run counts what it trains.

    Gradient shares are of sampled steps; a share that no decision measured is a dash.
    """
    counted = [
        (log, seed, run.steps)
        for log in logs
        for seed, run in log.runs.items()
        if counts_what_it_trains(run.steps)
    ]
    if not counted:
        return None
    lead = (
        "An allocation sets shares of one thing. Where replies differ in length or in loss, the shares of "
        "prompts, tokens, loss and gradient that it comes to are four others."
    )
    text = [lead]
    if len(counted) > MOST:
        text.append(
            f"The first {MOST} of {len(counted)} runs are drawn; the table has all of them."
        )
    figures = [_figure(n, *one) for n, one in enumerate(counted[:MOST])]
    return Section(TITLE, text, [_table(counted), *figures])


Counted = tuple[Log, int, Sequence[StepRow]]


def _table(counted: Sequence[Counted]) -> Table:
    """The mean shares over decisions, a row a source of each run."""
    rows = []
    for log, seed, steps in counted:
        header, shares = log.header, shares_over_steps(steps)
        seen = {kind: np.isfinite(each).all(axis=1) for kind, each in shares.items()}
        means = {
            kind: each[seen[kind]].mean(axis=0) for kind, each in shares.items() if seen[kind].any()
        }
        for s, source in enumerate(header.sources):
            name = (header.allocator, header.task, seed, source)
            rows.append((*name, *(float(means[k][s]) if k in means else None for k in KINDS)))
    numbers = pd.DataFrame(rows, columns=["allocator", "task", "seed", "source", *KINDS])
    shown = [
        [*map(str, row[:4]), *("-" if v is None else f"{100 * v:.1f}" for v in row[4:])]
        for row in rows
    ]
    return Table(
        name="trained-shares",
        caption="Mean shares over decisions, in per cent",
        headers=("allocator", "task", "seed", "source", *(HEADERS[kind] for kind in KINDS)),
        rows=[text_cells(row) for row in shown],
        heads=4,
        numbers=numbers,
    )


def _figure(n: int, log: Log, seed: int, steps: Sequence[StepRow]) -> Figure:
    header = log.header
    with sober():
        svg = to_svg(draw_trained_shares(header.sources, steps, header.scene))
    return Figure(
        name=f"trained-shares-{n + 1}",
        title=f"{header.allocator}, {header.task}, seed {seed}",
        alt="A panel per source over decisions: the share that was set, and the shares of prompts, "
        f"supervised tokens, loss and gradient norms that it came to. Sources: {listed(header.sources)}.",
        caption="Grey: the share that was set.",
        svgs=[svg],
    )
