"""Cross-validation: which gain family, link, number of curves, penalties; whether there is harm.

Rows of one group (a run's steps, repeats of a mixture) are always held out together.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.network import Data, LawConfig
from readsim.fitting.solve import ITERATIONS, SEARCH, average, predict_profiles, solve
from readsim.streams import generator

FOLDS = 5
WORTH, WORTH_OF_HARM = 0.01, 0.05  # of the held-out error: what a change must take off to be made

Tick = Callable[[], None]


def fold_of_rows(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold (n,) of each row; groups are dealt out at random, one after the other."""
    names = np.unique(groups)
    order = generator(seed, "data", 1_000_000).permutation(len(names))
    fold = np.empty(len(names), dtype=np.int64)
    fold[order] = np.arange(len(names)) % folds
    return fold[np.searchsorted(names, groups)]


def held_out(
    data: Data,
    choice: LawConfig,
    fold: NDArray[np.int64],
    *,
    members: int,
    seed: int,
    iterations: int = ITERATIONS,
    stop_at: float = np.inf,
    tick: Tick | None = None,
) -> tuple[Array, float]:
    """`bad` (n, K) predicted for each row by a fit without its fold, and the error.

    The error is the mean over capabilities of the squared error in units of the variance (1 - R2).
    Past `stop_at` the rest is not computed: the error is then infinite.
    """
    out = np.full_like(data.bad, np.nan)
    error = 0.0
    for f in np.unique(fold):
        inside, outside = fold != f, fold == f
        kept = data.rows(inside)
        if not (kept.known > 0.0).any(axis=0).all():
            continue  # a capability measured in this fold only: nothing to learn it from
        parts = average(solve(kept, choice, members=members, seed=seed, iterations=iterations))
        out[outside] = predict_profiles(parts, choice, data.x[outside])
        if tick is not None:
            tick()
        error = relative_error(data, out)
        if error > stop_at:
            return out, np.inf
    return out, error


def relative_error(data: Data, bad: Array) -> float:
    """Mean over capabilities of the squared error of T(bad) over its variance; nan counts nothing."""
    shown = np.log(np.maximum(bad, 1e-12)) if data.logs else bad
    square = np.nan_to_num(((shown - data.wanted) / data.spread) ** 2)
    return float((data.known * square).sum(axis=0).mean())


def first_choice(sources: int, scores: bool) -> LawConfig:
    """Where the search starts: a curve of its own for each source, as many shared, no harm."""
    return LawConfig(
        gain="log",
        link="saturating" if scores else "exponential",
        curves=2 * sources,
        harm=False,
        l1=1e-2,
        ridge=1e-3,
        reach=0.02,
    )


def candidates(sources: int, scores: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Field by field, what is tried in place of the value so far."""
    yield "reach", (0.2, 1.0)
    yield "gain", ("hill", "exponential", "power:0.5")
    if scores:
        yield "link", ("logistic",)
    yield "curves", (sources, 3 * sources, 5 * sources)
    yield "l1", (1e-1, 1e-3, 1e-4)
    yield "ridge", (1e-2, 1e-4)
    yield "harm", (True,)


def cross_validate(
    data: Data, fold: NDArray[np.int64], *, seed: int, tick: Tick | None = None
) -> LawConfig:
    """Each field in turn gets the value with the least held-out error, if that is worth it."""
    best = first_choice(data.x.shape[1], not data.logs)
    _, least = held_out(data, best, fold, members=1, seed=seed, iterations=SEARCH, tick=tick)
    for name, values in candidates(data.x.shape[1], not data.logs):
        worth = WORTH_OF_HARM if name == "harm" else WORTH
        for value in values:
            changed: dict[str, Any] = {name: value}
            other = replace(best, **changed)
            limit = least * (1.0 - worth)
            _, error = held_out(
                data, other, fold, members=1, seed=seed, iterations=SEARCH, stop_at=limit, tick=tick
            )
            if error < limit:
                best, least = other, error
    return best
