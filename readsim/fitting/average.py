"""The average over laws: held-out predictions of each, weights from them, intervals that hold.

Laws work on ln(loss), or on the score itself. Each capability has weights of its own, at least 0 with sum 1,
that minimise the held-out squared error (stacking: Wolpert 1992, Breiman 1996); they are drawn towards
those that serve all capabilities together, which are drawn towards equal ones. The held-out prediction
that is reported for a row uses weights from the other folds only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.conformal import Widening, widening_of
from readsim.fitting.laws.features import Law, Predictor
from readsim.fitting.laws.gaussian_process import GaussianProcess
from readsim.fitting.laws.guided import Guided
from readsim.fitting.laws.log_ridge import log_ridge
from readsim.fitting.laws.pulls import PathPredictor, pulls
from readsim.fitting.laws.sparse import sparse
from readsim.worlds.world import World

CURVES, PROCESS, GUIDED, ORDERED = "shared-curves", "gaussian-process", "guided", "pulls"
SPREAD_ALL, SPREAD_OWN = (
    0.5,
    0.25,
)  # of the weights: common ones around equal ones, own ones around those
STRICT = 1e4  # how strictly the weights sum to 1


def to_law_scale(profiles: Array, losses: bool) -> Array:
    """ln(loss), or the score."""
    return np.log(-profiles) if losses else np.array(profiles, dtype=np.float64)


def from_law_scale(values: Array, losses: bool, lowest: float = 0.0) -> Array:
    """Profiles; scores within [lowest, 1]."""
    return -np.exp(values) if losses else np.clip(values, lowest, 1.0)


@dataclass(frozen=True, eq=False)
class LawData:
    """What laws see: x (n, S) in units of the largest run, wanted and weight (n, K).

    path (n, T, S)   the same tokens, in the order in which they were trained; None: order is not known, or
                     no run's shares change
    """

    x: Array
    wanted: Array
    weight: Array
    guide: Predictor | None = None
    trusts: tuple[float, ...] | None = None
    path: Array | None = None

    def take(self, rows: NDArray[np.bool_]) -> "LawData":
        """Some of them."""
        own = (self.x[rows], self.wanted[rows], self.weight[rows])
        path = None if self.path is None else self.path[rows]
        return LawData(*own, self.guide, self.trusts, path)


class Laws(NamedTuple):
    """Fitted laws by name, apart from the shared curves; the one that says how sure it is; and the one that
    predicts paths, where their order is known."""

    each: Mapping[str, Predictor]
    sure: GaussianProcess | Guided
    ordered: PathPredictor | None


def fit_laws(runs: LawData) -> Laws:
    """All but the shared curves."""
    given = runs.x, runs.wanted, runs.weight
    process = GaussianProcess(*given)
    each: dict[str, Predictor] = {name: law(*given) for name, law in LINEAR.items()}
    each[PROCESS] = process
    ordered = None if runs.path is None else pulls(runs.path, *given[1:])
    if runs.guide is None:
        return Laws(each, process, ordered)
    guided = Guided(*given, runs.guide, *(() if runs.trusts is None else (runs.trusts,)))
    return Laws({**each, GUIDED: guided}, guided, ordered)


LINEAR: dict[str, Law] = {"log-ridge": log_ridge, "sparse": sparse}


class HeldOut(NamedTuple):
    """Of each law, in the order of `names`: (L, n, K) predicted for each row by a fit without its fold;
    sd (n, K) of a measurement there. nan where a fold could not be predicted."""

    names: tuple[str, ...]
    each: Array
    sd: Array


def hold_out(
    runs: LawData,
    fold: NDArray[np.int64],
    curves: Array | None,
    tick: Callable[[], None] = lambda: None,
) -> HeldOut:
    """The held-out predictions of all laws; those of the shared curves are given (`curves`, (n, K))."""
    names = (*LINEAR, PROCESS, *((GUIDED,) if runs.guide is not None else ()))
    if runs.path is not None:
        names = (*names, ORDERED)
    each = np.full((len(names), *runs.wanted.shape), np.nan)
    sd = np.full_like(runs.wanted, np.nan)
    for f in np.unique(fold):
        inside, outside = runs.take(fold != f), fold == f
        there = (np.isfinite(inside.wanted) & (inside.weight > 0.0)).sum(axis=0)
        if not (there > 1).all():
            continue  # a capability measured in this fold only: nothing to learn it from
        laws = fit_laws(inside)
        at = runs.x[outside]
        for n, name in enumerate(names):
            if name in laws.each:
                each[n, outside] = laws.each[name](at)
            elif laws.ordered is not None and runs.path is not None:
                each[n, outside] = laws.ordered(runs.path[outside])
        sd[outside] = laws.sure.posterior(at).measured_sd
        tick()
    if curves is not None:
        names, each = (*names, CURVES), np.concatenate([each, curves[None]])
    return HeldOut(names, each, sd)


def stack(each: Array, wanted: Array, weight: Array) -> Array:
    """Weights (L, K) of laws from their held-out predictions `each` (L, n, K), see the module."""
    from scipy.optimize import nnls

    laws, k = len(each), wanted.shape[1]
    there = np.isfinite(wanted) & np.isfinite(each).all(axis=0) & (weight > 0.0)
    cells = np.where(there, weight, 0.0)
    cells = cells / np.maximum(cells.sum(axis=0), np.finfo(float).tiny) * there.sum(axis=0)
    root, filled = np.sqrt(cells), np.where(there, wanted, 0.0)
    made = np.where(there, each, 0.0)
    even = np.full(laws, 1.0 / laws)
    missed = root * (filled - np.tensordot(even, made, 1))
    noise = np.sqrt((missed**2).sum(axis=0) / np.maximum(there.sum(axis=0), 1))
    noise = np.where(noise > 0.0, noise, 1.0)

    def solve(places: list[int], towards: Array, spread: float) -> Array:
        table = [(root[:, j] * made[:, :, j] / noise[j]).T for j in places]
        target = [root[:, j] * filled[:, j] / noise[j] for j in places]
        # a common level is no law's merit: predictions and targets are measured from the mean law
        middle = [root[:, j] * np.tensordot(even, made[:, :, j], 1) / noise[j] for j in places]
        rows = [t - m[:, None] for t, m in zip(table, middle, strict=True)]
        ends = [t - m for t, m in zip(target, middle, strict=True)]
        rows += [np.eye(laws) / spread, np.full((1, laws), STRICT)]
        ends += [towards / spread, np.array([STRICT])]
        found, _ = nnls(np.vstack(rows), np.concatenate(ends))
        return np.asarray(found / found.sum())

    common = solve(list(range(k)), even, SPREAD_ALL)
    return np.stack([solve([j], common, SPREAD_OWN) for j in range(k)], axis=1)


def combine(each: Array, weights: Array) -> Array:
    """(n, K) of predictions (L, n, K) and weights (L, K)."""
    out: Array = np.einsum("lnk,lk->nk", each, weights)
    return out


def combine_held_out(held: HeldOut, runs: LawData, fold: NDArray[np.int64]) -> Array:
    """The average's held-out prediction (n, K): each fold with the weights of the others."""
    out = np.full_like(runs.wanted, np.nan)
    for f in np.unique(fold):
        other, own = fold != f, fold == f
        weights = stack(held.each[:, other], runs.wanted[other], runs.weight[other])
        out[own] = combine(held.each[:, own], weights)
    return out


