"""What each decision was and brought: one row per decision from the logs of a comparison."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from readsim.runs.read_logs import Log
from readsim.runs.trained_shares import TrainedShare
from readsim.summary.results import KEYS

MEASURES = TrainedShare._fields[1:]


def steps_of(logs: Sequence[Log]) -> pd.DataFrame:
    """One row per decision, in the units of the world; sorted by budget, task, allocator, seed, step.

    `tokens` were trained in the step and `spent` are all so far; `allocation:SOURCE` are the token
    shares, `profile:CAPABILITY` the scores probed after it, `change:CAPABILITY` their measured change.
    Where backends count what they train of each source (`readsim.backend.OffersTrainedShares`), that is
    `prompts:SOURCE`, `tokens:SOURCE`, `loss:SOURCE`, `gradient:SOURCE` and `kl:SOURCE`.
    """
    frame = pd.DataFrame([row for log in logs for row in _decisions(log)])
    return frame.sort_values([*KEYS, "step"], ignore_index=True)


def _decisions(log: Log) -> list[dict[str, Any]]:
    header = log.header
    shown = [header.capabilities[j] for j in header.visible]
    shared = {key: getattr(header, key) for key in ("world", "task", "budget", "allocator")}
    rows = []
    for step in log.steps:
        row = {**shared, "seed": step.seed, "step": step.step}
        row |= {"tokens": step.tokens, "spent": step.spent, "reward": step.reward}
        row |= {f"allocation:{n}": x for n, x in zip(header.sources, step.allocation, strict=True)}
        row |= {f"profile:{n}": x for n, x in zip(shown, step.profile, strict=True)}
        if step.change is not None:
            row |= {f"change:{n}": x for n, x in zip(shown, step.change, strict=True)}
        for share in step.trained or ():
            told = share._asdict()
            row |= {f"{field}:{told['source']}": told[field] for field in MEASURES}
        rows.append(row)
    return rows
