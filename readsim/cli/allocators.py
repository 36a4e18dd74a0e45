"""`readsim allocators`."""

from inspect import Parameter, signature
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from readsim.allocators.base import Allocator
from readsim.allocators.modifiers import Modified
from readsim.allocators.registry import (
    BUILT_IN,
    ON_REQUEST,
    allocator_names,
    describe,
    load_allocator,
)
from readsim.cli.output import Terminal
from readsim.errors import ConfigError


def constructed(rule: Allocator) -> list[tuple[str, str, str]]:
    """Of a class that tells no settings: what its constructor takes, as `NAME+key=value` sets it."""
    rows = []
    for key, parameter in signature(type(rule)).parameters.items():
        if parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            rows.append((key, str(getattr(rule, key, parameter.default)), "its constructor"))
    return rows


def rule_line(name: str) -> str:
    """The rule of a named allocator on one line, with the settings that tell it from others of the rule."""
    line, entry = describe(name).splitlines()[0], BUILT_IN.get(name)
    own = {} if entry is None else entry.settings
    told = ", ".join(f"{key} = {value}" for key, value in own.items())
    return f"{line.removesuffix('.')} ({told})." if own else line


def allocators(
    name: Annotated[
        str | None,
        typer.Argument(
            help="This allocator is shown: a name or module:Class. Without a name, all are listed."
        ),
    ] = None,
) -> None:
    """List the allocators, or show the rule and the settings of one."""
    console = Terminal()
    if name is None:
        table = Table("allocator", "rule")
        for known in (*allocator_names(), *ON_REQUEST):
            table.add_row(known, rule_line(known))
        console.print(table)
        return
    try:
        allocator = load_allocator(name)
    except ConfigError:
        if name not in ON_REQUEST:
            raise
        console.print(Text.assemble((name, "bold"), f" ({ON_REQUEST[name].target})"))
        console.print(describe(name))  # it cannot be made without a file of the user's
        return
    rule = allocator.inner if isinstance(allocator, Modified) else allocator
    console.print(
        Text.assemble((name, "bold"), f" ({type(rule).__module__}:{type(rule).__name__})")
    )
    console.print(describe(name))
    if allocator.needs:
        console.print(f"needs: {', '.join(sorted(allocator.needs))}")
    rows = allocator.settings() or constructed(rule)
    if rows:
        table = Table("setting", "value", "provenance")
        for row in rows:
            table.add_row(*row)
        console.print(table)
