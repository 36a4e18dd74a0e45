"""The learning rate over the whole budget (decision D21), not over a decision step."""

from math import cos, pi
from typing import Literal

Schedule = Literal["cosine", "linear", "constant"]
SCHEDULES: tuple[Schedule, ...] = ("cosine", "linear", "constant")


def learning_rate(
    peak: float, spent: float, warmup: float = 0.03, schedule: Schedule = "cosine", end: float = 0.1
) -> float:
    """The rate at a spent fraction of the budget in [0, 1].

    Rises linearly to `peak` over the first `warmup` of the budget, then falls to `end` * `peak` as a
    half cosine or a line, or stays.
    """
    if warmup > 0 and spent < warmup:
        return peak * max(spent / warmup, 0.01)
    if schedule == "constant":
        return peak
    done = min(max((spent - warmup) / (1 - warmup), 0.0), 1.0)
    fall = (1 + cos(pi * done)) / 2 if schedule == "cosine" else 1 - done
    return peak * (end + (1 - end) * fall)
