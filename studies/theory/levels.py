"""Level and power of the tests on logs (`readsim.theory.shape_tests`), on simulated logs of known truth.

Claim, written before the runs: where the null is true a test of level 5 % refuses at most 8 % of the logs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.theory.shape_tests import additive_test, concave_test, nondecreasing_test

Truth = Callable[[Array], Array]  # shares of the budget used (n, S) -> utility (n,)

# adds up?, concave, nondecreasing along each source?, utility
TRUTHS: dict[str, tuple[bool, bool, bool, Truth]] = {
    "root": (True, True, True, lambda b: 0.3 * np.sqrt(b).sum(axis=1)),
    "exponential": (True, True, True, lambda b: 0.3 * (1 - np.exp(-4 * b)).sum(axis=1)),
    "line": (True, True, True, lambda b: 0.3 * b @ np.linspace(1, 0.2, b.shape[1])),
    "slow start": (True, False, True, lambda b: 0.5 * (b**2 * (3 - 2 * b)).sum(axis=1)),
    "peak": (
        True,
        True,
        False,
        lambda b: 0.3 * np.sqrt(b[:, 1:]).sum(axis=1) + b[:, 0] * (0.5 - b[:, 0]),
    ),
    "interaction": (
        False,
        True,
        True,
        lambda b: 0.3 * np.sqrt(b).sum(axis=1) + 0.6 * b[:, 0] * b[:, 1],
    ),
    "common link": (
        False,
        True,
        True,
        lambda b: 0.6 * (1 - np.exp(-b @ np.linspace(3, 1, b.shape[1]))),
    ),
    # added for a null of hinges alone, which refused up to all of the true ones with 8 sources
    "log": (True, True, True, lambda b: 0.12 * np.log1p(9 * b).sum(axis=1)),
    "hill": (True, True, True, lambda b: 0.35 * (b / (b + 0.2)).sum(axis=1)),
    "harm": (True, True, False, lambda b: 0.4 * np.sqrt(b[:, 1:]).sum(axis=1) - 0.25 * b[:, 0]),
    "substitutes": (
        False,
        True,
        True,
        lambda b: 0.5 * (1 - np.exp(-4 * (b[:, 0] + b[:, 1]))) + 0.3 * np.sqrt(b[:, 2]),
    ),
    # nobody had looked at these when the null became smooth curves
    "power": (True, True, True, lambda b: 0.4 * (b**0.3).sum(axis=1)),
    "kink": (True, True, True, lambda b: 2.0 * np.minimum(b, 0.1).sum(axis=1)),
    "gompertz": (True, False, True, lambda b: 0.4 * np.exp(-5 * np.exp(-12 * b)).sum(axis=1)),
    # nor at these when corners of the null of "concave" moved from 10 quantiles to 32
    "two kinks": (
        True,
        True,
        True,
        lambda b: (np.minimum(b, 0.04) + 0.7 * np.minimum(b, 0.25)).sum(axis=1),
    ),
    "kink down": (True, False, True, lambda b: 0.5 * np.maximum(b - 0.1, 0).sum(axis=1)),
    "help": (False, True, True, lambda b: 0.3 * np.sqrt(b).sum(axis=1) * (1 + 0.5 * b[:, 0])),
}
# sources, runs, rows a run, sd of a row, sd that a run shares, one mixture a run
FIRST = 30_000  # seed: the tests were designed on logs below
FEWER = 4  # times fewer logs of 8 sources, which cost most
DESIGNS = (
    (3, 12, 10, 0.01, 0.0, True),
    (3, 12, 10, 0.01, 0.01, False),
    (8, 24, 10, 0.01, 0.01, True),
)


def simulated_log(
    design: tuple[int, int, int, float, float, bool], truth: Truth, seed: int
) -> tuple[Array, Array, Array]:
    """Shares of the budget used (n, S), utility (n,), the number of the run (n,)."""
    sources, runs, rows, sd, shared, still = design
    rng = np.random.default_rng(seed)
    fed = rng.dirichlet(np.ones(sources), (runs, 1 if still else rows))
    b = np.broadcast_to(fed, (runs, rows, sources)).cumsum(axis=1).reshape(-1, sources) / rows
    run = np.repeat(np.arange(runs), rows)
    y = truth(b) + sd * rng.normal(size=len(b)) + shared * rng.normal(size=runs)[run]
    return b, y, run.astype(np.float64)


def levels(logs: int, said: Callable[[], None] = lambda: None) -> pd.DataFrame:
    """One row a design and truth: shares of `logs` logs refused by each test, and whether it is level."""
    rows: list[dict[str, Any]] = []
    for design in DESIGNS:
        count = logs if design[0] < 8 else max(1, logs // FEWER)
        for name, (adds, bends, rises, truth) in TRUTHS.items():
            found = []
            for seed in range(FIRST, FIRST + count):
                b, y, run = simulated_log(design, truth, seed)
                tests = (
                    additive_test(b, y, run),
                    concave_test(b, y, run, seed, draws=99),
                    nondecreasing_test(b, y, run, seed, draws=99),
                )
                found.append([test.p <= 0.05 for test in tests])
            refused = np.mean(found, axis=0)
            rows.append(
                {
                    "sources": design[0],
                    "runs": design[1],
                    "mixtures": "one a run" if design[5] else "new each step",
                    "truth": name,
                    "logs": count,
                    "adds up refused": refused[0],
                    "is": "level" if adds else "power",
                    "concave refused": refused[1],
                    "is ": "level" if bends else "power",
                    "nondecreasing refused": refused[2],
                    "is  ": "level" if rises else "power",
                }
            )
            said()
    return pd.DataFrame(rows)
