"""The part of a report that shows a study: its claims, what was found, its tables and figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from readsim.errors import ConfigError
from readsim.files import read_settings
from readsim.files.cells import unshield
from readsim.report.render import (
    Code,
    Facts,
    Figure,
    Notes,
    Part,
    Section,
    Table,
    TableCell,
    text_cells,
)
from readsim.summary.show import fixed

FILE = "study.json"
TEXTS = ("name", "title", "source", "question", "command")
CLAIM = ("id", "text", "statistic", "holds", "fails")
VERDICT = (
    "claim",
    "case",
    "expected",
    "effect",
    "low",
    "high",
    "unit",
    "n",
    "observed",
    "as_expected",
)
NUMBERS = ("effect", "low", "high", "n")
MOST = 60  # rows of a table on the page
AGREES = {True: "yes", False: "no", None: "-"}


def read_study(folder: Path) -> dict[str, Any]:
    """The content of `folder`/study.json. Raises ConfigError, naming file and field, for anything else."""
    path = folder / FILE
    study = read_settings(path)
    for name in TEXTS:
        _check(path, name, study.get(name), str)
    _check(path, "provenance", study.get("provenance"), dict)
    _check(path, "notes", study.get("notes"), list)
    fields = {"claims": CLAIM, "verdicts": VERDICT, "tables": ("title", "file")}
    for name, keys in {**fields, "figures": ("title", "file", "alt")}.items():
        _check(path, name, study.get(name), list)
        for n, item in enumerate(study[name]):
            place = f"{name}[{n}]"
            _check(path, place, item, dict)
            if absent := [key for key in keys if key not in item]:
                raise ConfigError(f"{path}: {place} lacks {', '.join(absent)}")
    for n, verdict in enumerate(study["verdicts"]):
        for key in NUMBERS:
            value = verdict[key]
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise ConfigError(f"{path}: verdicts[{n}].{key} is {value!r}, expected a number")
    return study


def _check(path: Path, name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ConfigError(f"{path}: {name} is {value!r}, expected {kind.__name__}")


def study_part(folder: Path) -> Part:
    """All sections of one study. Raises ConfigError for a file that it names and that cannot be shown."""
    study = read_study(folder)
    claims = {str(claim["id"]): claim for claim in study["claims"]}
    sections = [
        Section(
            "Question",
            [study["question"], f"Source: {study['source']}"],
            [_claims(study["claims"])],
        ),
        Section("Verdicts", (), [verdict_table([("", study)], "verdicts")]),
    ]
    figures = [_figure(folder, n, entry) for n, entry in enumerate(study["figures"])]
    tables = [_table(folder, n, entry) for n, entry in enumerate(study["tables"])]
    if figures:
        sections.append(Section("Figures", (), figures))
    if tables:
        sections.append(Section("Tables", (), tables))
    facts = [(str(key), _text(value)) for key, value in study["provenance"].items()]
    notes = [Notes([_text(note) for note in study["notes"]])] if study["notes"] else []
    sections.append(
        Section(
            "Provenance and how to repeat it", (), [Facts(facts), Code(study["command"]), *notes]
        )
    )
    return Part(
        title=study["title"],
        kind="study",
        lead=[outcome(study["verdicts"], claims)],
        sections=sections,
    )


def outcome(verdicts: Sequence[Mapping[str, Any]], claims: Mapping[str, Any]) -> str:
    """How many verdicts are as expected, and the ones that are not."""
    against = [v for v in verdicts if v["as_expected"] is False]
    if not verdicts:
        return "No verdict was recorded."
    open_ = sum(v["as_expected"] is None for v in verdicts)
    met = len(verdicts) - len(against) - open_
    text = f"{met} of {len(verdicts)} verdicts on {len(claims)} claims are as expected"
    if open_:
        text += f", {open_} undecided or without an expectation"
    if not against:
        return f"{text}."
    named = "; ".join(f"{v['claim']} in {v['case']}: {v['observed']}" for v in against[:4])
    more = f"; and {len(against) - 4} more" if len(against) > 4 else ""
    return f"{text}. Not so: {named}{more}."


def verdict_table(studies: Sequence[tuple[str, Mapping[str, Any]]], name: str) -> Table:
    """A row a verdict, of one study (named "") or of several."""
    several = [title for title, _ in studies] != [""]
    rows: list[list[TableCell]] = []
    numbers: list[dict[str, Any]] = []
    for title, study in studies:
        for v in study["verdicts"]:
            first = [title] if several else []
            cells = [
                str(v["claim"]),
                str(v["case"]),
                _text(v["expected"]),
                _text(v["observed"]),
                AGREES[v["as_expected"]],
                _value(v["effect"]),
                f"{_value(v['low'])} to {_value(v['high'])}",
                str(v["unit"]),
                _text(v["n"]),
            ]
            rows.append(text_cells([*first, *cells]))
            numbers.append({**({"study": title} if several else {}), **{k: v[k] for k in VERDICT}})
    verdicts = [v for _, study in studies for v in study["verdicts"]]
    against = [n for n, v in enumerate(verdicts) if v["as_expected"] is False]
    headers = ["claim", "case", "expected", "observed", "as expected", "effect"]
    columns = [*(["study"] if several else []), *VERDICT]
    return Table(
        name=name,
        caption="Verdicts" if not several else "Verdicts of all studies",
        headers=[*(["study"] if several else []), *headers, "95 % interval", "unit", "n"],
        rows=rows,
        heads=2 + several,
        numbers=pd.DataFrame(numbers, columns=columns),
        bold=frozenset(against),
        notes=["Bold: not as expected."] if against else [],
    )


def _claims(claims: Sequence[Mapping[str, Any]]) -> Facts:
    rows = []
    for claim in claims:
        holds, fails = (", ".join(map(str, claim[key])) for key in ("holds", "fails"))
        text = f"{str(claim['text']).rstrip('.')}. Statistic: {claim['statistic']}."
        expected = (
            f"Should hold in: {holds or 'none named'}. Should fail in: {fails or 'none named'}."
        )
        rows.append((str(claim["id"]), f"{text} {expected}"))
    return Facts(rows)


def _inside(folder: Path, entry: Mapping[str, Any]) -> Path:
    """The file of an entry. Raises ConfigError for one that is outside the folder or not there."""
    path = folder / str(entry["file"])
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{folder / FILE}: file {entry['file']!r} is outside the study's folder")
    if not path.is_file():
        raise ConfigError(f"{folder / FILE}: file {entry['file']!r} does not exist")
    return path


def _figure(folder: Path, n: int, entry: Mapping[str, Any]) -> Figure:
    path = _inside(folder, entry)
    if not str(entry["alt"]).strip():
        raise ConfigError(f"{folder / FILE}: figures[{n}].alt is empty: say what the figure shows")
    return Figure(
        f"figure-{n + 1}", str(entry["title"]), str(entry["alt"]), "", [path.read_bytes()]
    )


def _table(folder: Path, n: int, entry: Mapping[str, Any]) -> Table:
    path = _inside(folder, entry)
    try:
        shown = unshield(pd.read_csv(path, dtype=str, keep_default_na=False))
        numbers = unshield(pd.read_csv(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not a table ({error})") from error
    return Table(
        name=f"table-{n + 1}",
        caption=str(entry["title"]),
        headers=[str(column) for column in shown.columns],
        rows=[text_cells([_rounded(text) for text in row]) for row in shown.to_numpy().tolist()],
        heads=1,
        numbers=numbers,
        most=MOST,
    )


def _rounded(text: str) -> str:
    """A long decimal fraction to four significant digits; anything else as it is."""
    if len(text) <= 7 or not text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit():
        return text
    return text if text.lstrip("-").isdigit() else f"{float(text):.4g}"


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    size = abs(value)
    return fixed(value, 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3, "+")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
