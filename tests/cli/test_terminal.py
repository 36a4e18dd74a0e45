"""What commands print is text, whatever the names in it: no markup, no emoji codes, no terminal commands."""

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from readsim.cli.common import progress
from readsim.cli.output import Terminal
from tests.support.paths import ROOT

NAMES = (
    "[red]a[/]",
    "[/]",
    "[link=http://x]b[/link]",
    ":warning:",
    "\x1b[2Jc",
    "\x1b]8;;http://x\x07d",
    "\x9b31me",
    "a\u202eb",
    "\u2066f",
    "g\x00\x08h",
    "\ud800",
)


def printed(*things: object, **settings: Any) -> str:
    file = io.StringIO()
    Terminal(file=file, width=300, **settings).print(*things)
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("coloured", [False, True], ids=["plain", "coloured"])
def test_a_name_is_text_wherever_it_stands(name: str, coloured: bool) -> None:
    table = Table(name, "x", title=name, caption=name)
    table.add_row(name, Text(name, style="bold"))
    for thing in (name, Text(name), table, Panel(name, title="t"), Group(name)):
        said = printed(
            thing, force_terminal=coloured, color_system="standard" if coloured else None
        )
        for letter in ("\x9b", "\u202e", "\u2066", "\x00", "\ud800", "\x1b]", "\x1b[2J"):
            assert letter not in said
        if not coloured:
            assert "\x1b" not in said
            kept = name if name.isprintable() else name.rsplit("\x1b", maxsplit=1)[-1][3:4]
            assert kept in said


def test_a_bar_takes_a_name_as_it_is() -> None:
    file = io.StringIO()
    with progress(Terminal(file=file, width=100)) as bar:
        bar.add_task("[red]a[/]\x1b[2J", total=1)
    said = file.getvalue()
    assert "[red]a[/]" in said
    assert "\x1b" not in said


def sources() -> list[Path]:
    folders = [ROOT / "readsim", ROOT / "adapters", ROOT / "studies"]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def test_no_command_has_a_console_of_its_own() -> None:
    """Rich's would read names as markup; with `Terminal` nothing has to be escaped by hand."""
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert "from rich.markup" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Console", path
                if node.func.id == "TextColumn":
                    assert any(k.arg == "markup" for k in node.keywords), path
