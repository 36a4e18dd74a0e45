"""`readsim report`: what is in a folder, and the files that show it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from readsim.errors import ConfigError, RunLogError
from readsim.report.comparison import comparison_part
from readsim.report.reading import read_groups
from readsim.report.render import GENERATOR, TABLES, Part, Section, files_of, render
from readsim.report.study import FILE, read_study, study_part, verdict_table
from readsim.report.suite import suite_part
from readsim.tree_file import write_atomic

PAGE = "report.html"


def report(folder: str | Path) -> list[Path]:
    """Write `report.html` and the files of its tables into `folder`: their paths.

    The same logs give the same bytes. Raises RunLogError or ConfigError, before anything is written,
    for what cannot be shown, and for a file in the way that is no report's.
    """
    folder = Path(folder)
    parts = parts_of(folder)
    title = parts[0].title
    if len(parts) > 1 and parts[0].kind == "distillation":
        title = f"{len(parts)} comparisons"
    return write_page(folder, title, parts, "run logs alone")


def write_page(
    folder: Path,
    title: str,
    parts: Sequence[Part],
    made_from: str,
    beside: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write the page of `parts`, the files of its tables, and those `beside` it, by name: their paths.

    Raises ConfigError, before anything is written, for a file in the way that is no report's.
    """
    names: dict[tuple[int, str], str] = {}
    tables: dict[str, bytes] = {}
    for n, part in enumerate(parts, start=1):
        for table in part.tables():
            name = f"report-{n}-{table.name}" if len(parts) > 1 else f"report-{table.name}"
            if f"{name}.csv" in tables:
                raise ConfigError(f"{folder}: two tables would be {name}.csv")
            names[n, table.name] = name
            tables |= files_of(table, name)
    page = render(title, parts, names, made_from).encode()
    files = {PAGE: page, **(beside or {})} | {f"{TABLES}/{n}": data for n, data in tables.items()}
    paths = [folder / name for name in files]
    _refuse_others(paths)
    for path, data in zip(paths, files.values(), strict=True):
        write_atomic(path, data)
    return paths


def parts_of(folder: Path) -> list[Part]:
    """What the folder holds: a study, runs, several studies or a suite.

    Raises RunLogError if it is none of these.
    """
    if not folder.is_dir():
        raise RunLogError(f"{folder} is not a folder")
    parts: list[Part] = []
    if (folder / FILE).is_file():
        parts.append(study_part(folder))
    if (folder / "runs").is_dir():
        groups, left_out = read_groups(folder)
        parts += [
            comparison_part(group, folder, left_out if group is groups[0] else [])
            for group in groups
        ]
    if parts:
        return parts
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    if studies := [path for path in inner if (path / FILE).is_file()]:
        return [_all_verdicts(studies), *map(study_part, studies)]
    if worlds := [path for path in inner if (path / "runs").is_dir()]:
        return [suite_part(worlds)]
    raise RunLogError(
        f"{folder}: nothing to report: expected run logs (runs/*.jsonl), {FILE}, or folders with these"
    )


def _all_verdicts(folders: Sequence[Path]) -> Part:
    studies = [(study["name"], study) for study in map(read_study, folders)]
    verdicts = [v for _, study in studies for v in study["verdicts"]]
    seen = [v["as_expected"] for v in verdicts]
    count = f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}"
    text = (
        f"{seen.count(True)} of {len(seen)} verdicts of {count} are as expected, {seen.count(False)} are "
        f"not, {seen.count(None)} are undecided or without an expectation."
    )
    section = Section("Verdicts", (), [verdict_table(studies, "verdicts")])
    return Part(
        title=count,
        kind="studies",
        lead=[text],
        sections=[section],
    )


def _refuse_others(paths: Sequence[Path]) -> None:
    """Raise ConfigError for a file that would be overwritten and was not written by a report."""
    ours = paths[0].is_file() and _is_report(paths[0])
    for path in paths if not ours else ():
        if path.exists():
            raise ConfigError(f"{path} was not written by readsim report: move it away first")


def _is_report(page: Path) -> bool:
    return f'name="generator" content="{GENERATOR}"'.encode() in page.read_bytes()[:2000]
