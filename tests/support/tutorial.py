"""A page in Markdown, followed as a reader would: every file written, every command called, in order.

A block with a title (```python title="mine.py") is a file; a block of `sh` is run by bash, one of `python`
without a title by Python; both must end well. Others are shown only, and so is one below the line `SKIP`.
Commands are those that are installed: the script `readsim`, run in a folder outside of the clone.
"""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

SKIP = "<!-- not run by the test -->\n"
_SKIPPED = re.compile(re.escape(SKIP) + r"```.*?```", flags=re.DOTALL)
_BLOCK = re.compile(
    r"^```(\w+)(?: title=\"?([^\s\"]+)\"?)?\n(.*?)^```", flags=re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """What stands between two fences; no title for what is no file."""

    language: str
    title: str
    text: str


def blocks(page: Path, *, skipped: bool = False) -> list[Block]:
    """The blocks that are run or written, in order; with `skipped` also those that are only shown."""
    text = page.read_text(encoding="utf-8")
    shown = text if skipped else _SKIPPED.sub("", text)
    return [Block(m[1], m[2] or "", m[3]) for m in _BLOCK.finditer(shown)]


def installed_script() -> Path:
    """The script `readsim` of this interpreter; the test is skipped where none is installed."""
    script = Path(sysconfig.get_path("scripts")) / "readsim"
    if not script.is_file():
        pytest.skip(f"readsim is not installed: {script} does not exist (pip install -e .)")
    return script


def reader_settings(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a reader who works in `folder`, with the installed commands first in the path."""
    script = installed_script()
    commands = folder / ".bin"
    commands.mkdir(exist_ok=True)
    for name, target in (("python", Path(sys.executable)), ("readsim", script)):
        (commands / name).write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        (commands / name).chmod(0o755)
    path = os.pathsep.join((str(commands), os.environ["PATH"]))
    own = {"PATH": path, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "", "COLUMNS": "120"}
    return {**os.environ, **own, **(env or {})}


def run_tutorial(page: Path, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Follow the page in an empty folder; what its commands said. Fails where one of them fails."""
    settings = reader_settings(folder, env)
    said = []
    for language, title, text in blocks(page):
        if title:
            (folder / title).write_text(text, encoding="utf-8")
        elif language in ("sh", "python"):
            first = ["bash", "-euo", "pipefail"] if language == "sh" else [sys.executable]
            said.append(run_block([*first, "-c", text], folder, settings))
    return "\n".join(said)


def run_block(command: list[str], folder: Path, env: Mapping[str, str]) -> str:
    """What it said; nothing that it started is left."""
    with (folder / ".said").open("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
        try:
            process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        text = said.read()
    assert process.returncode == 0, f"{command[-1]}\n{text}"
    return text
