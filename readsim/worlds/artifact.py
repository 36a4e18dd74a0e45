"""The transition of the paper's public demo (LabRAI/ReAD, `examples/toy_read_demo.py`), from its formula.

    s_j <- clip(s_j + sum_i w_i T_ij max(0.05, 1 - s_j) + noise_j, 0, 1)

with w_i = tokens_i / scale_i and T = help - harm. Kept as a mode of its own because it differs from
`flow` on purpose: one Euler step, a hard clip, and a headroom that also shrinks harm, so that a
strong skill is hard to forget.
"""

import numpy as np

from readsim.arrays import Array
from readsim.worlds.potential import State

LEAST_ROOM = 0.05


class Artifact:
    """State: (rate (..., S), profile (..., K)). `process_sd` is per interval, as in the demo."""

    def __init__(self, start: Array, transfer: Array, process_sd: Array) -> None:
        self.start = start
        self.transfer = transfer
        self.process_sd = process_sd
        self.process_width = len(process_sd) if process_sd.any() else 0

    def initial(self, rate: Array) -> State:
        return rate, np.broadcast_to(self.start, (*rate.shape[:-1], len(self.start))).copy()

    def advance(
        self,
        state: State,
        tokens: Array,
        process: Array | None = None,
        pace: Array | None = None,
    ) -> State:
        rate, profile = state
        counted = tokens * rate if pace is None else tokens * rate * pace
        change = counted @ self.transfer * np.maximum(LEAST_ROOM, 1.0 - profile)
        if process is not None and self.process_width:
            change = change + process * self.process_sd
        return rate, np.clip(profile + change, 0.0, 1.0)

    def profile(self, state: State) -> Array:
        return state[1].copy()

    def put_back(self, now: State, saved: State) -> State:
        return saved
