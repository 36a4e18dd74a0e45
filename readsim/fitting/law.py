"""Fit the shared-curves law to runs: `fit_law(tokens, targets, sources=..., capabilities=..., scores=...)`.

    fitted = fit_law(tokens, targets, sources=names, capabilities=names, scores=True, start=profile)
    fitted.world                      a `potential` World: readsim.optimum(fitted.world, task, budget)
    fitted.predict(tokens)            profiles (n, K) after tokens (n, S)

The law is stated in `readsim.fitting.network`. It was found on RegMix's 512 runs (arXiv 2407.01492):
`python -m studies regmix` compares it with RegMix's LightGBM, linear and log-linear laws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.build import world_of
from readsim.fitting.cross_validation import (
    FOLDS,
    cross_validate,
    first_choice,
    fold_of_rows,
    held_out,
)
from readsim.fitting.network import Data, LawConfig, LawParameters
from readsim.fitting.solve import FittedNetwork, average, solve
from readsim.worlds.world import World

MEMBERS = 8
LEAST_ROWS = 4


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted world and what it was made from; profiles are scores, or negated losses.

    held_out     (n, K) profile predicted for each row by a fit without its fold; nan without folds
    fold         (n,) fold of each row; all 0 without folds
    unit         tokens of the largest run: x = tokens / unit
    data, solutions   in the canonical order of rows, sources and capabilities, for refits
    """

    world: World
    choice: LawConfig
    tokens: Array
    targets: Array
    held_out: Array
    fold: NDArray[np.int64]
    groups: NDArray[np.int64]
    unit: float
    data: Data
    solutions: list[FittedNetwork]
    order: "CanonicalOrder"

    @property
    def cell_weight(self) -> Array:
        """How much each cell counts (n, K), in the order that was given."""
        there = np.isfinite(self.targets).astype(float)
        if self.data.weight is None:
            return there
        back, columns = np.argsort(self.order.rows), np.argsort(self.order.capabilities)
        return there * self.data.weight[back][:, columns]

    def predict(self, tokens: Array) -> Array:
        """Profiles (n, K) after tokens (n, S) from the start."""
        return self.world.profile_after([np.asarray(tokens, dtype=np.float64)])


@dataclass(frozen=True, eq=False)
class CanonicalOrder:
    """The places of rows, sources and capabilities in canonical order: sorted by value and name.

    The fit works in this order, so that another order of rows or columns gives the same numbers.
    """

    rows: NDArray[np.int64]
    sources: NDArray[np.int64]
    capabilities: NDArray[np.int64]

    def given(self, parts: LawParameters) -> LawParameters:
        """The parameters in the order that was given."""
        s, k = np.argsort(self.sources), np.argsort(self.capabilities)
        return LawParameters(
            parts.offset[k], parts.rest[k], parts.feeds[s], parts.help[:, k], parts.harm[:, k]
        )


