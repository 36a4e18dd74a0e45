"""`python -m studies NAME`: the one way to run a study; without a name, every study of the paper."""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

import readsim.plots  # noqa: F401  # loads matplotlib whatever MPLBACKEND says, before a study does
from readsim.cli.output import Terminal, make_output_last
from readsim.errors import ReadsimError
from studies.common.catalogue import ALL, COMMANDS, NAMES, load_command

USAGE = f"""usage: python -m studies [NAME] [OPTIONS]

Runs one study; `{ALL}`, or no name, runs every study of the paper.
`python -m studies NAME --help` lists the options of one.
"""


def main(arguments: Sequence[str]) -> None:
    """Exit codes: 0; 2 after an error of ours; 130 after ctrl-C; some commands have others."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(overview())
        return
    named = bool(arguments) and not arguments[0].startswith("-")
    name = arguments[0] if named else ALL
    make_output_last()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    try:
        app.command()(load_command(name))
        app(list(arguments[named:]), prog_name=f"python -m studies {name}")
    except (ReadsimError, OSError) as error:
        Terminal(stderr=True).print(Text.assemble(("error:", "bold red"), f" {error}"))
        sys.exit(2)


def overview() -> str:
    """Usage, and every name with one line."""
    lines = [USAGE]
    for title, names in (("Studies of the paper:", NAMES), ("Others:", COMMANDS)):
        lines += [title, *(f"  {name:20} {about(name)}" for name in names), ""]
    return "\n".join(lines)


def about(name: str) -> str:
    """The first line of what the folder, or the module, says of itself."""
    path = Path(__file__).parent.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    return (text or "").partition("\n")[0]


if __name__ == "__main__":
    main(sys.argv[1:])
