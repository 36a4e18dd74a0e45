"""Rows on disk as they are trained on: checked and converted once, then read one by one."""

import hashlib
import json
import shutil
import warnings
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError, RunLogError
from readsim.files.names import name_fault
from readsim.tree_file import load_facts, save_facts
from readsim_hf.models.catalogue import cache_root
from readsim_hf.models.store import workplace
from readsim_hf.sources.config import Format, Replies, SourceConfig
from readsim_hf.sources.containers import BATCH, Container, open_container
from readsim_hf.sources.formats import BadRowError, Plan, plan_of, row_of

VERSION = 2  # of what is kept: another one is converted anew
MOST_VALUES = 1000  # of a column that parts a source into several
COUNTED = 4_000_000  # rows whose copies are counted, at 80 bytes each while they are converted
_DATA, _STARTS, _CODES, _FACTS = "rows.jsonl", "starts.npy", "codes.npy", "facts.json"


@dataclass(frozen=True)
class SourceFacts:
    """What is known of all rows of a data set.

    rows       how many; `distinct` of them, None where there are too many to tell
    digest     SHA-256 of the rows as they are trained on: neither of the path nor of the container
    format, replies, guessed   how they are read, and whether the format was guessed
    letters    of all turns and replies
    turns, tools, answers   rows with more than one user turn in front of the reply; with tools or calls of
               them; with a gold answer
    values     of the column `by`, in order of appearance, and their rows
    """

    rows: int
    distinct: int | None
    digest: str
    format: Format
    replies: Replies
    guessed: bool
    letters: int
    turns: int
    tools: int
    answers: int
    values: tuple[tuple[str, int], ...]


class StoredRows:
    """The rows of a data set, none of them in memory; `where` names the data set, `unused` its columns that
    nothing reads."""

    def __init__(
        self, folder: Path, facts: SourceFacts, where: str, unused: Sequence[str] = ()
    ) -> None:
        self.facts, self.where, self.unused = facts, where, tuple(unused)
        self._codes = folder / _CODES
        self._starts = np.load(folder / _STARTS, mmap_mode="r", allow_pickle=False)
        self._file = (folder / _DATA).open("rb", buffering=0)
        finalize(self, self._file.close)

    def __len__(self) -> int:
        return self.facts.rows

    def __getitem__(self, number: int) -> dict[str, Any]:
        """What `row_of` made of the row with that number."""
        begin, end = self._starts[number : number + 2].tolist()
        self._file.seek(begin)
        row: dict[str, Any] = json.loads(self._file.read(end - begin))
        return row

    def of_value(self, value: str) -> NDArray[np.int64]:
        """The numbers of the rows with that value of the column `by`, ascending."""
        code = [name for name, _ in self.facts.values].index(value)
        codes = np.load(self._codes, allow_pickle=False)
        return np.flatnonzero(codes == code).astype(np.int64)


def stored_rows(source: SourceConfig) -> StoredRows:
    """The rows of a source, converted now if nobody did before; kept in `$READSIM_CACHE/sources` by content.

    Raises ConfigError naming file, line or row, and column of the first row that is not right.
    """
    container = open_container(source)
    plan = plan_of(source, container.columns, container.first)
    read = {**plan._asdict(), "columns": dict(plan.columns), "by": source.by, "split": source.split}
    said = json.dumps([VERSION, container.digest, read], sort_keys=True).encode()
    home = cache_root() / "sources"
    folder = home / hashlib.sha256(said).hexdigest()
    facts = _known(folder)
    if facts is None:
        with workplace(home) as work:
            facts = _known(folder)  # another process may have made it meanwhile
            if facts is None:
                facts = _convert(source, container, plan, work)
                _put(work, folder)
    used = {*plan.columns.values(), source.by}
    unused = [column for column in container.columns if column not in used]
    return StoredRows(folder, facts, source.path, unused)


