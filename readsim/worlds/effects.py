"""A table of measured effects becomes a world that reproduces it.

E (S, K): change of capability j after `reference_tokens` on source i alone. The world built here is
`potential` with exponential gains of scale `reference_tokens` and the saturating link, and its help
and harm are chosen so that `transfer_matrix(reference_tokens)` equals `unit * E` exactly.
"""

import csv
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.errors import WorldError
from readsim.worlds.links import Saturating
from readsim.worlds.world import World

REFERENCE_TOKENS = 60_000_000.0
START, CEILING = 0.4, 0.9
MOST = 0.6  # the largest effect uses at most this share of the room to the ceiling or the floor


def world_from_effects(
    effects: Array,
    sources: tuple[str, ...],
    capabilities: tuple[str, ...],
    *,
    name: str,
    provenance: dict[str, str],
    reference_tokens: float = REFERENCE_TOKENS,
    start: float = START,
    ceiling: float = CEILING,
) -> World:
    """The world whose one-hot effects at `reference_tokens` are `unit * effects` (S, K).

    A square table with an all-zero diagonal over equal names holds effects relative to training on
    the capability alone (Skill-It's convention): the diagonal is then read as 1. `unit` is 1 where
    the effects fit the score range, else the factor that makes the largest use 0.6 of the room.
    Both choices are written into the world's provenance.
    """
    table = np.array(effects, dtype=np.float64)
    notes = dict(provenance)
    if sources == capabilities and not np.diag(table).any():
        np.fill_diagonal(table, 1.0)
        notes["diagonal"] = (
            "all zero in the table: effects are relative to training on the capability alone, "
            "whose own effect is read as 1"
        )
    up, down = max(float(table.max()), 0.0), max(float(-table.min()), 0.0)
    fits = [1.0]
    if up > 0:
        fits.append(MOST * (ceiling - start) / up)
    if down > 0:
        fits.append(MOST * start / down)
    unit = min(fits)
    if unit < 1.0:
        notes["unit"] = f"one unit of the table is {unit:.6g} on the score scale"
    notes["conversion"] = (
        f"start {start:g}, floor 0, ceiling {ceiling:g}, exponential gains of scale "
        f"{reference_tokens:g} tokens, saturating link: ours; one-hot effects at "
        f"{reference_tokens:g} tokens equal the table"
    )
    k = len(capabilities)
    bounds = [np.full(k, v) for v in (start, 0.0, ceiling)]
    z = Saturating(*bounds).inverse(start + unit * table)
    u = 1.0 - np.exp(-1.0)
    return World(
        name=name,
        description=f"{len(sources)} sources and {k} capabilities from a table of effects",
        sources=sources,
        capabilities=capabilities,
        dynamics="potential",
        link="saturating",
        start=bounds[0],
        floor=bounds[1],
        ceiling=bounds[2],
        gain=("exponential",) * len(sources),
        scale_tokens=np.full(len(sources), reference_tokens),
        help=np.maximum(z, 0.0) / u,
        harm=np.maximum(-z, 0.0) / (1.0 - u),
        provenance=notes,
    )


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
        tuple(names),
        tuple(header[1:]),
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
