"""What the site needs beside the Markdown: help texts, examples as pages and notebooks, links to the clone.

mkdocs calls these functions by their names (mkdocs.yml).
"""

import re
from pathlib import Path
from typing import Any

import jupytext
from mkdocs.structure.files import File, Files
from typer.main import get_command

from readsim.cli.app import app, extend

EXAMPLES = Path(__file__).parent / "examples"
HELP = "<!-- help of every command -->"
OUTSIDE = re.compile(
    r"\[([^\]]*)\]\((?:\.\./)+(?:studies|tests|README|CONTRIBUTING|CHANGELOG)[^)]*\)"
)


def on_files(files: Files, config: Any) -> Files:
    """Each example as a notebook beside its source, and as a page."""
    for source in sorted(EXAMPLES.glob("*.py")):
        book = jupytext.read(source)
        for suffix, form in ((".ipynb", "ipynb"), (".md", "md")):
            if suffix == ".md":
                book.metadata.clear()
            place = f"examples/{source.stem}{suffix}"
            files.append(File.generated(config, place, content=jupytext.writes(book, fmt=form)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Help of the commands where a page asks for it; what lies outside of docs/ is named, not linked."""
    if HELP in markdown:
        markdown = markdown.replace(HELP, "\n\n".join(helps()))
    return OUTSIDE.sub(r"\1", markdown)


def helps() -> list[str]:
    """The help of every command, in their order."""
    extend(app)
    group = get_command(app)
    said = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a group has them
        with command.make_context(f"readsim {name}", [], resilient_parsing=True) as context:
            said.append(f"### {name}\n\n```text\n{command.get_help(context)}\n```")
    return said
