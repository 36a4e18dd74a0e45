"""Names: no two public classes or functions share one, and no codes of documents that users do not have."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PRODUCT = ("readsim", "adapters/readsim_hf", "adapters/readsim_rl")
# A function of these names is its module's one entry, and is called through the module.
ENTRIES = {"check", "main"}
# Requirements, decisions, property tests and lemmas by number; statements of the paper by number alone.
CODES = re.compile(r"\b(R\d{1,3}|D\d{1,2}|PT\d{1,2}|L\d{1,2}|[AP]4\.\d)\b|(?<!Assumption )\bC\.1\b")
# A coefficient of determination, a method, a norm, a device and the data of a test are none.
KNOWN = re.compile(
    r"\bR2\b|\bD3-MOPD\b|\bL1 (distance|norm)|App\. C|Assumptions 4\.6 and C\.1|\bL4[0S]?\b(?=[\",S])"
)


def _public(folder: str, kind: type[ast.ClassDef | ast.FunctionDef]) -> Iterator[tuple[str, str]]:
    """Top-level names that do not start with an underscore, and their files; commands aside."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if kind is ast.FunctionDef and "cli" in path.relative_to(ROOT).parts:
            continue  # a command has the name of the function that does its work
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, kind) and not node.name.startswith("_"):
                yield node.name, str(path.relative_to(ROOT))


@pytest.mark.parametrize("kind", [ast.ClassDef, ast.FunctionDef])
def test_no_two_things_share_a_name(kind: type[ast.ClassDef | ast.FunctionDef]) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for folder in PRODUCT:
        for name, file in _public(folder, kind):
            if file not in places[name]:  # overloads of one function
                places[name].append(file)
    shared = {n: files for n, files in places.items() if len(files) > 1 and n not in ENTRIES}
    assert shared == {}


def _texts() -> Iterator[Path]:
    """Code and documents; what was registered before a run, dated logs and presets stay as they are."""
    for folder in (*PRODUCT, "studies", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            place = str(path.relative_to(ROOT))
            if path.suffix not in {".py", ".md", ".toml", ".html"} or path == Path(__file__):
                continue
            if path.name in {"claims.py", "LOG.md"} or "presets" in place:
                continue
            yield path


def test_no_codes_of_documents_that_readers_do_not_have() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if CODES.search(KNOWN.sub("", line))
    ]
    assert found == []
