"""A table of measured effects becomes a world that reproduces it.

E (S, K): change of capability j after `tokens` tokens on source i alone. The world built here is
`potential` with gains of scale `tokens` and the saturating link, and its help and harm are chosen so
that `transfer_matrix(tokens)` equals E on the score scale.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.errors import WorldError
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.gains import GainBank, harm_grows_with_tokens, tabulated
from readsim.worlds.links import Saturating
from readsim.worlds.world import World

Curve = str | Callable[[Array], ArrayLike]
Scores = ArrayLike | Mapping[str, float]  # a pandas Series too
UNITS = {"points": 100.0, "shares": 1.0, "relative": 1.0}  # of them in the whole score range
MOST = (
    0.6  # the share of the room to the ceiling or the floor that the largest relative effect uses
)
EQUAL = "tokens equal the table"  # ends the note of a conversion, behind how many
FACTS = {  # what a table of effects does not say, in words
    "tokens": "the tokens on a source alone after which they were measured, such as 20M",
    "start": "the scores before training",
    "ceiling": "the best scores there can be, such as the teacher's",
    "unit": "points (0 to 100), shares (0 to 1) or relative (on a scale of its own)",
}


def world_from_effects(
    effects: ArrayLike,
    sources: Sequence[str] | None = None,
    capabilities: Sequence[str] | None = None,
    *,
    tokens: AnyBudget | None = None,
    start: Scores | None = None,
    ceiling: Scores | None = None,
    unit: str | None = "shares",
    gain: Curve | Sequence[Curve] = "exponential",
    name: str = "effects",
    provenance: Mapping[str, str] | None = None,
) -> World:
    """The world whose one-hot effects after `tokens` tokens are `effects` (S, K).

    effects                rows of numbers; a data frame also has the names
    sources, capabilities  their names; capabilities are the sources, and sources `source_0`, ... where
                           they are not given
    tokens                 tokens on a source alone after which they were measured
    start, ceiling         scores before training and of the teacher: one, (K,), or one for each name
                           (a mapping or a pandas Series, in any order)
    unit                   of effects, start and ceiling: "shares" (0 to 1) or "points" (0 to 100); with
                           "relative" the effects are on a scale of their own (loss drops, Skill-It's table),
                           start and ceiling are shares
    gain                   the curve of tokens -> gain: a family (`exponential`, `hill`, `log`,
                           `power:0.5`, `broken`) or a function of an array of tokens, nondecreasing and
                           concave; one, or one per source

    `tokens`, `start` and `ceiling` have no default: nothing is guessed. Relative effects are
    multiplied by one number, with which the largest uses 0.6 of the room to the ceiling or to 0; a relative
    table over equal names whose effects on themselves are all zero holds effects relative to training on
    the capability alone (Skill-It's convention), and those are read as 1. Both are written into the world's
    provenance.

        world = world_from_effects([[8, -2], [3, 5]], ["math", "code"], tokens="20M", start=40, ceiling=90,
                                   unit="points")

    Raises WorldError or ConfigError for a table, names, scores or curves that do not fit together.
    """
    given = {"tokens": tokens, "start": start, "ceiling": ceiling, "unit": unit}
    lacking = [name for name, value in given.items() if value is None]
    if lacking or tokens is None or unit is None:
        raise WorldError(asked_for(lacking))
    if not isinstance(unit, str) or unit not in UNITS:
        raise WorldError(f"unit = {unit!r}: expected {FACTS['unit']}")
    table, sources, capabilities = _named(effects, sources, capabilities)
    s, k = table.shape
    reference = float(parse_tokens(tokens, "tokens"))
    notes = {"effects": "given as a table"} if provenance is None else dict(provenance)
    own = (
        [capabilities.index(name) for name in sources] if set(sources) == set(capabilities) else []
    )
    if own and not table[range(s), own].any():  # the diagonal, where the rows are in that order too
        if unit != "relative" and table.any():
            raise WorldError(
                f"effects: the diagonal is all zero, and unit is {unit!r}: effects relative to training on "
                "the capability alone have the unit relative"
            )
        if unit == "relative":
            table[range(s), own] = 1.0
            notes["diagonal"] = (
                "all zero in the table: effects are relative to training on the capability alone, "
                "whose own effect is read as 1"
            )
    low, high = (_scores(name, given[name], capabilities, unit) for name in ("start", "ceiling"))
    for j in np.flatnonzero(low > high)[:1]:
        raise WorldError(
            f"start = {UNITS[unit] * low[j]:g} of {capabilities[j]} lies above its ceiling = "
            f"{UNITS[unit] * high[j]:g}: the ceiling is the best score there can be"
        )
    if unit == "relative":
        scale = _fitting(table, low, high)
        notes["unit"] = f"one unit of the table is {scale:.6g} on the score scale"
    else:
        scale = 1.0 / UNITS[unit]
        _check_room(table * scale, low, high, sources, capabilities, unit)
    curves = [gain] * s if isinstance(gain, str) or callable(gain) else list(gain)
    if len(curves) != s:
        raise WorldError(f"gain: {len(curves)} curves for {s} sources")
    families = tuple(c if isinstance(c, str) else tabulated(c, reference) for c in curves)
    said = [f if isinstance(c, str) else "given" for c, f in zip(curves, families, strict=True)]
    notes["conversion"] = (
        f"start {_shown(low)}, floor 0, ceiling {_shown(high)}, "
        f"{', '.join(dict.fromkeys(said))} gains of scale {reference:g} tokens, saturating link: "
        f"ours; one-hot effects at {reference:g} {EQUAL}"
    )
    bounds = [low, np.zeros(k), high]
    z = Saturating(*bounds).inverse(low + scale * table)
    u = GainBank(families).value(np.ones(s))[:, None]
    unused = np.array([[1.0] if harm_grows_with_tokens(f) else [0.0] for f in families])
    harm = np.maximum(-z, 0.0)
    spent = np.where(unused > 0, 1.0, 1.0 - u)
    if (harm[spent[:, 0] <= 0] > 0).any():
        raise WorldError(
            "gain 'broken': harm begins where its gain ends, so the effects after one "
            "scale of tokens cannot be negative"
        )
    return World(
        name=name,
        description=f"{s} sources and {k} capabilities from a table of effects",
        sources=sources,
        capabilities=capabilities,
        dynamics="potential",
        link="saturating",
        start=bounds[0],
        floor=bounds[1],
        ceiling=bounds[2],
        gain=families,
        scale_tokens=np.full(s, reference),
        help=np.maximum(z, 0.0) / u,
        harm=harm / np.where(spent > 0, spent, 1.0),
        provenance=notes,
    )


def table_tokens(world: World) -> float | None:
    """After how many tokens on a source alone the world's effects equal its table, which its provenance says;
    None for a world that is not from a table."""
    said = re.search(rf"at (\d[\d.e+]*) {EQUAL}$", world.provenance.get("conversion", ""))
    return float(said[1]) if said else None


def asked_for(lacking: Sequence[str], how: str = "") -> str:
    """What to say where some of FACTS are not given."""
    told = "; ".join(f"{name} ({FACTS[name]})" for name in lacking)
    return f"a table of effects does not say everything: give {told}{how}"


def _shown(value: Array) -> str:
    """One number, or several."""
    values = value[:1] if (value == value[0]).all() else value
    return ", ".join(f"{v:g}" for v in values)


def _by_name(name: str, value: Any, capabilities: Sequence[str]) -> Any:
    """The scores of a mapping or Series in the order of `capabilities`; anything else as it is."""
    named = value.to_dict() if hasattr(value, "to_dict") else value
    if not isinstance(named, Mapping) or list(named) == list(range(len(value))):
        return value
    if set(named) != set(capabilities) or len(value) != len(capabilities):
        there = ", ".join(map(str, value.keys()))
        raise WorldError(f"{name} is given for {there}: expected {', '.join(capabilities)}")
    return [named[capability] for capability in capabilities]


def _scores(name: str, value: object, capabilities: Sequence[str], unit: str) -> Array:
    """Scores (K,) in [0, 1]. Raises WorldError for what are none in that unit."""
    most, k = UNITS[unit], len(capabilities)
    value = _by_name(name, value, capabilities)
    try:
        out = np.broadcast_to(np.asarray(value, dtype=np.float64), k).copy()
    except (TypeError, ValueError) as error:
        raise WorldError(f"{name} = {value!r}: expected one number, or {k}") from error
    if not ((out >= 0.0) & (out <= most)).all():
        raise WorldError(f"{name} = {value!r}: scores lie between 0 and {most:g} ({unit})")
    if unit == "points" and (out <= 1.0).all() and out.any():
        raise WorldError(f"{name} = {value!r}: with unit points it is in points too, such as 60")
    return out / most


def _check_room(
    change: Array,
    low: Array,
    high: Array,
    sources: Sequence[str],
    capabilities: Sequence[str],
    unit: str,
) -> None:
    """Raise WorldError for an effect that leads to the ceiling or beyond, or to 0 or below."""
    after = low + change
    largest = UNITS[unit] * np.abs(change).max()
    if unit == "points" and 0.0 < largest < 1.0:
        warnings.warn(f"the largest effect is {largest:g} points: are they shares?", stacklevel=3)
    for i, j in np.argwhere((change != 0.0) & ((after >= high) | (after <= 0.0))):
        first, bound, name = (
            (low[j], high[j], "ceiling") if change[i, j] > 0 else (low[j], 0.0, "floor")
        )
        of = UNITS[unit]
        raise WorldError(
            f"effect of {sources[i]} on {capabilities[j]} = {of * change[i, j]:g}: from start {of * first:g} "
            f"it leads to the {name} {of * bound:g} or past it (unit {unit})"
        )


def _named(
    effects: ArrayLike, sources: Sequence[str] | None, capabilities: Sequence[str] | None
) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """The table (S, K) and its names. Raises WorldError for what is none, or has other names."""
    index, columns = (getattr(effects, name, None) for name in ("index", "columns"))
    if index is not None and columns is not None:  # a data frame has the names
        sources = _labels("sources", index) if sources is None else sources
        capabilities = _labels("capabilities", columns) if capabilities is None else capabilities
    for name, given in (("sources", sources), ("capabilities", capabilities)):
        if isinstance(given, str):
            raise WorldError(f"{name} = {given!r}: expected a list of names")
    try:
        cells = np.asarray(effects)
        loose = cells.dtype.kind not in "iufO" or any(isinstance(v, str | bool) for v in cells.flat)
        table = np.array(effects, dtype=np.float64) if not loose else np.empty(0)
    except (TypeError, ValueError) as error:
        raise WorldError(
            f"effects: expected rows of numbers, all of one length ({error})"
        ) from error
    if loose or np.ma.is_masked(effects):
        what = f"{cells.dtype.name} cells" if loose else "masked cells"
        raise WorldError(f"effects: expected rows of numbers, got {what}")
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise WorldError(f"effects of shape {table.shape}: expected finite numbers (S, K)")
    s, k = table.shape
    sources = tuple(f"source_{i}" for i in range(s)) if sources is None else tuple(sources)
    if capabilities is None and s != k:
        raise WorldError(f"effects of shape {table.shape}: not square, so capabilities need names")
    capabilities = sources if capabilities is None else tuple(capabilities)
    if (len(sources), len(capabilities)) != (s, k):
        raise WorldError(
            f"effects of shape {table.shape} for {len(sources)} sources and {len(capabilities)} "
            "capabilities"
        )
    return table, sources, capabilities


def _labels(field: str, labels: Iterable[object]) -> list[str] | None:
    """The names of a data frame's axis; None where they only count. Raises WorldError for other labels."""
    found = list(labels)
    if found == list(range(len(found))):
        return None
    if strange := [label for label in found if not isinstance(label, str)]:
        raise WorldError(f"{field}: the data frame has the label {strange[0]!r}: names are texts")
    return [str(label) for label in found]


def _fitting(table: Array, low: Array, high: Array) -> float:
    """The factor with which the largest effect uses MOST of the room to the ceiling or to 0."""
    room = np.where(table > 0.0, high - low, low)[table != 0.0]
    if not (room > 0.0).all():
        raise WorldError("start: a capability at 0 cannot fall, and one at its ceiling cannot rise")
    return float((MOST * room / np.abs(table[table != 0.0])).min()) if room.size else 1.0
