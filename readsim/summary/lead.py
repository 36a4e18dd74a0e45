"""What a reader must know first: where the numbers come from, and which rule ended highest."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from readsim.allocators.registry import is_oracle
from readsim.runs.rows import RunHeader
from readsim.summary.evidence import SURE
from readsim.summary.show import fixed, interval_text, p_text
from readsim.summary.table import REFERENCE
from readsim.token_counts import show_tokens
from readsim.worlds import World
from readsim.worlds.told import notes_to_read

# What a world's provenance begins its entries with, and what that means.
SOURCES = {
    "paper": "reported in papers",
    "code": "from published code or records",
    "inferred": "inferred from these",
    "ours": "chosen or measured by readsim's authors",
}
TIED = 1e-9  # of a table's unit: what rounding makes of equal means
NO_WORLD = "The world's file is missing, so nothing says where its numbers come from."


def origin(header: RunHeader, world: World | None) -> str:
    """Whether runs are simulated, and how their numbers came to be: of a simulated one from the provenance
    of `world`, which is None where it is not known."""
    if header.is_real:
        pair = header.manifest or {}
        named = (str(pair.get(key, "not named")) for key in ("student", "teacher"))
        student, teacher = map(_short, named)
        return f"Real training: student {student} learns from teacher {teacher}; measured scores."
    if "backend" in header.extra:
        return (
            f"Run by the backend {header.extra['backend']['factory']}, which measured the scores."
        )
    return simulated(header.world, world)


def _short(name: str) -> str:
    """The first digits of a SHA-256, which the provenance shows whole; another name as it is."""
    return f"{name[:12]}..." if re.fullmatch("[0-9a-f]{64}", name) else name


def simulated(name: str, world: World | None) -> str:
    """The same of runs in the simulated world called `name`."""
    said = NO_WORLD if world is None else numbers_of(world.provenance)
    return f"Simulated world {name}: no model is trained. {said}"


def numbers_of(provenance: Mapping[str, str]) -> str:
    """A world's provenance in a sentence: which numbers are from papers, inferred or made up."""
    groups: dict[str, list[str]] = {}
    for name, text in provenance.items():
        word, mark, _ = text.partition(":")
        if mark and word in SOURCES:
            groups.setdefault(word, []).append(name.replace("_", " "))
    if groups.keys() == {"ours"} and "all" in provenance:
        return f"Its numbers: {provenance['all'].removeprefix('ours: ')}."
    if "law" in provenance and "data" in provenance:
        open_ones = provenance.get("not_identified", "nothing")
        return f"Its numbers are fitted to {provenance['data']}; what the data do not determine: {open_ones}."
    if not groups:
        said = "; ".join(f"{name}: {text}" for name, text in notes_to_read(provenance).items())
        return f"Its numbers: {said or 'its file does not say where they come from'}."
    parts = [f"{SOURCES[word]}: {', '.join(groups[word])}" for word in SOURCES if word in groups]
    return f"Its numbers are {'; '.join(parts)}."


def headline(table: pd.DataFrame) -> list[str]:
    """Sentences from `readsim.summary.summarise`'s table, the largest budget first: the highest of all
    that do not know the world, its distances to reference and oracle, what it used beside the budget."""
    budgets = sorted(table["budget"].unique().tolist(), reverse=True)
    return [_sentence(table[table["budget"] == budget]) for budget in budgets]


def _sentence(rows: pd.DataFrame) -> str:
    at = f"At {show_tokens(int(rows['budget'].iloc[0]))} tokens"
    knows = np.array([is_oracle(name) for name in rows["allocator"]])
    fair, oracles = rows[~knows], rows[knows]
    if len(fair) < 2:
        only = rows.iloc[0] if fair.empty else fair.iloc[0]
        return (
            f"{at} {only['allocator']} ends at {_level(only)}; there is nothing to compare it with."
            + ("" if fair.empty else _beside(only, oracles))
        )
    ranked = fair.sort_values("utility", ascending=False, kind="stable")
    top, second = ranked.iloc[0], ranked.iloc[1]
    alike = ranked["allocator"][ranked["utility"] >= top["utility"] - TIED]
    untested = f"; without {REFERENCE} among the runs, no difference is tested."
    if top["allocator"] == REFERENCE:
        text = (
            f"{at} nothing beats {REFERENCE} ({_level(top)}); the next, {second['allocator']}, is "
            f"{_apart(second)}."
        )
    elif len(alike) > 1:
        apart = untested if np.isnan(top["difference"]) else f", {_apart(top)}."
        text = f"{at} {' and '.join(alike)} end alike, highest with {_level(top)}{apart}"
    elif np.isnan(top["difference"]):
        next_ = f"{second['allocator']} next with {_level(second)}"
        text = f"{at} {top['allocator']} ends highest with {_level(top)}, {next_}{untested}"
    else:
        text = f"{at} {top['allocator']} leads with {_level(top)}, {_apart(top)}."
    return text + _beside(top, oracles)


def _beside(top: pd.Series, oracles: pd.DataFrame) -> str:
    """How far the best rule is from the best bound, and what it used in addition."""
    used = used_beside(float(top["beside_budget"]))
    if oracles.empty:
        return f" {top['allocator']} {used}."
    bound = oracles.iloc[int(oracles["utility"].to_numpy().argmax())]
    gap = float(bound["utility"] - top["utility"])
    where = f"{fixed(abs(gap), _digits(top))} {_unit(top)} {'below' if gap >= 0 else 'above'}"
    return f" It ends {where} {bound['allocator']}, which knows the world, and {used}."


def used_beside(extra: float) -> str:
    """In words, what a rule used beside the budget, as a multiple of it."""
    if extra == 0:
        return "used no tokens in addition to the budget"
    times = fixed(extra, 0 if extra >= 10 else 1)
    return f"used {times} times the budget in searches and offline pools"


def _digits(row: pd.Series) -> int:
    return 4 if row["unit"] == "loss" else 2


def _unit(row: pd.Series) -> str:
    return "of loss" if row["unit"] == "loss" else "points"


def _level(row: pd.Series) -> str:
    return f"{fixed(row['utility'], _digits(row))} {_unit(row)}"


def _apart(row: pd.Series) -> str:
    """The difference to the reference, its interval, and whether it is significant."""
    digits, mean, half = _digits(row), row["difference"], row["difference_half_width"]
    text = f"{fixed(mean, digits, '+')} against {REFERENCE}"
    if np.isnan(half):
        return f"{text} (with one seed there is no interval and no test)"
    ends = interval_text(mean, half, digits)
    seeds = row["seeds"]
    sure = "significant" if row["p_holm"] < SURE else "not significant"
    p = _equals(row["p_holm"])
    return f"{text} (95 % interval {ends}; p {p} after correction for all tests, {sure} with {seeds} seeds)"


def _equals(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"
