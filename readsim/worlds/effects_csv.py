"""A CSV file of effects, with what it says of how they were measured."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from readsim.errors import ConfigError, WorldError, unknown
from readsim.files import AnyPath, read_text
from readsim.files.sheet import parse_sheet
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.effects import FACTS, asked_for, world_from_effects
from readsim.worlds.world import World


def world_from_csv(
    path: AnyPath,
    *,
    tokens: AnyBudget | None = None,
    start: ArrayLike | None = None,
    ceiling: ArrayLike | None = None,
    unit: str | None = None,
) -> World:
    """The world of a file with the header `source,<capability>,...` and a row for each source.

    What the table does not say is given as in `world_from_effects`, or by the file: lines above the header
    such as `# tokens = 20M`, `# start = 0.4`, `# ceiling = 0.9, 0.8` (one number, or one for each capability)
    and `# unit = shares`; or a column `tokens`. A fact that is given and in the file must be the same.

    Raises ConfigError or WorldError naming file, line and column.
    """
    path = Path(path)
    text = read_text(path)
    text = text if "\n" in text else text.replace("\r", "\n")  # the lines of an old Mac
    said, skipped = _facts_above(text, path)
    *above, rest = text.split("\n", skipped)
    sheet = parse_sheet(rest, path, skipped + 1)
    for n, fact in enumerate(above, 1):
        if sheet.decimal_commas and re.search(r"\d,\d", fact):
            raise WorldError(
                f"{path}, line {n}: {fact.strip()!r}: one number or two, where commas are decimal points "
                "below? Write points, and spaces between numbers"
            )
    if sheet.header[0].lower() != "source" or len(sheet.header) < 2:
        header = sheet.delimiter.join(sheet.header)
        raise ConfigError(
            f"{path}, line {skipped + 1}: header {header!r}: expected `source,<capability>,...` "
            "(measured runs become a world with `readsim fit`)"
        )
    for column in (name for name in sheet.header if name.lower() == "tokens"):
        for line, cell in zip(sheet.lines, sheet.cells(column), strict=True):
            _write_down(said, "tokens", cell.strip(), f"{path}, line {line}")
    capabilities = [name for name in sheet.header[1:] if name.lower() != "tokens"]
    table = sheet.numbers(capabilities)
    sources = [name.strip() for name in sheet.cells(sheet.header[0])]
    for row, name in enumerate(sources):
        if name in sources[:row]:
            first = sheet.lines[sources.index(name)]
            what = f"{name!r} is the source of line {first} already: each has one row"
            raise WorldError(str(sheet.fail(row, sheet.header[0], what)))
        if (said_by := name.lower()) in FACTS:
            hint = f"a line `# {said_by} = ...` above the header says that, a row is a source"
            raise WorldError(str(sheet.fail(row, sheet.header[0], f"{name!r}: {hint}")))
    for name, value in (("tokens", tokens), ("start", start), ("ceiling", ceiling), ("unit", unit)):
        if value is not None:
            _write_down(said, name, value, f"{path}, as given beside it")
    if lacking := [name for name in FACTS if name not in said]:
        how = (
            f"; by lines such as `# {lacking[0]} = ...` above the header, by options of `readsim worlds "
            f"{path.name} {' '.join(f'--{name} ...' for name in lacking)} --save world.toml`, or from Python"
        )
        raise WorldError(f"{path}: {asked_for(lacking, how)}")
    try:
        return world_from_effects(
            table,
            sources,
            capabilities,
            **{name: said[name] for name in FACTS},
            name=Path(path.name.removesuffix(".gz")).stem,
            provenance={"effects": f"table of effects in {path.name}"},
        )
    except ConfigError as error:
        raise WorldError(f"{path}: {error}") from error


def _facts_above(text: str, path: Path) -> tuple[dict[str, Any], int]:
    """What the lines `# name = value` above the header say, and how many lines there are above it."""
    said: dict[str, Any] = {}
    for n, written in enumerate(text.split("\n")):
        line = written.strip().strip(",;\t").strip('"')  # as a spreadsheet saves it
        if line and not line.startswith("#"):
            return said, n
        name, sign, value = line.lstrip("# ").partition("=")
        name, value = name.strip().lower(), value.strip()
        if not sign:
            continue
        where = f"{path}, line {n + 1}"
        if name not in FACTS:
            raise WorldError(f"{where}: {unknown('fact', name, FACTS)}")
        _write_down(
            said, name, parse_scores(value, where) if name in ("start", "ceiling") else value, where
        )
    return said, 0


def parse_scores(text: str, where: str) -> list[float] | float:
    """One number or several, with commas or spaces between them; `40,5` may be one or two, and is refused.
    Raises WorldError, which starts with `where`."""
    if re.fullmatch(r"[+-]?\d+,\d", text.strip()):
        raise WorldError(
            f"{where}: {text!r}: is it one number or two? Write a decimal point or a space"
        )
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise WorldError(f"{where}: {text!r}: expected numbers, with decimal points") from error
    if not values:
        raise WorldError(f"{where}: expected a number after the sign =")
    return values if len(values) > 1 else values[0]


def _write_down(said: dict[str, Any], name: str, value: Any, where: str) -> None:
    """Write a fact down. Raises WorldError where it contradicts what was said before."""
    if name == "tokens":
        try:
            value = parse_tokens(value, name)
        except ConfigError as error:
            raise WorldError(f"{where}: {error}") from error
    if name in said and not np.array_equal(said[name], value):
        raise WorldError(f"{where}: {name} = {value!r}, and {said[name]!r} elsewhere: which is it?")
    said[name] = value
