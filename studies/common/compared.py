"""A comparison by budget, method, seed and task, in points: what claims about methods are judged on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.allocators.registry import split_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.metrics import target_set
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid, make_grid
from readsim.summary.results import FINAL, KEYS, is_oracle, results_of

POINTS = ("utility", "on_target", "off_target", "negative", "negative_floor", "harmful")
READ = "read"


def compared(logs: Sequence[Log]) -> Grid:
    """The runs, complete, in points, with two more columns.

    `score` is the final score of the capability that the task is about; `worst_drop` the largest
    measured drop (>= 0) among the others. Raises RunLogError as `make_grid`.
    """
    if not logs:
        raise RunLogError("no run logs")
    logs = labelled(logs)
    frame = results_of(logs)
    drops = pd.concat([_worst_drops(log) for log in logs], ignore_index=True)
    frame = frame.merge(drops, on=list(KEYS))
    about = {log.config["task"]: target_of(log) for log in logs}
    finals = [name for name in frame.columns if name.startswith(FINAL)]
    frame = frame.assign(**{name: 100.0 * frame[name] for name in (*POINTS, *finals)})
    own = frame["task"].map(about)
    score = np.zeros(len(frame))
    for name in own.unique():
        score = np.where(own == name, frame[f"{FINAL}{name}"], score)
    frame["score"] = score
    return make_grid(frame)


def labelled(logs: Sequence[Log]) -> list[Log]:
    """Logs whose method of distillation is part of the allocator's name: `one-hot logit-kd`.

    Real runs name the method in their manifest. Logs of one method only keep their names.
    """
    methods = [(log.config.get("manifest") or {}).get("method") or "" for log in logs]
    if len(set(methods)) < 2:
        return list(logs)
    return [
        log._replace(config={**log.config, "allocator": f"{log.config['allocator']} {method}"})
        for log, method in zip(logs, methods, strict=True)
    ]


def target_of(log: Log) -> str:
    """The capability that a log's task is named after, else the one it requires most."""
    names = [log.config["capabilities"][j] for j in log.visible]
    task = str(log.config["task"])
    return task if task in names else str(names[int(np.argmax(log.config["requirement"]))])


def _worst_drops(log: Log) -> pd.DataFrame:
    beside = ~target_set(np.array(log.config["requirement"]))
    finals = [row for row in log.rows if row["kind"] == "final"]
    change = np.array([row["final_change"] for row in finals])[:, log.visible][:, beside]
    worst = 100.0 * np.maximum(-change, 0.0).max(axis=-1, initial=0.0)
    keys = {key: log.config[key] for key in KEYS if key != "seed"}
    return pd.DataFrame({**keys, "seed": [row["seed"] for row in finals], "worst_drop": worst})


def by_task(grid: Grid, column: str) -> Array:
    """A column as (B, A, N, tasks)."""
    lengths = [len(axis) for axis in grid[1:]]
    out: Array = grid.frame[column].to_numpy(dtype=np.float64).reshape(lengths)
    return out


def family(name: str) -> str:
    """`read` of `read+guard=0.1 logit-kd`."""
    return split_name(name.split(" ", maxsplit=1)[0])[0]


def place(names: Sequence[str], wanted: str) -> int:
    """Where the method is, whatever its settings. Raises RunLogError if it is missing or not alone."""
    found = [n for n, name in enumerate(names) if family(name) == wanted]
    if len(found) != 1:
        raise RunLogError(f"expected runs of one {wanted}: the allocators are {', '.join(names)}")
    return found[0]


def rivals(names: Sequence[str]) -> list[int]:
    """Places of what ReAD is compared with: neither its variants nor oracles. Raises RunLogError if none."""
    out = [n for n, name in enumerate(names) if not _is_ours(name) and not is_oracle(name)]
    if not out:
        raise RunLogError(f"nothing to compare with: the allocators are {', '.join(names)}")
    return out


def _is_ours(name: str) -> bool:
    return f"{family(name)}-".startswith(f"{READ}-")


def best(values: Array) -> Array:
    """Of values (M, N) the row (N,) with the highest mean over seeds.

    One rival for all seeds, chosen by the mean of the same seeds: with noise this favours the rival.
    """
    out: Array = values[int(values.mean(axis=-1).argmax())]
    return out


def margin(values: Array, names: Sequence[str]) -> Array:
    """ReAD minus the best rival: values (A, N) -> (N,)."""
    out: Array = values[place(names, READ)] - best(values[rivals(names)])
    return out
