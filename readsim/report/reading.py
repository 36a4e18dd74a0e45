"""The run logs of a folder as comparisons: what belongs together, and what was left out.

A run that has not ended is left out and named; a log that is not what it should be is an error. The
folder of `compare` is one comparison. Real runs are compared with the same student, recipe, budget, data
and probes only, so their folder may hold several.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import RunLogError
from readsim.runs.comparing import display_name, method_of, unlike, usual_manifest
from readsim.runs.read_logs import Log, check_comparison, joined, read_log
from readsim.runs.rows import RunHeader
from readsim.summary.grid import make_grid
from readsim.summary.results import results_of
from readsim.summary.table import REFERENCE


class Group(NamedTuple):
    """One comparison: its logs (those of one name, task and budget as one), the header of every file that
    was used, what every name stands for, and what was left out."""

    logs: list[Log]
    headers: dict[Path, RunHeader]
    meaning: dict[str, str]
    left_out: list[str]
    apart: Sequence[str] = ()  # what differs from the first comparison of the folder

    @property
    def is_real(self) -> bool:
        return any(header.is_real for header in self.headers.values())


def read_groups(folder: Path) -> tuple[list[Group], list[str]]:
    """The comparisons in `folder`/runs, the largest first, and what belongs to none of them.

    Raises RunLogError, naming the file, for a log that is damaged, of a newer schema or another world,
    or that holds a run twice; and if nothing complete is there.
    """
    paths = sorted((folder / "runs").glob("*.jsonl"))
    if not paths:
        raise RunLogError(f"{folder}: no run logs under {folder / 'runs'}")
    left_out: list[str] = []
    groups: list[list[Log]] = []
    for path in paths:
        log = read_log(path)
        check_comparison([log])
        if lacking := log.shortfall():
            left_out.append(lacking)
            continue
        _ = log.runs  # each is whole, or an error is raised
        own = next((group for group in groups if _belongs(log, group[0])), None)
        if own is None:
            groups.append([log])
        else:
            own.append(log)
    if not groups:
        raise RunLogError(f"{folder}: no run has ended ({'; '.join(left_out[:3])})")
    ordered = sorted(groups, key=lambda g: -len(g))
    out = [_group(logs) for logs in ordered]
    for n, (other, *_) in enumerate(ordered[1:], start=1):
        found = unlike(ordered[0][0].header, other.header, one_task=True)
        out[n] = out[n]._replace(apart=sorted(difference.name for difference in found))
    return out, left_out


def _belongs(log: Log, first: Log) -> bool:
    """Simulated runs of a folder are one comparison (`_group` checks it); real ones may be several."""
    one, other = first.header, log.header
    if one.is_real and other.is_real:
        return not unlike(one, other, one_task=True)
    return one.is_real == other.is_real


def _group(logs: Sequence[Log]) -> Group:
    if not logs[0].header.is_real:  # else `_belongs` has compared them
        check_comparison(logs)
    usual = usual_manifest([log.header for log in logs], REFERENCE)
    named = [_named(log, usual) for log in logs]
    meaning = {log.header.allocator: _meaning(log.header) for log in named}
    _check_settings(named)
    whole, left_out = complete(joined(named))
    names = {log.header.allocator for log in whole}
    used = {
        log.path: log.header
        for log, known in zip(logs, named, strict=True)
        if known.header.allocator in names
    }
    return Group(whole, used, {n: m for n, m in meaning.items() if n in names}, left_out)


def _meaning(header: RunHeader) -> str:
    """`logit-kd, requirement identified`; empty for simulated runs."""
    method = method_of(header)
    return (
        f"{method}, requirement identified" if method and header.identified is not None else method
    )


def _named(log: Log, usual: Mapping[str, Any] | None) -> Log:
    """The log under a name that tells it from runs of the same allocator with another method.

    A real run is judged by what its task weighs, whatever the run was told.
    """
    header, requirement, weights = log.header, log.header.requirement, log.header.weights
    if header.is_real and weights is not None and len(weights) == len(header.capabilities):
        seen = tuple(weights[j] for j in header.visible)
        requirement = seen if sum(seen) > 0 else requirement
    return log.with_header(allocator=display_name(header, usual), requirement=requirement)


def _check_settings(logs: Sequence[Log]) -> None:
    """Raise RunLogError where two logs of one name have other settings: a mean of them says nothing."""
    first: dict[tuple[str, str, int], Log] = {}
    for log in logs:
        own = log.header
        other = first.setdefault((own.allocator, own.task, own.budget), log)
        learnt = own.identified is not None  # each run its own
        for key in ("settings", "told") if learnt else ("settings", "told", "requirement"):
            one, two = getattr(other.header, key), getattr(own, key)
            if one != two:
                raise RunLogError(f"{key} is {one!r} in {other.path} and {two!r} in {log.path}")


def complete(logs: Sequence[Log]) -> tuple[list[Log], list[str]]:
    """The largest part of the runs in which every allocator has the same seeds, tasks and budgets, and
    what is not in it. Raises RunLogError, naming runs that are missing, if no allocator has them all.
    """
    cells = {(log.header.task, log.header.budget) for log in logs}
    own: dict[str, dict[tuple[str, int], frozenset[int]]] = {}
    for log in logs:
        cell = log.header.task, log.header.budget
        own.setdefault(log.header.allocator, {})[cell] = frozenset(log.header.seeds)
    has = {
        name: frozenset.intersection(*(mine.get(cell, frozenset()) for cell in cells))
        for name, mine in own.items()
    }
    seeds = best_seeds(has)
    if not seeds:
        make_grid(results_of(logs))  # names what is missing
    left_out = [
        f"{name}: not run on everything that the others were (seeds {_listed(has[name])} are whole, "
        f"{_listed(seeds)} are compared)"
        for name in sorted(has)
        if not seeds <= has[name]
    ]
    kept = [log for log in logs if seeds <= has[log.header.allocator]]
    for log in kept:
        if extra := frozenset(log.header.seeds) - seeds:
            where = f"{log.header.allocator} on {log.header.task} at {log.header.budget}"
            left_out.append(f"{where}: seeds {_listed(extra)}, which others lack")
    return [log.of_seeds(seeds) for log in kept], left_out


def best_seeds(has: Mapping[str, frozenset[int]]) -> frozenset[int]:
    """The seeds that give the most runs (allocators times seeds); then the most seeds."""

    def worth(seeds: frozenset[int]) -> tuple[int, int, list[int]]:
        users = sum(seeds <= mine for mine in has.values())
        return users * len(seeds), len(seeds), sorted(seeds)

    return max(has.values(), key=worth)


def _listed(seeds: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "none"