def _known(folder: Path) -> SourceFacts | None:
    """What is kept there; None for nothing, and, with a warning, for files that are not what was written."""
    if not folder.is_dir():
        return None
    try:
        table = load_facts(folder / _FACTS)
        whole = table.pop("files") == _digests(folder)
    except (RunLogError, OSError, KeyError):
        whole = False
    if not whole:
        warnings.warn(
            f"{folder} is damaged or incomplete: its rows are converted again", stacklevel=2
        )
        return None
    values = tuple((str(name), int(rows)) for name, rows in table.pop("values"))
    return SourceFacts(**table, values=values)


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of rows."""
    found = {}
    for name in (_DATA, _STARTS, _CODES):
        with (folder / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _put(work: Path, folder: Path) -> None:
    made = work / "made"
    made.mkdir()
    for name in (_DATA, _STARTS, _CODES, _FACTS):
        (work / name).replace(made / name)
    shutil.rmtree(folder, ignore_errors=True)  # what lacks a file
    try:
        made.replace(folder)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error}; set READSIM_CACHE") from error


def _convert(source: SourceConfig, container: Container, plan: Plan, work: Path) -> SourceFacts:
    """Check all rows and write them into `work`."""
    columns = list(dict.fromkeys((*plan.columns.values(), *([source.by] if source.by else []))))
    codes: dict[str, int] = {}
    counts: list[int] = []
    digest, seen = hashlib.sha256(), set[int]()
    rows = letters = turns = tools = answers = 0
    starts, places = array("q", [0]), array("i")
    with (
        (work / _DATA).open("wb") as file,
        _progress(source.path, container.many) as advance,
    ):
        for place, row in container.rows(columns):
            try:
                made = row_of(plan, row)
                value = _value(source.by, row) if source.by else ""
            except BadRowError as error:
                raise ConfigError(f"{source.path}, {place}, {error}") from error
            text = json.dumps(made, sort_keys=True, ensure_ascii=False).encode()
            code = codes.setdefault(value, len(codes))
            if code == len(counts):
                counts.append(0)
                if len(counts) > MOST_VALUES:
                    raise ConfigError(
                        f"{source.path}: column {source.by!r} has more than {MOST_VALUES} values: it cannot "
                        "part a source into several"
                    )
            counts[code] += 1
            line = hashlib.sha256(value.encode() + b"\n" + text).digest()
            digest.update(line)
            if rows < COUNTED:
                seen.add(int.from_bytes(line[:8]))
            rows += 1
            letters += sum(len(m["content"]) for m in made["messages"]) + len(made.get("reply", ""))
            turns += len(made["messages"]) > 1
            tools += "tools" in made or "calls" in made or _calls(made["messages"])
            answers += "answer" in made
            places.append(code)
            starts.append(starts[-1] + file.write(text + b"\n"))
            if rows % BATCH == 0:
                advance(BATCH)
    if not rows:
        raise ConfigError(f"{source.path}: no rows")
    facts = SourceFacts(
        rows=rows,
        distinct=len(seen) if rows <= COUNTED else None,
        digest=digest.hexdigest(),
        format=plan.format,
        replies=plan.replies,
        guessed=plan.guessed,
        letters=letters,
        turns=turns,
        tools=tools,
        answers=answers,
        values=tuple(zip(codes, counts, strict=True)) if source.by else (),
    )
    np.save(work / _STARTS, np.frombuffer(starts, dtype=np.int64))
    np.save(work / _CODES, np.frombuffer(places, dtype=np.int32))
    save_facts(work / _FACTS, {**asdict(facts), "files": _digests(work)})
    return facts


def _calls(messages: Sequence[dict[str, Any]]) -> bool:
    return any("tool_calls" in m or m["role"] in ("tool", "function") for m in messages)


def _value(column: str, row: dict[str, Any]) -> str:
    value = row.get(column)
    if value is None or isinstance(value, list | dict):
        what = "missing" if value is None else "no name"
        raise BadRowError(
            column, f"{what}: each row needs the name of the source that it belongs to"
        )
    if fault := name_fault(str(value)):
        raise BadRowError(column, f"{ascii(value)[:60]}: {fault}")
    return str(value)


@contextmanager
def _progress(path: str, many: int | None) -> Iterator[Any]:
    """A bar on a terminal, called with the rows that were read."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from readsim.cli.output import Terminal

    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        job = bar.add_task(f"reading {path}, once", total=many)
        yield lambda rows: bar.advance(job, rows)
