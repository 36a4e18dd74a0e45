"""Finished runs side by side on the test split: the same student, recipe, budget and data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from readsim.arrays import Array
from readsim.errors import RunLogError, unknown
from readsim.runs.log_file import read_runlog
from readsim.runs.read_logs import fair_manifest

# What may differ: how the teacher is asked and what is minimised is what baselines are about.
_SEEDS = 3  # from so many seeds on, intervals are over seeds


@dataclass(frozen=True, eq=False)
class TestedRun:
    """One finished run.

    label    allocator, with the method where it is not the default, and `identified`
    fair     what has to be equal in runs that are compared
    items    (n_b,) scores of the test items after the run, by benchmark
    """

    __test__ = False  # not one of pytest's

    label: str
    seed: int
    path: Path
    fair: Mapping[str, Any]
    capabilities: tuple[str, ...]
    weights: Array
    profile: Array
    items: Mapping[str, Array]
    benchmarks: Mapping[str, tuple[str, str]]  # capability and family


@dataclass(frozen=True, eq=False)
class Difference:
    """A label minus the reference, paired: mean (K+1,) and half-width (K+1,) of 95 % intervals; the last
    entry is the utility. `over` is "seeds" or "items"."""

    mean: Array
    half: Array
    over: str


def read_tested(folder: Path) -> list[TestedRun]:
    """The finished runs under `folder`/runs. Raises RunLogError where there is none."""
    logs = sorted((folder / "runs").glob("*.jsonl"))
    runs = [run for path in logs if (run := _read(path)) is not None]
    if not runs:
        raise RunLogError(f"{folder}: no finished run of `readsim distill` under {folder / 'runs'}")
    return runs


def _read(path: Path) -> TestedRun | None:
    header, rows = read_runlog(path)
    config, beside = header["config"], path.with_suffix(".json")
    if not rows or rows[-1]["kind"] != "final" or not beside.is_file():
        return None
    tested = json.loads(beside.read_text()).get("test")
    if tested is None or "weights" not in config:
        return None  # written by an older readsim
    manifest = config["manifest"]
    fair = fair_manifest(manifest)
    fair |= {k: config[k] for k in ("budget", "steps", "weights", "capabilities")}
    fair["test items"] = tested["ids"]
    method = manifest["method"] or f"{manifest['signal']} x {manifest['objective']}"
    label = f"{config['allocator']}, {method}"
    return TestedRun(
        label=f"{label}, identified" if "identified" in config else label,
        seed=int(header["seeds"][0]),
        path=path,
        fair=fair,
        capabilities=tuple(config["capabilities"]),
        weights=np.array(config["weights"]),
        profile=np.array(rows[-1]["final_profile"]),
        items={name: np.array(scores) for name, scores in tested["after"].items()},
        benchmarks={name: (c, f) for name, (c, f) in tested["benchmarks"].items()},
    )


def unlike(one: TestedRun, other: TestedRun) -> list[str]:
    """The names of what must be equal in compared runs and is not, nested ones with dots."""
    return _unlike(one.fair, other.fair)


def _unlike(a: Any, b: Any, name: str = "") -> list[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        dot = f"{name}." if name else ""
        return [found for k in sorted({*a, *b}) for found in _unlike(a.get(k), b.get(k), dot + k)]
    return [] if a == b else [name]


def check_fair(runs: Sequence[TestedRun]) -> None:
    """RunLogError, naming the fields, unless all runs may be compared, and each label has the same seeds."""
    for run in runs[1:]:
        if differing := unlike(runs[0], run):
            raise RunLogError(
                f"{runs[0].path.name} and {run.path.name} differ in {', '.join(differing[:5])}: runs are "
                "compared with the same student, recipe, budget, data and probes only"
            )
    seeds = {label: {r.seed for r in runs if r.label == label} for label in labels(runs)}
    counts = [(r.label, r.seed) for r in runs]
    if doubled := next((c for c in counts if counts.count(c) > 1), None):
        raise RunLogError(
            f"{doubled[0]!r} is there twice with seed {doubled[1]}: move one log away"
        )
    if len({frozenset(s) for s in seeds.values()}) > 1:
        told = "; ".join(f"{label}: {sorted(s)}" for label, s in seeds.items())
        raise RunLogError(f"the runs have different seeds, which cannot be paired ({told})")


def labels(runs: Sequence[TestedRun]) -> list[str]:
    """Each label once, in order of the runs."""
    return list(dict.fromkeys(run.label for run in runs))


def scores(runs: Sequence[TestedRun], label: str) -> Array:
    """Mean test score of each capability, and the utility last: (K+1,)."""
    mine = [run for run in runs if run.label == label]
    return np.asarray(np.mean([_row(run) for run in mine], axis=0))


def difference(runs: Sequence[TestedRun], label: str, reference: str) -> Difference:
    """`label` minus `reference` on the same seeds and the same items.

    From three seeds on, a t interval over the seeds; with fewer, a normal interval over the items of
    the benchmarks, the mean of the seeds for each item: it says nothing about other seeds.
    Raises UnknownNameError for a label that is not there.
    """
    for name in (label, reference):
        if name not in labels(runs):
            raise unknown("run", name, labels(runs))
    one, other = (_by_seed(runs, name) for name in (label, reference))
    each = np.array([_row(one[seed]) - _row(other[seed]) for seed in sorted(one)])
    if len(each) >= _SEEDS:
        spread = each.std(axis=0, ddof=1) / np.sqrt(len(each))
        return Difference(each.mean(axis=0), stats.t.ppf(0.975, len(each) - 1) * spread, "seeds")
    first = next(iter(one.values()))
    variance = np.zeros(len(first.capabilities))
    for name, (capability, family) in first.benchmarks.items():
        moved = np.mean([one[s].items[name] - other[s].items[name] for s in one], axis=0)
        share = _share(first.benchmarks, capability, family)
        variance[first.capabilities.index(capability)] += share**2 * moved.var(ddof=1) / len(moved)
    whole = np.append(variance, first.weights**2 @ variance)
    return Difference(each.mean(axis=0), 1.96 * np.sqrt(whole), "items")


def _row(run: TestedRun) -> Array:
    return np.append(run.profile, run.weights @ run.profile)


def _by_seed(runs: Sequence[TestedRun], label: str) -> dict[int, TestedRun]:
    return {run.seed: run for run in runs if run.label == label}


def _share(benchmarks: Mapping[str, tuple[str, str]], capability: str, family: str) -> float:
    """Weight of one benchmark in its capability's score."""
    families = [f for c, f in benchmarks.values() if c == capability]
    return 1.0 / (len(set(families)) * families.count(family))


