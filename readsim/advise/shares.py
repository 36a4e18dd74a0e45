"""The file that a job reads its mixture from.

    {"step": 7, "tokens": 70000, "shares": {"math": 0.7, "code": 0.3}, "seen": 72000, "over": false,
     "history": [...]}

`history` has all decisions, oldest first, so that a job that was started again from a checkpoint finds what
it was trained with before. `seen` is where the last measurement was that was looked at (null before one), so
that a job can wait for what its own measurement brings. `over` says that no other decision follows.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import ConfigError
from readsim.files.json_text import parse_json
from readsim.files.text import read_text
from readsim.tree_file import write_atomic


class Advised(NamedTuple):
    """From `tokens` trained on sources get `shares`; `step` counts decisions, 0 before the first."""

    step: int
    tokens: int
    shares: Mapping[str, float]


class Shares(NamedTuple):
    """All decisions so far, the tokens of the last measurement seen, and whether the run is over."""

    decisions: Sequence[Advised]
    seen: int | None = None
    over: bool = False

    def answers(self, tokens: int) -> bool:
        """Whether a measurement at so many tokens has brought what it brings."""
        return self.over or (self.seen is not None and self.seen >= tokens)


def write_shares(path: Path, found: Shares) -> None:
    """Replace the file, whole. Raises RunLogError where it cannot be written."""
    rows = [{**d._asdict(), "shares": dict(d.shares)} for d in found.decisions]
    rest = {"seen": found.seen, "over": found.over, "history": rows}
    text = json.dumps({**rows[-1], **rest})
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
        decisions = [Advised(*row) for row in rows]
        return Shares(decisions, table["seen"], bool(table["over"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not what `readsim advise` writes: {error!r}") from error
