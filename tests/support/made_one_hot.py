"""Run logs of one-hot trainings whose changes are drawn, for the studies of Figures 1 and 2."""

from pathlib import Path

import numpy as np

from readsim.arrays import Array
from tests.support.made_logs import final_row, write_log

NAMES = ("math", "code", "safety", "tools")
BUDGETS = (20_000_000, 80_000_000, 150_000_000)
SD = 0.01


def one_hot_logs(folder: Path, budgets: tuple[int, ...] = BUDGETS, seeds: int = 7) -> Array:
    """One-hot runs of every capability; their changes (B, S, K, N) in points."""
    k = len(NAMES)
    change = np.random.default_rng(3).normal(0.0, 0.05, (len(budgets), k, k, seeds))
    for b, budget in enumerate(budgets):
        for i, name in enumerate(NAMES):
            rows = []
            for n in range(seeds):
                step = {"kind": "step", "seed": n, "step": 1, "tokens": budget, "spent": budget}
                rows.append({**step, "allocation": np.eye(k)[i].tolist(), "profile": [0.5] * k})
                ends = {"final_change": change[b, i, :, n].tolist(), "final_change_sd": [SD] * k}
                rows.append(final_row(n, 0.5, [0.5] * k, **ends))
            write_log(
                folder,
                rows,
                allocator="one-hot",
                task=name,
                budget=budget,
                seeds=list(range(seeds)),
                requirement=np.eye(k)[i].tolist(),
                sources=list(NAMES),
                capabilities=list(NAMES),
            )
    return 100.0 * change
