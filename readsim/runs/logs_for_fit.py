"""Run logs to the arrays of a fit: one row a measured profile, at the tokens it had been trained on."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.paths import paths_of
from readsim.fitting.table import Runs
from readsim.fitting.units import Scale
from readsim.runs.comparing import differences, fair, method_of
from readsim.runs.read_logs import Log, log_paths, read_log, run_folders
from readsim.runs.rows import FinalRow, LogRow, RunHeader, StartRow, StepRow
from readsim.worlds.methods import AT

DIGITS = 12  # of a score before training: its change was subtracted
ONE_WORLD = ("sources", "capabilities", "world_digest", "unit")


def is_log(path: Path) -> bool:
    """A run log or a folder of them, by its name."""
    return path.is_dir() or path.suffix == ".jsonl"


def fit_table(path: Path) -> Runs:
    """The start, steps and end of every run in a log, or in all logs of a folder (or its `runs`).

    A profile is what was measured after cumulative tokens by source. Where a run has ended, its last one is
    that of the test split, in place of the last probe; of a real run so is the first one, which is the final
    profile minus the measured change. Hidden capabilities are left out. Runs of several methods of
    distillation, also in folders inside the folder, have sources that are pairs, see
    `readsim.worlds.methods`. Raises ConfigError for logs that do not belong together, RunLogError for a
    folder without logs or one that cannot be read.
    """
    logs = [read_log(file) for folder in run_folders(path) for file in log_paths(folder)]
    methods = _methods_of_one_world(logs)
    first = logs[0].header
    points = [point for n, log in enumerate(logs) for point in _points(n, log)]
    if not points:
        raise ConfigError(f"{path}: the logs have no measured profiles")
    runs = sorted({p.run for p in points})
    profiles, tokens = np.array([p.profile for p in points]), np.array([p.tokens for p in points])
    sources = first.sources
    if len(methods) > 1:
        sources = tuple(f"{source}{AT}{method}" for method in methods for source in sources)
        block = np.array([methods.index(method_of(logs[p.run[0]].header)) for p in points])
        tokens = np.concatenate([tokens * (block == m)[:, None] for m in range(len(methods))], 1)
    for j, name in enumerate(sources):
        if not tokens[:, j].any():
            raise ConfigError(
                f"{path}: source {name!r} was never trained on: nothing to learn of it"
            )
    notes = [_counted(len(points), len(runs), logs)]
    if len(methods) > 1:
        notes.append(f"each method has sources of its own: {', '.join(methods)}")
    notes += [lacking for log in logs if (lacking := log.shortfall())]
    declared = min((log.header.scale for log in logs), key=lambda scale: scale.lowest)
    lowest = declared.lowest
    if doubts := declared.doubts(profiles):
        notes += doubts
        lowest = min(lowest, float(np.nanmin(profiles)))  # else there would be no law of them
    return Runs(
        tuple(p.label for p in points),
        sources,
        tuple(first.capabilities[j] for j in first.visible),
        tokens,
        profiles,
        _alike([runs.index(p.run) for p in points], tokens),
        Scale("scores" if declared.is_score else "losses", lowest=lowest),
        files=tuple(log.path.name for log in logs),
        path=paths_of([p.run for p in points], tokens),
        notes=notes,
    )


def _alike(runs: list[int], tokens: Array) -> NDArray[np.int64]:
    """A number (n,) for the points of a run, and of all runs that ended on the same tokens by source: they
    are repeats of one mixture and held out together."""
    out = np.array(runs, dtype=np.int64)
    last = {run: np.round(tokens[np.flatnonzero(out == run)[-1]]) for run in dict.fromkeys(runs)}
    ends, first = np.array(list(last.values())), np.array(list(last))
    _, which = np.unique(ends, axis=0, return_inverse=True)
    same = dict(zip(first.tolist(), which.reshape(-1).tolist(), strict=True))
    return np.array([same[run] for run in runs], dtype=np.int64)


class Point(NamedTuple):
    """One measurement: `run` is (log, seed), tokens (S,), profile (V,) of visible capabilities."""

    run: tuple[int, int]
    label: str
    tokens: Array
    profile: Array


def _points(number: int, log: Log) -> Iterator[Point]:
    """The measurements of all runs of a log, in its order; see `fit_table` for which split they are of."""
    spent: dict[int, list[Array]] = {}  # after each step
    found: dict[int, list[Point]] = {}
    for row in log.rows:
        held = spent.setdefault(row.seed, [np.zeros(len(log.header.sources))])
        own = found.setdefault(row.seed, [])
        if isinstance(row, StepRow):
            held.append(held[-1] + float(row.tokens) * row.allocation)
            if row.rolled_back is not None:
                held[-1] = held[row.rolled_back]
                continue  # it is no longer on the way of the student
        step = 0 if isinstance(row, StartRow) else row.step
        label = f"{log.path.name} seed {row.seed}, {row.kind} {step}"
        at = Point((number, row.seed), label, held[-1], _profile_at(row, log))
        if isinstance(row, FinalRow):
            own[:] = [p for p in own if not np.array_equal(p.tokens, at.tokens)]
            if log.header.is_real and own and not own[0].tokens.any():
                change = row.final_change[log.visible]
                own[0] = own[0]._replace(profile=np.round(at.profile - change, DIGITS))
        own.append(at)
    for own in found.values():
        yield from own


def _profile_at(row: LogRow, log: Log) -> Array:
    """What was measured at a row, (V,): by probes, at the end on the test split."""
    return row.final_profile[log.visible] if isinstance(row, FinalRow) else row.profile


def _counted(rows: int, runs: int, logs: Sequence[Log]) -> str:
    """How many rows there are, how they are held out, and which split they were measured on."""
    said = f"{rows} rows of {runs} runs in {len(logs)} logs"
    if runs > 1:
        said += "; rows of one run are held out together"
    if any(log.finals for log in logs):
        real = all(log.header.is_real for log in logs)
        ends = "first and last row are its test scores" if real else "last row is its test scores"
        said += f"; where a run has ended its {ends}, and the others are of probes"
    return said


def _methods_of_one_world(logs: Sequence[Log]) -> list[str]:
    """The methods of distillation, in order. Logs of one fit have the same names and, where they tell it, are
    of the same world; those of several methods of the same student, teacher, recipe, data and probes."""
    firsts: dict[str, Log] = {}
    for log in logs:
        log.need("sources", "capabilities")
        one, told = firsts.setdefault(method_of(log.header), log), _of_one_method
        if log is one:
            one, told = logs[0], _of_any_method
        if found := differences(told(one.header), told(log.header)):
            between = found[0].between(f"in {one.path}", f"in {log.path}")
            raise ConfigError(f"{between}: logs of one world are needed")
    return list(firsts)


def _of_one_method(header: RunHeader) -> dict[str, Any]:
    return {key: getattr(header, key) for key in ONE_WORLD}


def _of_any_method(header: RunHeader) -> dict[str, Any]:
    return {k: v for k, v in fair(header, one_task=False).items() if k != "steps"}
