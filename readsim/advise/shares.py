"""The file that a job reads its mixture from.

    {"step": 7, "tokens": 70000, "shares": {"math": 0.7, "code": 0.3}, "over": false, "history": [...]}

`history` has all decisions, oldest first, so that a job that was started again from a checkpoint finds what
it was trained with before; `over` says that no other one follows.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import ConfigError
from readsim.files.json_text import parse_json
from readsim.files.text import read_text
from readsim.tree_file import write_atomic


class Decision(NamedTuple):
    """From `tokens` trained on sources get `shares`; `step` counts decisions, 0 before the first."""

    step: int
    tokens: int
    shares: Mapping[str, float]


class Shares(NamedTuple):
    """All decisions so far, and whether the run is over."""

    decisions: Sequence[Decision]
    over: bool = False


def write_shares(path: Path, found: Shares) -> None:
    """Replace the file, whole. Raises RunLogError where it cannot be written."""
    rows = [{**d._asdict(), "shares": dict(d.shares)} for d in found.decisions]
    text = json.dumps({**rows[-1], "over": found.over, "history": rows})
    write_atomic(path, text.encode() + b"\n")


def read_shares(path: Path) -> Shares:
    """What `write_shares` wrote; nothing where there is no file yet.

    Raises ConfigError, naming the file, for another one.
    """
    if not path.exists():
        return Shares(())
    table: Any = parse_json(read_text(path), path)
    try:
        rows = [(r["step"], r["tokens"], dict(r["shares"])) for r in table["history"]]
        return Shares([Decision(*row) for row in rows], bool(table["over"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not what `readsim advise` writes: {error!r}") from error
