"""The run logs of a folder as comparisons: what belongs together, and what was left out.

A run that has not ended is left out and named; a log that is not what it should be is an error. The
folder of `compare` is one comparison. Real runs are compared with the same student, recipe, budget, data
and probes only, so their folder may hold several.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import RunLogError
from readsim.runs.log_schema import Content, read_content
from readsim.runs.read_logs import (
    METHOD,
    METHOD_SETTINGS,
    Log,
    check_configs,
    check_run,
    fair,
    joined,
)
from readsim.summary.grid import make_grid
from readsim.summary.results import results_of
from readsim.summary.table import REFERENCE


class Group(NamedTuple):
    """One comparison: its logs (those of one name, task and budget as one), the header of every file that
    was used, what every name stands for, and what was left out."""

    logs: list[Log]
    headers: dict[Path, dict[str, Any]]
    meaning: dict[str, str]
    left_out: list[str]
    apart: Sequence[str] = ()  # what differs from the first comparison of the folder

    @property
    def is_real(self) -> bool:
        return any("manifest" in header["config"] for header in self.headers.values())


def read_groups(folder: Path) -> tuple[list[Group], list[str]]:
    """The comparisons in `folder`/runs, the largest first, and what belongs to none of them.

    Raises RunLogError, naming the file, for a log that is damaged, of a newer schema or another world,
    or that holds a run twice; and if nothing complete is there.
    """
    paths = sorted((folder / "runs").glob("*.jsonl"))
    if not paths:
        raise RunLogError(f"{folder}: no run logs under {folder / 'runs'}")
    left_out: list[str] = []
    groups: dict[str, list[tuple[Log, dict[str, Any]]]] = {}
    for path in paths:
        content = read_content(path)
        log = Log(path, content.header["config"], content.rows)
        check_configs([log])
        if why := _unfinished(log, content):
            left_out.append(f"{path.name}: {why}")
            continue
        for seed in log.config["seeds"]:
            check_run(log, seed)
        groups.setdefault(_key(log.config), []).append((log, content.header))
    if not groups:
        raise RunLogError(f"{folder}: no run has ended ({'; '.join(left_out[:3])})")
    ordered = sorted(groups.values(), key=lambda g: -len(g))
    out = [_group(logs) for logs in ordered]
    first = json.loads(_key(ordered[0][0][0].config) or "[]")
    for n, logs in enumerate(ordered[1:], start=1):
        other = json.loads(_key(logs[0][0].config) or "[]")
        out[n] = out[n]._replace(apart=sorted(_differing(first, other)))
    return out, left_out


def _unfinished(log: Log, content: Content) -> str | None:
    """Why a log cannot be used yet. Raises RunLogError for a run that ended twice."""
    ended = Counter(row["seed"] for row in log.rows if row["kind"] == "final")
    seeds = log.config["seeds"]
    if twice := [seed for seed, n in ended.items() if n > 1]:
        raise RunLogError(f"{log.path}: seed {twice[0]} has more than one final row")
    if strange := sorted(set(ended) - set(seeds)):
        raise RunLogError(f"{log.path}: seed {strange[0]} is not among its seeds {seeds}")
    open_seeds = [seed for seed in seeds if seed not in ended]
    if not open_seeds:
        return None
    torn = "; its last line is cut off" if content.torn_bytes else ""
    return f"unfinished, no final row of seeds {', '.join(map(str, open_seeds))}{torn}"


def _key(config: Mapping[str, Any]) -> str:
    """Equal for logs of one comparison; differs for real runs that must not be compared."""
    if "manifest" not in config:
        return ""
    own = {name: config.get(name) for name in ("task", "budget", "weights")}
    return json.dumps({**own, **fair(config)}, sort_keys=True)


def _differing(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """The names of what is not equal, nested ones with dots."""
    if isinstance(one, dict) and isinstance(other, dict):
        dot = f"{name}." if name else ""
        for key in {**one, **other}:
            yield from _differing(one.get(key), other.get(key), f"{dot}{key}")
    elif one != other:
        yield name or "kind of runs"


def _group(found: Sequence[tuple[Log, dict[str, Any]]]) -> Group:
    logs = [log for log, _ in found]
    if not any("manifest" in log.config for log in logs):  # else `_key` has compared them
        check_configs(logs)
    usual = usual_manifest(logs)
    named = [_named(log, usual) for log in logs]
    meaning = {log.config["allocator"]: method_of(log.config) for log in named}
    _check_settings(named)
    whole, left_out = complete(joined(named))
    names = {log.config["allocator"] for log in whole}
    headers = {
        log.path: header
        for log, (_, header) in zip(named, found, strict=True)
        if log.config["allocator"] in names
    }
    return Group(whole, headers, {n: m for n, m in meaning.items() if n in names}, left_out)


def usual_manifest(logs: Sequence[Log]) -> Mapping[str, Any]:
    """The manifest whose method needs no mention: the reference's, else the most frequent one."""
    real = [log for log in logs if "manifest" in log.config]
    if not real:
        return {}
    reference = [log for log in real if log.config["allocator"] == REFERENCE]
    methods = Counter(method_of(log.config) for log in reference or real)
    most = max(sorted(methods), key=lambda name: methods[name])
    chosen: Mapping[str, Any] = next(
        log.config["manifest"] for log in reference or real if method_of(log.config) == most
    )
    return chosen