# `readsim scores`: the table of finished runs on the test split.

CELL = 15  # characters of a column


def show_scores(folder: Path, reference: str | None) -> None:
    """Print the table and write `scores.csv` beside the runs. RunLogError for runs that must not be
    compared."""
    runs = read_tested(folder)
    check_fair(runs)
    known = labels(runs)
    if reference is not None and reference not in known:
        raise unknown("run", reference, known)
    console = Console()
    print_scores(console, runs, reference or known[0])
    _write(folder / "scores.csv", runs, reference or known[0])
    console.print(f"also in {folder / 'scores.csv'}", markup=False)


def show_beside(console: Console, folder: Path, path: Path) -> None:
    """The run at `path` beside those of its folder with which it may be compared, if there are any."""
    runs = read_tested(folder)
    this = next(run for run in runs if run.path == path)
    fair = [r for r in runs if not unlike(this, r) and r.seed == this.seed]
    if len(fair) > 1:
        print_scores(console, fair, this.label)
        if len(fair) < len(runs):
            left = len(runs) - len(fair)
            console.print(f"{left} runs with another seed, budget or recipe are left out")


def print_scores(console: Console, runs: Sequence[TestedRun], reference: str) -> None:
    """One row a label: scores, and the difference to the reference, each in points.

    On a narrow terminal differences are shown for the utility alone.
    """
    names = (*runs[0].capabilities, "utility")
    seeds = sorted({run.seed for run in runs})
    table = Table(title=f"test split, points; below: minus {reference} [95 %]")
    for n, name in enumerate(("", *names)):
        table.add_column(name, justify="left" if n == 0 else "right")
    over, narrow = "", console.width < 24 + CELL * len(names)
    for label in labels(runs):
        cells = [f"{100 * v:.1f}" for v in scores(runs, label)]
        if label != reference:
            apart = difference(runs, label, reference)
            over = apart.over
            for n, (mean, half) in enumerate(zip(apart.mean, apart.half, strict=True)):
                if narrow and n < len(names) - 1:
                    continue
                star = "*" if abs(mean) > half else ""
                cells[n] += f"\n{100 * mean:+.1f} ± {100 * half:.1f}{star}"
        table.add_row(label, *cells)
    console.print(table)
    console.print(
        f"{len(seeds)} seed(s); intervals are over {over or 'nothing'}, uncorrected for the number of cells"
    )


def _write(path: Path, runs: Sequence[TestedRun], reference: str) -> None:
    import pandas as pd

    rows = []
    for label in labels(runs):
        apart = difference(runs, label, reference)
        for n, name in enumerate((*runs[0].capabilities, "utility")):
            numbers = {
                "score": scores(runs, label)[n],
                "difference": apart.mean[n],
                "half_width": apart.half[n],
            }
            rows.append({"run": label, "reference": reference, "capability": name, **numbers})
    pd.DataFrame(rows).to_csv(path, index=False)
