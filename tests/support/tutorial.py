"""A tutorial in Markdown, run as a reader would: every file written, every command called, in order.

A block with a title (```python title=mine.py) is a file; a block of `sh` is run by bash, one of `python`
without a title by Python; both must end well. Others are shown only, and so is one below the line `SKIP`.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

SKIP = "<!-- not run by the test -->\n"
_SKIPPED = re.compile(re.escape(SKIP) + r"```.*?```", flags=re.DOTALL)
_BLOCK = re.compile(r"```(\w+)(?: title=(\S+))?\n(.*?)```", flags=re.DOTALL)


class Block(NamedTuple):
    """What stands between two fences; no title for what is no file."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks that are run or written, in order."""
    shown = _SKIPPED.sub("", page.read_text(encoding="utf-8"))
    return [Block(m[1], m[2] or "", m[3]) for m in _BLOCK.finditer(shown)]


def run_tutorial(page: Path, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Follow the page in an empty folder; what its commands said. Fails where one of them fails."""
    commands = folder / ".bin"
    commands.mkdir()
    for name, start in (("python", ""), ("readsim", " -m readsim")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{start} "$@"\n')
        (commands / name).chmod(0o755)
    paths = {
        "PATH": os.pathsep.join((str(commands), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT, ROOT / "adapters"))),
    }
    settings = {**os.environ, "PYTHONWARNINGS": "", "COLUMNS": "120", **paths, **(env or {})}
    said = []
    for language, title, text in blocks(page):
        if title:
            (folder / title).write_text(text, encoding="utf-8")
        elif language in ("sh", "python"):
            first = ["bash", "-euo", "pipefail"] if language == "sh" else [sys.executable]
            said.append(_run([*first, "-c", text], folder, settings))
    return "\n".join(said)


def _run(command: list[str], folder: Path, env: Mapping[str, str]) -> str:
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
