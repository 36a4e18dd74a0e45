"""A table of measured effects becomes a world that reproduces it.

E (S, K): change of capability j after `tokens` tokens on source i alone. The world built here is
`potential` with gains of scale `tokens` and the saturating link, and its help and harm are chosen so
that `transfer_matrix(tokens)` equals `unit * E`.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.errors import WorldError
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.gains import GainBank, harm_grows_with_tokens, tabulated
from readsim.worlds.links import Saturating
from readsim.worlds.world import World

REFERENCE_TOKENS = 60_000_000
Curve = str | Callable[[Array], ArrayLike]
START, CEILING = 0.4, 0.9
MOST = 0.6  # the largest effect uses at most this share of the room to the ceiling or the floor


def world_from_effects(
    effects: ArrayLike,
    sources: Sequence[str] | None = None,
    capabilities: Sequence[str] | None = None,
    *,
    tokens: AnyBudget = REFERENCE_TOKENS,
    start: ArrayLike = START,
    ceiling: ArrayLike = CEILING,
    gain: Curve | Sequence[Curve] = "exponential",
    name: str = "effects",
    provenance: Mapping[str, str] | None = None,
) -> World:
    """The world whose one-hot effects after `tokens` tokens are `unit * effects` (S, K).

    effects                rows of numbers; a data frame also has the names
    sources, capabilities  their names; capabilities are the sources, and sources `source_0`, ... where
                           they are not given
    start, ceiling         scores in [0, 1] before training and of the teacher, one or (K,)
    gain                   the curve of tokens -> gain: a family (`exponential`, `hill`, `log`,
                           `power:0.5`, `broken`) or a function of an array of tokens, nondecreasing and
                           concave; one, or one per source

    A square table with an all-zero diagonal over equal names holds effects relative to training on
    the capability alone (Skill-It's convention): the diagonal is then read as 1. `unit` is 1 where
    the effects fit the score range, else the factor that makes the largest use 0.6 of the room.
    Both choices are written into the world's provenance.

        world = world_from_effects([[.08, -.02], [.03, .05]], ["math", "code"], tokens="20M")

    Raises WorldError or ConfigError for a table, names or curves that do not fit together.
    """
    index, columns = (getattr(effects, name, None) for name in ("index", "columns"))
    if index is not None and columns is not None:  # a data frame has the names
        sources = [str(name) for name in index] if sources is None else sources
        capabilities = [str(name) for name in columns] if capabilities is None else capabilities
    try:
        table = np.array(effects, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WorldError(
            f"effects: expected rows of numbers, all of one length ({error})"
        ) from error
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise WorldError(f"effects of shape {table.shape}: expected finite numbers (S, K)")
    reference = float(parse_tokens(tokens))
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
    notes = {"effects": "given as a table"} if provenance is None else dict(provenance)
    if sources == capabilities and not np.diag(table).any():
        np.fill_diagonal(table, 1.0)
        notes["diagonal"] = (
            "all zero in the table: effects are relative to training on the capability alone, "
            "whose own effect is read as 1"
        )
    low, high = (
        np.broadcast_to(np.asarray(v, dtype=np.float64), k).copy() for v in (start, ceiling)
    )
    up, down = np.maximum(table, 0.0).max(axis=0), np.maximum(-table, 0.0).max(axis=0)
    fits = [1.0]
    fits += [MOST * (high[j] - low[j]) / up[j] for j in range(k) if up[j] > 0]
    fits += [MOST * low[j] / down[j] for j in range(k) if down[j] > 0]
    unit = float(min(fits))
    if unit < 1.0:
        notes["unit"] = f"one unit of the table is {unit:.6g} on the score scale"
    curves = [gain] * s if isinstance(gain, str) or callable(gain) else list(gain)
    if len(curves) != s:
        raise WorldError(f"gain: {len(curves)} curves for {s} sources")
    families = tuple(c if isinstance(c, str) else tabulated(c, reference) for c in curves)
    said = [f if isinstance(c, str) else "given" for c, f in zip(curves, families, strict=True)]
    notes["conversion"] = (
        f"start {_shown(start)}, floor 0, ceiling {_shown(ceiling)}, "
        f"{', '.join(dict.fromkeys(said))} gains of scale {reference:g} tokens, saturating link: "
        f"ours; one-hot effects at {reference:g} tokens equal the table"
    )
    bounds = [low, np.zeros(k), high]
    z = Saturating(*bounds).inverse(low + unit * table)
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


def _shown(value: ArrayLike) -> str:
    """One number, or several."""
    return ", ".join(f"{v:g}" for v in np.atleast_1d(np.asarray(value, dtype=np.float64)))


def world_from_csv(path: Path) -> World:
    """Read `source,<capability>,...` rows; square or rectangular. Messages carry line numbers."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            rows = [(reader.line_num, row) for row in reader if any(row)]
        except csv.Error as error:
            raise WorldError(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise WorldError("the file is empty; expected a header `source,<capability>,...`")
    header = [cell.strip() for cell in rows[0][1]]
    if len(header) < 2 or header[0].lower() != "source":
        raise WorldError(
            f"line {rows[0][0]}: header {','.join(header)!r}; expected `source,<capability>,...`"
        )
    if len(rows) == 1:
        raise WorldError("no rows below the header; expected one per source")
    names, table = [], []
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise WorldError(f"line {line}: {len(row)} cells where the header has {len(header)}")
        names.append(row[0].strip())
        table.append([_number(cell, line, header[c + 1]) for c, cell in enumerate(row[1:])])
    return world_from_effects(
        np.array(table),
        names,
        header[1:],
        name=path.stem,
        provenance={"effects": f"table of effects in {path.name}"},
    )


def _number(cell: str, line: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise WorldError(f"line {line}, column {column}: {cell!r} is not a number") from error
    if not np.isfinite(value):
        raise WorldError(f"line {line}, column {column}: {cell!r} is not finite")
    return value
