"""Folders that reports are made of, and what a page is read with."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from readsim.runs.log_file import RunLog
from tests.support.made_logs import NAMES, SHARED, run_rows

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = (
    "<script>alert(1)</script>",
    "a|b_c&d",
    "\\input{x}$^2$%#~",
    "[opt] *star* `code`",
)
MANIFEST: dict[str, Any] = {
    "pair": "nano",
    "teacher": "t1",
    "student": "s1",
    "method": "logit-kd",
    "signal": "",
    "objective": "",
    "objective_settings": {},
    "on_policy": 0.0,
    "soft": {"kind": "full", "k": 64},
    "training": {"learning_rate": 0.1},
    "versions": {"torch": "2.8"},
}


class Page(HTMLParser):
    """The elements of a page in their order, their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[int] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.errors: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.append("")
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.elements[self.open[-1]][0] != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for n in self.open:
            self.texts[n] += data

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        """Attributes and text of each element of this name."""
        pairs = zip(self.elements, self.texts, strict=True)
        return [(attributes, text) for (name, attributes), text in pairs if name == tag]


def real_log(
    folder: Path,
    allocator: str,
    seed: int,
    *,
    name: str = "",
    config: dict[str, Any] | None = None,
    **manifest: Any,
) -> Path:
    """A finished real run as `readsim distill` leaves it."""
    rng = np.random.default_rng([seed, len(allocator)])
    whole = {
        **SHARED,
        "task": "math",
        "budget": 60_000,
        "allocator": allocator,
        "settings": {},
        "requirement": [0.6, 0.3, 0.1],
        "weights": [0.6, 0.3, 0.1],
        "seeds": [seed],
        "manifest": {**MANIFEST, **manifest},
        **(config or {}),
    }
    path = folder / "runs" / f"{allocator}.math.60000{name}.seed{seed}.jsonl"
    with RunLog.create(path, config=whole, seeds=[seed]) as log:
        log.append(run_rows(rng, seed, 60_000, 0.1, len(NAMES)))
    return path


def write_study(folder: Path, **changes: Any) -> Path:
    """A study with two verdicts, a table and no figure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "numbers.csv").write_text("world,gap\nfade,1.25\n<b>x</b>,-0.123456789\n")
    claim = {"id": "C1", "text": "Order matters.", "statistic": "planning - static"}
    verdict = {"claim": "C1", "unit": "points", "n": 8, "low": 0.8, "high": 1.2, "effect": 1.0}
    study = {
        "name": folder.name,
        "title": f"Study {folder.name}",
        "source": "a paper",
        "question": "Does order matter?",
        "command": "python -m studies order",
        "claims": [{**claim, "holds": ["fade"], "fails": ["still"]}],
        "verdicts": [
            {
                **verdict,
                "case": "fade",
                "expected": "holds",
                "observed": "holds",
                "as_expected": True,
            },
            {
                **verdict,
                "case": "still",
                "expected": "fails",
                "observed": "holds",
                "as_expected": False,
            },
        ],
        "tables": [{"title": "Gaps", "file": "numbers.csv"}],
        "figures": [],
        "notes": ["Eight seeds."],
        "provenance": {"git": "abc", "seeds": [0, 1]},
        **changes,
    }
    (folder / "study.json").write_text(json.dumps(study))
    return folder
