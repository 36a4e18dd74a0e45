"""Finished runs side by side on the test split: the same world or student, recipe, budget, task and data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from readsim.arrays import Array
from readsim.errors import RunLogError, unknown
from readsim.runs import fields
from readsim.runs.comparing import differences, display_name, unlike
from readsim.runs.read_logs import Log, log_paths, read_log
from readsim.runs.rows import FinalRow, RunHeader
from readsim.token_counts import show_tokens
from readsim.tree_file import load_facts

FEW = 5  # fields in a sentence
SEEDS = 3  # from so many seeds on, intervals are over seeds


@dataclass(frozen=True, eq=False)
class Items:
    """The test items that a real run was scored on, from the file beside its log.

    scores      (n_b,) of the items after the run, by benchmark
    benchmarks  capability and family of each
    ids         what must be equal in runs that are compared
    """

    scores: Mapping[str, Array]
    benchmarks: Mapping[str, tuple[str, str]]
    ids: Any


@dataclass(frozen=True, eq=False)
class TestedRun:
    """One finished run.

    label    allocator, of a real run with its method, and `identified`
    scores   (K + 1,) final scores of the capabilities, utility last
    sd       (K + 1,) standard errors that the test items leave its measured changes
    items    its test items, where they were kept
    """

    __test__ = False  # not one of pytest's

    label: str
    seed: int
    path: Path
    header: RunHeader
    scores: Array
    sd: Array
    items: Items | None

    @property
    def weights(self) -> Array:
        """What the task weighs (K,): recorded, or the requirement, in which hidden capabilities have none."""
        return weights_of(self.header)


@dataclass(frozen=True, eq=False)
class Apart:
    """A label minus the reference, paired: mean (K+1,) and half-width (K+1,) of 95 % intervals; the last
    entry is the utility. `over` says what the intervals are over."""

    mean: Array
    half: Array
    over: str


def read_tested(folder: Path) -> list[TestedRun]:
    """The finished runs under `folder`/runs. Raises RunLogError where there is none.

    Where runs have the file of their test items beside their log, those without it are left out: they
    were interrupted before it was written.
    """
    runs = [run for path in log_paths(folder) for run in _tested(read_log(path))]
    if not runs:
        raise RunLogError(f"{folder}: no finished run under {folder / 'runs'}")
    return [run for run in runs if run.items is not None] or runs


def left_out(folder: Path, runs: Sequence[TestedRun]) -> list[str]:
    """The logs of the folder that none of `runs` is from."""
    used = {run.path for run in runs}
    return [path.name for path in log_paths(folder) if path not in used]


def _tested(log: Log) -> Iterator[TestedRun]:
    header = log.header
    log.need("allocator", "capabilities", *([] if header.weights else ["requirement"]))
    if log.unfinished() or (header.is_real and header.weights is None):  # of an older readsim
        return
    items = _items(log.path.with_suffix(".json"), header)
    weights = weights_of(header)
    for final in log.finals:
        yield TestedRun(
            label=display_name(header),
            seed=final.seed,
            path=log.path,
            header=header,
            scores=np.append(final.final_profile, _utility(final, header)),
            sd=np.append(final.final_change_sd, np.sqrt(weights**2 @ final.final_change_sd**2)),
            items=items,
        )


def weights_of(header: RunHeader) -> Array:
    """(K,): recorded, or the requirement, in which hidden capabilities have none."""
    if header.weights is not None:
        return np.array(header.weights)
    weights = np.zeros(len(header.capabilities))
    weights[header.visible] = header.requirement
    return weights


def _utility(final: FinalRow, header: RunHeader) -> float:
    """What the task weighs of the scores; where that is not recorded, the utility of the log."""
    if header.weights is None:
        return final.utility
    return float(np.array(header.weights) @ final.final_profile)


def _items(path: Path, header: RunHeader) -> Items | None:
    """Checked: lists of scores in the range of the run's, of benchmarks of its capabilities."""
    if not path.is_file():
        return None
    facts = load_facts(path)
    if not fields.has(facts, "test"):
        return None
    where = f"{path}: test"
    tested = fields.object_in(facts, "test", str(path))
    kinds, after, ids = (
        fields.object_in(tested, key, where) for key in ("benchmarks", "after", "ids")
    )
    if not kinds.keys() == after.keys() == ids.keys():
        raise RunLogError(f"{where}: benchmarks, after and ids are not of the same benchmarks")
    within = fields.Range.of_profiles(header.scale)
    benchmarks: dict[str, tuple[str, str]] = {}
    for name in tuple(kinds):
        capability, *rest = fields.names_in(dict(kinds), name, f"{where}, benchmarks", least=2)
        if capability not in header.capabilities or len(rest) != 1:
            expected = "a capability of the run, and a family"
            raise fields.wrong_field(name, kinds[name], expected, f"{where}, benchmarks")
        benchmarks[name] = capability, rest[0]
    scores = {}
    for name, items in after.items():
        length = max(1, len(items)) if isinstance(items, list) else None  # as many as there are
        scores[name] = fields.numbers_in(dict(after), name, length, f"{where}, after", within)
    return Items(scores, benchmarks, {name: [ids[name], len(scores[name])] for name in kinds})