def method_of(config: Mapping[str, Any]) -> str:
    """`logit-kd`, `cot x skew-fkl`; empty for simulated runs."""
    manifest = config.get("manifest")
    if manifest is None:
        return ""
    method = str(
        manifest.get("method") or f"{manifest.get('signal')} x {manifest.get('objective')}"
    )
    return f"{method}, requirement identified" if "identified" in config else method


def _named(log: Log, usual: Mapping[str, Any]) -> Log:
    """The log under a name that tells it from runs of the same allocator with another method.

    A real run is judged by what its task weighs, whatever the run was told.
    """
    config = dict(log.config)
    if "manifest" not in config:
        return log
    own, parts = config["manifest"], [str(config["allocator"])]
    if any(own.get(name) != usual.get(name) for name in METHOD):
        parts.append(str(own.get("method") or f"{own.get('signal')} x {own.get('objective')}"))
    for name in METHOD_SETTINGS:
        if own.get(name) != usual.get(name):
            value = own.get(name)
            parts.append(f"{name} {value if isinstance(value, int | float) else json.dumps(value)}")
    if "identified" in config:
        parts.append("identified")
    weights = config.get("weights")
    if weights is not None and len(weights) == len(config["capabilities"]):
        seen = [weights[j] for j in log.visible]
        config["requirement"] = seen if sum(seen) > 0 else config["requirement"]
    return log._replace(config={**config, "allocator": ", ".join(parts)})


def _check_settings(logs: Sequence[Log]) -> None:
    """Raise RunLogError where two logs of one name have other settings: a mean of them says nothing."""
    first: dict[tuple[Any, ...], Log] = {}
    for log in logs:
        cell = tuple(log.config[key] for key in ("allocator", "task", "budget"))
        other = first.setdefault(cell, log)
        learnt = "identified" in log.config  # each run its own
        for key in ("settings", "told") if learnt else ("settings", "told", "requirement"):
            one, two = other.config.get(key), log.config.get(key)
            if one != two:
                raise RunLogError(f"{key} is {one!r} in {other.path} and {two!r} in {log.path}")


def complete(logs: Sequence[Log]) -> tuple[list[Log], list[str]]:
    """The largest part of the runs in which every allocator has the same seeds, tasks and budgets, and
    what is not in it. Raises RunLogError, naming runs that are missing, if no allocator has them all.
    """
    cells = {(log.config["task"], log.config["budget"]) for log in logs}
    own: dict[str, dict[tuple[str, int], frozenset[int]]] = {}
    for log in logs:
        cell = log.config["task"], log.config["budget"]
        own.setdefault(log.config["allocator"], {})[cell] = frozenset(log.config["seeds"])
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
    kept = [log for log in logs if seeds <= has[log.config["allocator"]]]
    for log in kept:
        if extra := frozenset(log.config["seeds"]) - seeds:
            where = f"{log.config['allocator']} on {log.config['task']} at {log.config['budget']}"
            left_out.append(f"{where}: seeds {_listed(extra)}, which others lack")
    return [_only(log, seeds) for log in kept], left_out


def best_seeds(has: Mapping[str, frozenset[int]]) -> frozenset[int]:
    """The seeds that give the most runs (allocators times seeds); then the most seeds."""

    def worth(seeds: frozenset[int]) -> tuple[int, int, list[int]]:
        users = sum(seeds <= mine for mine in has.values())
        return users * len(seeds), len(seeds), sorted(seeds)

    return max(has.values(), key=worth)


def _only(log: Log, seeds: frozenset[int]) -> Log:
    mine = [seed for seed in log.config["seeds"] if seed in seeds]
    rows = [row for row in log.rows if row["seed"] in seeds]
    return log._replace(config={**log.config, "seeds": mine}, rows=rows)


def _listed(seeds: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "none"
