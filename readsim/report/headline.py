"""What the table says, in a sentence a budget."""

import numpy as np
import pandas as pd

from readsim.amounts import show_tokens
from readsim.report.changes import interval_text, p_text
from readsim.summary.evidence import SURE
from readsim.summary.runs import is_oracle
from readsim.summary.show import number
from readsim.summary.table import REFERENCE


def headline(table: pd.DataFrame) -> list[str]:
    """Sentences from `readsim.summary.summarise`'s table, the largest budget first."""
    budgets = sorted(table["budget"].unique().tolist(), reverse=True)
    return [_sentence(table[table["budget"] == budget]) for budget in budgets]


def _sentence(rows: pd.DataFrame) -> str:
    at = f"At {show_tokens(int(rows['budget'].iloc[0]))} tokens"
    fair = rows[[not is_oracle(name) for name in rows["allocator"]]]
    if len(fair) < 2:
        only = rows.iloc[0] if fair.empty else fair.iloc[0]
        return (
            f"{at} {only['allocator']} ends at {_level(only)}; there is nothing to compare it with."
        )
    ranked = fair.sort_values("utility", ascending=False, kind="stable")
    top, second = ranked.iloc[0], ranked.iloc[1]
    if top["allocator"] == REFERENCE:
        return (
            f"{at} nothing beats {REFERENCE} ({_level(top)}); the next, {second['allocator']}, is "
            f"{_apart(second)}."
        )
    if np.isnan(top["difference"]):
        return (
            f"{at} {top['allocator']} ends highest with {_level(top)}, {second['allocator']} next with "
            f"{_level(second)}; without {REFERENCE} among the runs, no difference is tested."
        )
    return f"{at} {top['allocator']} leads with {_level(top)}, {_apart(top)}."


def _digits(row: pd.Series) -> int:
    return 4 if row["unit"] == "loss" else 2


def _unit(row: pd.Series) -> str:
    return "of loss" if row["unit"] == "loss" else "points"


def _level(row: pd.Series) -> str:
    return f"{number(row['utility'], _digits(row))} {_unit(row)}"


def _apart(row: pd.Series) -> str:
    """The difference to the reference, its interval, and whether the seeds tell it from zero."""
    digits, mean, half = _digits(row), row["difference"], row["difference_half_width"]
    text = f"{number(mean, digits, '+')} against {REFERENCE}"
    if np.isnan(half):
        return f"{text} (one seed: no interval, no test)"
    ends = interval_text(mean, half, digits)
    seeds = row["seeds"]
    sure = f"{seeds} seeds tell it" if row["p_holm"] < SURE else f"{seeds} seeds cannot tell it"
    p = _equals(row["p_holm"])
    return f"{text} (95 % interval {ends}); corrected for all tests, p {p}, {sure} from zero"


def _equals(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"
