"""Final utility of ReAD with one setting changed, minus the default's, paired by seed."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.summary.results import results_of

DEFAULT = "default"


def setting_of(log: Log, steps: int) -> str:
    """`default`, `T=5` for another number of steps, or what stands behind `read+`."""
    if int(log.config["steps"]) != steps:
        return f"T={log.config['steps']}"
    return str(log.config["allocator"]).partition("+")[2] or DEFAULT


def usual_steps(logs: Sequence[Log]) -> int:
    """The number of steps that most logs have; the larger of two."""
    counts = Counter(int(log.config["steps"]) for log in logs)
    return max(counts, key=lambda steps: (counts[steps], steps))


def differences(logs: Sequence[Log]) -> dict[str, Array]:
    """Setting -> utility minus that of the default in points, mean over tasks, one number per seed.

    Raises RunLogError without runs of `read` as it is, or where the runs of a setting are not the same
    tasks, budgets and seeds.
    """
    read = [log for log in logs if str(log.config["allocator"]).split("+")[0] == "read"]
    if not read:
        found = sorted({str(log.config["allocator"]) for log in logs})
        raise RunLogError(f"expected runs of `read` and `read+setting=value`, found {found}")
    steps = usual_steps(read)
    parts = [results_of([log]).assign(setting=setting_of(log, steps)) for log in read]
    frame = pd.concat(parts, ignore_index=True)
    keys = ["budget", "task", "seed"]
    by_run = frame.set_index(["setting", *keys])["utility"]
    if DEFAULT not in by_run.index.get_level_values("setting"):
        raise RunLogError(f"no runs of `read` with its defaults at {steps} steps")
    if twice := by_run.index[by_run.index.duplicated()].tolist():
        raise RunLogError(f"two runs of {twice[0]}")
    wide = by_run.unstack("setting")
    if wide.isna().to_numpy().any():
        place = wide.isna().stack()
        raise RunLogError(f"no run of {place.index[place.to_numpy()][0]}")
    by_seed = 100.0 * wide.groupby("seed").mean()
    names = sorted(by_seed.columns.drop(DEFAULT), key=_place)
    return {name: (by_seed[name] - by_seed[DEFAULT]).to_numpy() for name in names}


def _place(name: str) -> tuple[int, str]:
    """By name, numbers of steps last and by number."""
    return (int(name[2:]), "") if name.startswith("T=") else (0, name)