def different(one: TestedRun, other: TestedRun) -> list[str]:
    """The names of what must be equal in compared runs and is not, nested ones with dots."""
    found = unlike(one.header, other.header, one_task=True)
    ids, others = (run.items.ids if run.items else {} for run in (one, other))
    found += differences(ids, others, "test items")
    return sorted(difference.name for difference in found)


def check_fair(runs: Sequence[TestedRun]) -> None:
    """RunLogError, naming the fields, unless all runs may be compared, and each label has the same seeds."""
    for run in runs[1:]:
        if found := different(runs[0], run):
            raise RunLogError(
                f"{runs[0].path.name} and {run.path.name} differ in {few(found)}: runs are "
                "compared with the same world or student, recipe, task, budget, data and probes only"
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
    return np.asarray(np.mean([run.scores for run in mine], axis=0))


def difference(runs: Sequence[TestedRun], label: str, reference: str) -> Apart:
    """`label` minus `reference` on the same seeds and the same items.

    From three seeds on, a t interval over the seeds. With fewer, a normal interval that says nothing
    about other seeds: over the items of the benchmarks, the mean of the seeds for each item; where the
    items were not kept, from the standard errors of both runs' changes, mean over seeds, as if the two
    were measured apart. Raises UnknownNameError for a label that is not there.
    """
    from scipy.special import stdtrit

    for name in (label, reference):
        if name not in labels(runs):
            raise unknown("run", name, labels(runs))
    one, other = (_by_seed(runs, name) for name in (label, reference))
    each = np.array([one[seed].scores - other[seed].scores for seed in sorted(one)])
    mean = each.mean(axis=0)
    if len(each) >= SEEDS:
        spread = each.std(axis=0, ddof=1) / np.sqrt(len(each))
        return Apart(mean, stdtrit(len(each) - 1, 0.975) * spread, "seeds")
    if all(run.items is not None for run in (*one.values(), *other.values())):
        return Apart(mean, 1.96 * np.sqrt(_item_variance(one, other)), "items")
    if label == reference:
        return Apart(mean, np.zeros_like(mean), "nothing")
    sd = np.mean([np.hypot(one[seed].sd, other[seed].sd) for seed in one], axis=0)
    return Apart(mean, 1.96 * sd, "items, from each run's own standard errors")


def _item_variance(one: Mapping[int, TestedRun], other: Mapping[int, TestedRun]) -> Array:
    """Variance (K + 1,) of the mean difference over the items of the benchmarks."""
    first = next(iter(one.values()))
    capabilities, weights = first.header.capabilities, first.weights
    variance = np.zeros(len(capabilities))
    benchmarks = {} if first.items is None else first.items.benchmarks
    for name, (capability, family) in benchmarks.items():
        pairs = [(one[seed].items, other[seed].items) for seed in one]
        moved = np.mean([a.scores[name] - b.scores[name] for a, b in pairs if a and b], axis=0)
        share = _share(benchmarks, capability, family)
        variance[capabilities.index(capability)] += share**2 * moved.var(ddof=1) / len(moved)
    return np.append(variance, weights**2 @ variance)


def _by_seed(runs: Sequence[TestedRun], label: str) -> dict[int, TestedRun]:
    return {run.seed: run for run in runs if run.label == label}


def _share(benchmarks: Mapping[str, tuple[str, str]], capability: str, family: str) -> float:
    """Weight of one benchmark in its capability's score: families alike, benchmarks of one alike."""
    families = [f for c, f in benchmarks.values() if c == capability]
    return 1.0 / (len(set(families)) * families.count(family))


def comparisons(runs: Sequence[TestedRun]) -> list[list[TestedRun]]:
    """The runs that may be compared with each other, the largest group first; each is in one."""
    groups: list[list[TestedRun]] = []
    for run in runs:
        own = next((group for group in groups if not different(group[0], run)), None)
        if own is None:
            groups.append([run])
        else:
            own.append(run)
    return sorted(groups, key=lambda group: -len(group))


def show_beside(console: Console, folder: Path, path: Path) -> None:
    """The run at `path` beside those of its folder with which it may be compared, if there are any."""
    runs = read_tested(folder)
    this = next(run for run in runs if run.path == path)
    found = [different(this, r) + ([] if r.seed == this.seed else ["seed"]) for r in runs]
    fair = [run for run, unlike_ in zip(runs, found, strict=True) if not unlike_]
    if len(fair) > 1:
        print_scores(console, fair, this.label)
        if left := len(runs) - len(fair):
            names = list(dict.fromkeys(name for unlike_ in found for name in unlike_))
            said = "run is left out: it differs" if left == 1 else "runs are left out: they differ"
            console.print(f"{left} {said} in {few(names)}", highlight=False)


def few(names: Sequence[str]) -> str:
    """Names of fields, the first five of them."""
    return ", ".join(names[:FEW]) + (", ..." if len(names) > FEW else "")


def print_scores(console: Console, runs: Sequence[TestedRun], reference: str) -> None:
    """A column a run: scores, and below the differences to the reference, in points or in the world's loss.

    Runs that do not fit beside each other are in further tables, so that no name is cut.
    """
    header, known, shown = runs[0].header, labels(runs), 0
    cells = {label: _score_cells(runs, label, reference) for label in known}
    roomy = console.options.update(max_width=10_000)
    beside = f"; below: minus {reference} [95 %]" if len(known) > 1 else ""
    console.print(
        f"task {header.task}, {show_tokens(header.budget)} tokens; "
        f"test split, {header.scale.shown}{beside}",
        highlight=False,
        markup=False,
    )
    many = len(known)
    while shown < len(known):
        part = known[shown : shown + many]
        table = _score_table(runs, {label: cells[label] for label in part})
        if many > 1 and console.measure(table, options=roomy).maximum > console.width:
            many -= 1
            continue
        console.print(table)
        shown += many
    over = [difference(runs, label, reference).over for label in known if label != reference]
    if over:
        seeds = len({run.seed for run in runs})
        of = f"{seeds} seed(s); intervals are over {over[-1]}"
        console.print(f"{of}, uncorrected for the number of cells")
    for line in header.scale.doubts(np.array([run.scores for run in runs])):
        console.print(line, highlight=False)


def _score_table(runs: Sequence[TestedRun], cells: Mapping[str, Sequence[str]]) -> Table:
    table = Table()
    table.add_column("")
    for label in cells:
        table.add_column(Text(label.replace(", ", ",\n")), justify="right", overflow="fold")
    for n, name in enumerate((*runs[0].header.capabilities, "utility")):
        table.add_row(Text(name), *(of_run[n] for of_run in cells.values()))
    return table


def _score_cells(runs: Sequence[TestedRun], label: str, reference: str) -> list[str]:
    """The scores of a label and, below, its differences to the reference, which has none."""
    declared = runs[0].header.scale
    scale, digits = declared.factor, 1 if declared.is_score else 4
    out = [f"{scale * v:.{digits}f}" for v in scores(runs, label)]
    if label == reference:
        return out
    apart = difference(runs, label, reference)
    for n, (mean, half) in enumerate(zip(apart.mean, apart.half, strict=True)):
        star = "*" if abs(mean) > half else ""
        out[n] += f"\n{scale * mean:+.{digits}f} ± {scale * half:.{digits}f}{star}"
    return out


def score_table(runs: Sequence[TestedRun], reference: str) -> pd.DataFrame:
    """What `print_scores` shows, unrounded: a row a label and capability, the utility's last."""
    header = runs[0].header
    about = {"task": header.task, "budget": header.budget}
    rows = []
    for label in labels(runs):
        apart = difference(runs, label, reference)
        for n, name in enumerate((*runs[0].header.capabilities, "utility")):
            numbers = {
                "score": scores(runs, label)[n],
                "difference": apart.mean[n],
                "half_width": apart.half[n],
            }
            rows.append(
                {**about, "run": label, "reference": reference, "capability": name, **numbers}
            )
    return pd.DataFrame(rows)