def fit_law(
    tokens: Array,
    targets: Array,
    *,
    sources: Sequence[str],
    capabilities: Sequence[str],
    scores: bool,
    lowest: float = 0.0,
    start: Array | None = None,
    groups: ArrayLike | None = None,
    weight: Array | None = None,
    choice: LawConfig | None = None,
    members: int = MEMBERS,
    folds: int = FOLDS,
    seed: int = 0,
    name: str = "fitted",
    tick: Callable[[], None] | None = None,
) -> Fitted:
    """The world that explains runs: `tokens` (n, S) each was trained on, `targets` (n, K) measured.

    targets       profiles: scores in [lowest, 1] (`scores`), or negated losses, all below 0; nan: missing
    lowest        the lowest score, below 0 where chance is taken off: the law is that of the place
                  between it and 1
    start         (K,) profile before training, where it is known; else it is fitted
    groups        (n,) rows with equal entries are held out together; default: equal tokens. Where all
                  are equal, each row is on its own
    weight        (n, K) how much each cell counts, at least 0; default: equally
    choice        gain family and so on; default: chosen by cross-validation over `folds`
    members       restarts that are averaged
    folds         0: no cross-validation, for a quick fit; then `choice` defaults to the first guess
    tick          called after every fit, for a progress bar

    About 0.1 s a fit for 8 sources and 40 rows; the search takes some 70 fits, `choice` none of them.
    Raises ConfigError naming what is wrong: shapes, values outside the range, nothing that varies.
    """
    tokens, targets = np.array(tokens, dtype=np.float64), np.array(targets, dtype=np.float64)
    first = None if start is None else np.array(start, dtype=np.float64)
    _check(tokens, targets, len(sources), len(capabilities), scores, lowest, first)
    if members < 1 or folds < 0:
        raise ConfigError(
            f"members = {members!r}, folds = {folds!r}: expected members of at least 1, folds of at least 0"
        )
    order = _order(tokens, targets, sources, capabilities)
    amounts = np.ascontiguousarray(tokens[order.rows][:, order.sources])
    unit = float(amounts.sum(axis=1).max())
    x = amounts / unit
    zero, span = (1.0, 1.0 - lowest) if scores else (0.0, 1.0)
    data = Data(
        x,
        np.ascontiguousarray((zero - targets[order.rows][:, order.capabilities]) / span),
        None if first is None else (zero - first[order.capabilities]) / span,
        None if weight is None else weight[order.rows][:, order.capabilities],
        logs=not scores,
    )
    given = x if groups is None else np.asarray(groups, dtype=np.float64)[order.rows, None]
    group = _numbered(given)
    if len(np.unique(group)) == 1:  # a single run: its rows are all there is to hold out
        group = np.arange(len(x))
    folds = min(folds, len(np.unique(group)))
    fold = fold_of_rows(group, folds, seed) if folds > 1 else np.zeros(len(x), dtype=np.int64)
    if choice is None and folds > 1:
        choice = cross_validate(data, fold, seed=seed, tick=tick)
    elif choice is None:
        choice = first_choice(len(sources), scores)
    elif choice.curves < 1 or (choice.link == "exponential") == scores:
        raise ConfigError(f"choice = {choice!r}: curves >= 1, link exponential for losses only")
    outside = np.full_like(data.bad, np.nan)
    if folds > 1:
        outside, _ = held_out(data, choice, fold, members=min(members, 4), seed=seed, tick=tick)
    solutions = solve(data, choice, members=members, seed=seed, tick=tick)
    parts = order.given(average(solutions))
    back = np.argsort(order.rows)
    return Fitted(
        world=world_of(parts, choice, tuple(sources), tuple(capabilities), unit, name, lowest),
        choice=choice,
        tokens=tokens,
        targets=targets,
        held_out=(zero - span * outside)[back][:, np.argsort(order.capabilities)],
        fold=fold[back],
        groups=group[back],
        unit=unit,
        data=data,
        solutions=solutions,
        order=order,
    )


def _order(
    tokens: Array, targets: Array, sources: Sequence[str], capabilities: Sequence[str]
) -> CanonicalOrder:
    s, k = (np.array(sorted(range(len(n)), key=n.__getitem__)) for n in (sources, capabilities))
    return CanonicalOrder(np.lexsort((*targets[:, k].T, *tokens[:, s].T)), s, k)


def _numbered(rows: Array) -> NDArray[np.int64]:
    """A number (n,) for each distinct row, in the order in which they come."""
    _, first, which = np.unique(np.round(rows, 12), axis=0, return_index=True, return_inverse=True)
    rank: NDArray[np.int64] = np.argsort(np.argsort(first))
    return rank[which.reshape(-1)]


def _check(
    tokens: Array,
    targets: Array,
    s: int,
    k: int,
    scores: bool,
    lowest: float,
    start: Array | None,
) -> None:
    n = len(tokens)
    if tokens.shape != (n, s) or targets.shape != (n, k):
        raise ConfigError(
            f"tokens {tokens.shape} and targets {targets.shape}: expected (n, {s}) and (n, {k})"
        )
    if n < LEAST_ROWS:
        raise ConfigError(f"{n} rows: at least {LEAST_ROWS} are needed to fit a law")
    if not np.isfinite(tokens).all() or (tokens < 0).any():
        raise ConfigError("tokens: finite numbers >= 0 are needed")
    if not (tokens > 0).any() or len(np.unique(tokens, axis=0)) < 2:
        raise ConfigError("tokens: nothing varies, so nothing can be learnt")
    if start is not None and start.shape != (k,):
        raise ConfigError(f"start {start.shape}: expected ({k},)")
    seen = targets if start is None else np.vstack([targets, start])
    if np.isinf(seen).any() or (start is not None and np.isnan(start).any()):
        raise ConfigError("targets and start: finite numbers are needed (nan: not measured)")
    if np.isnan(targets).all(axis=0).any():
        raise ConfigError("targets: a capability that was never measured")
    low, high = np.nanmin(seen), np.nanmax(seen)
    if scores and not lowest <= low <= high <= 1.0:
        raise ConfigError(f"targets between {low:g} and {high:g}: scores lie in [{lowest:g}, 1]")
    if not scores and high >= 0.0:
        raise ConfigError(f"targets up to {high:g}: negated losses are below 0")
