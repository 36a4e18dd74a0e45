"""Sections: the table of a comparison, and how sure its differences are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.report.render import Notes, Section, Table, TableCell, text_cells
from readsim.stats.significance import least_p
from readsim.summary.show import best, fixed, p_text, shown_columns
from readsim.summary.table import REFERENCE
from readsim.token_counts import show_tokens


def results_section(table: pd.DataFrame, notes: Sequence[str]) -> Section:
    """The table that `readsim compare` prints, with its notes."""
    columns = shown_columns(table)
    rows: list[list[TableCell]] = []
    bold = set()
    for _, part in table.groupby("budget"):
        top = best(part)
        for _, row in part.iterrows():
            if row["allocator"] == top:
                bold.add(len(rows))
            rows.append(text_cells([*who(table, row), *(column.text(row) for column in columns)]))
    heads = who(table)
    shown = Table(
        name="results",
        caption=f"Final utility and side effects of each allocator{at_budget(table)}",
        headers=[*heads, *(c.header.replace("\n", " ") for c in columns)],
        rows=rows,
        heads=len(heads),
        numbers=table,
        bold=frozenset(bold),
    )
    return Section("Result", (), [shown, Notes(notes)])


def who(table: pd.DataFrame, row: pd.Series | None = None) -> list[str]:
    """The first cells of a row, or their headers: the budget only where there are several."""
    several = table["budget"].nunique() > 1
    if row is None:
        return ["budget", "allocator"] if several else ["allocator"]
    name = str(row["allocator"])
    return [show_tokens(row["budget"]), name] if several else [name]


def at_budget(table: pd.DataFrame) -> str:
    """`, budget 60K` where there is one."""
    several = table["budget"].nunique() > 1
    return "" if several else f", budget {show_tokens(table['budget'].iloc[0])}"


def statistics_section(table: pd.DataFrame) -> Section:
    """Paired differences, their tests, and what this many seeds can show."""
    tested = table[table["difference_sd"].notna()]
    seeds = int(table["seeds"].iloc[0])
    if tested.empty:
        why = (
            "One seed: differences have no interval and no test."
            if seeds < 2
            else f"No tests: {REFERENCE} is not among the allocators, or alone."
        )
        return Section("Statistics", [why])
    unit = str(table["unit"].iloc[0])
    heads = who(table)
    columns = ["difference", "95 % interval", "sd", "p", "Holm p", "sign-flip p"]
    numbers = tested[["budget", "allocator", "unit", "seeds", "difference"]].copy()
    numbers["low"] = tested["difference"] - tested["difference_half_width"]
    numbers["high"] = tested["difference"] + tested["difference_half_width"]
    for name in ("difference_sd", "p_value", "p_holm", "p_sign_flip", "detectable", "pairing"):
        numbers[name] = tested[name]
    shown = Table(
        name="statistics",
        caption=f"Paired difference to {REFERENCE}, {unit}, {seeds} seeds{at_budget(table)}",
        headers=[*heads, *columns, "detectable", "pairing %"],
        rows=[
            text_cells([*who(table, row), *_row(row, 4 if unit == "loss" else 2)])
            for _, row in numbers.iterrows()
        ],
        heads=len(heads),
        numbers=numbers,
        notes=[_about(seeds)],
    )
    return Section("Statistics", (), [shown])


def _about(seeds: int) -> str:
    least = p_text(least_p(seeds))
    return (
        f"Difference to {REFERENCE} in final utility on the same seeds, each first averaged over its tasks. "
        "p: paired t test; Holm p: corrected for all tests of this table; sign-flip p: assumes no shape, "
        f"never below {least} with {seeds} seeds. Detectable: the true difference that these seeds show with "
        "chance 80 % at level 5 %, uncorrected. Pairing: share of the variance that sharing seeds removed."
    )


def _row(row: pd.Series, digits: int) -> list[str]:
    interval = f"{fixed(row['low'], digits, '+')} to {fixed(row['high'], digits, '+')}"
    pairing = fixed(100.0 * row["pairing"], 0) if np.isfinite(row["pairing"]) else "-"
    return [
        fixed(row["difference"], digits, "+"),
        interval,
        fixed(row["difference_sd"], digits),
        p_text(row["p_value"]),
        p_text(row["p_holm"]),
        p_text(row["p_sign_flip"]),
        fixed(row["detectable"], digits),
        pairing,
    ]