class Foretold(NamedTuple):
    """Profiles (m, K) with their interval, and the standard deviation of a measurement (m, K)."""

    mean: Array
    low: Array
    high: Array
    sd: Array


@dataclass(frozen=True, eq=False)
class Average:
    """Laws fitted to all runs, and how they are averaged; the shared curves are those of `world`.

    names, weights   the laws and their weights (L, K)
    unit             tokens of the largest run
    fold, held_out   (n,) and (n, K): profiles that were predicted without the row's fold
    sd               (n, K) of a measurement at a held-out row, on the scale of laws
    """

    world: World
    runs: LawData
    names: tuple[str, ...]
    weights: Array
    unit: float
    fold: NDArray[np.int64]
    groups: NDArray[np.int64]
    held_out: Array
    sd: Array
    laws: Laws

    @property
    def losses(self) -> bool:
        """Whether profiles are negated losses."""
        return not self.world.is_score

    @property
    def profiles(self) -> Array:
        """What was measured, (n, K)."""
        return from_law_scale(self.runs.wanted, self.losses, -np.inf)

    def predict(self, tokens: Array) -> Array:
        """Profiles (m, K) after tokens (m, S), or (m, T, S): those of T decisions one after the other."""
        return from_law_scale(self._mean(tokens), self.losses, self.world.scale.low)

    def _mean(self, tokens: Array) -> Array:
        each = np.stack([self._law(name, tokens) for name in self.names])
        return combine(each, self.weights)

    def _law(self, name: str, tokens: Array) -> Array:
        if name == ORDERED:
            assert self.laws.ordered is not None
            path = tokens if tokens.ndim == 3 else tokens[:, None]
            return self.laws.ordered(path / self.unit)
        if name == CURVES:
            return to_law_scale(self.world.profile_after([_sums(tokens)]), self.losses)
        return self.laws.each[name](_sums(tokens) / self.unit)

    def widening(self) -> Widening:
        """Of one capability each, on the scale of laws."""
        held = to_law_scale(self.held_out, self.losses)
        return widening_of(np.abs(held - self.runs.wanted) / self.sd, self.runs.weight, self.groups)

    def forecast(self, tokens: Array) -> Foretold:
        """Profiles after tokens (m, S) or (m, T, S), with the 95 % interval of what a run would measure."""
        at = _sums(tokens) / self.unit
        mean, sd = self._mean(tokens), self.laws.sure.posterior(at).measured_sd
        half = self.widening().factor * sd
        low, centre, high = (
            from_law_scale(v, self.losses, self.world.scale.low)
            for v in (mean - half, mean, mean + half)
        )
        if self.losses:
            low, high = high, low
        return Foretold(centre, low, high, sd * self._slope(centre))

    def _slope(self, profiles: Array) -> Array:
        """What a unit on the scale of laws is in profile units, (m, K)."""
        return np.abs(profiles) if self.losses else np.ones_like(profiles)

    def utility(
        self, tokens: Array, of: Callable[[Array], Array], weights: Array
    ) -> tuple[Array, Array, Array]:
        """Utility (m,) after tokens (m, S) or (m, T, S) and its 95 % interval: `of` profiles (m, K), and
        `weights` (K,) of the capabilities say how their errors add up."""
        told = self.forecast(tokens)
        factor = self._factor(of, weights)
        half = factor * np.sqrt(told.sd**2 @ weights**2)
        centre = of(told.mean)
        return centre, centre - half, centre + half

    def difference(self, tokens: Array, of: Callable[[Array], Array], weights: Array) -> Array:
        """Half the 95 % interval (m,) of how far the utility after the first row of tokens (m, S) is ahead of
        each: of the mixtures themselves, without the noise of measuring a run of each."""
        joint = self.laws.sure.joint(tokens / self.unit)
        slope = weights * self._slope(self.predict(tokens))
        turn = np.einsum("ak,kab,bk->ab", slope, joint.covariance, slope)
        own = np.diagonal(turn)
        out: Array = np.sqrt(np.maximum(own[0] + own - 2.0 * turn[0], 0.0))
        return self._factor(of, weights) * out

    def _factor(self, of: Callable[[Array], Array], weights: Array) -> float:
        """How many of its standard deviations a utility is off by, see `readsim.fitting.conformal`."""
        own = np.sqrt((self.sd * self._slope(self.held_out)) ** 2 @ weights**2)
        missed = np.abs(of(self.held_out) - of(self.profiles)) / own
        together = self.runs.weight @ weights
        return float(widening_of(missed[:, None], together[:, None], self.groups).factor[0])


def _sums(tokens: Array) -> Array:
    """Tokens by source (m, S), whatever the order."""
    return tokens if tokens.ndim == 2 else tokens.sum(axis=1)
