"""Which runs to make next: greedy choice from a pool of mixtures, and what it expects to gain.

Beliefs about profiles at m places are a Gaussian process (`readsim.fitting.laws.gaussian_process`): mean
(m, K), covariance (K, m, m), noise (K,). A run at place c measures every capability there once, which takes
cov_j(., c) cov_j(c, .) / (cov_j(c, c) + noise_j) off the covariance, whatever is measured. So runs can be
chosen one after the other before any of them is made.

for the fit        the run that takes most off sum_j w_j mean_r cov_j(r, r), r over mixtures like those of
                   the runs (Cohn 1996)
for the decision   the run after which the best mixture is expected to be best: E max_r (mu_r + s_r Z) with
                   s_r = cov(r, c) / sqrt(cov(c, c) + noise) of the utility, Z standard normal (the knowledge
                   gradient: Frazier et al. 2009); the regret of the mixture that seems best is
                   E max_r U_r - max_r mu_r
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array, half_of
from readsim.fitting.laws.gaussian_process import Joint

NODES = 24  # of the normal quadrature
DRAWS = 1000  # of the utility at all places, for expected maxima


class ChosenRuns(NamedTuple):
    """Places (N,) of the runs in the order of their choice.

    before, after   what is expected without and with them: for the fit the standard deviation (K,) of
                    predictions, root mean square over places; for the decision the regret (1,)
    """

    places: NDArray[np.int64]
    before: Array
    after: Array


def after_run(belief: Joint, place: int) -> Joint:
    """The belief after one run at a place: the mean is not known before, and stays."""
    column = belief.covariance[:, :, place]
    variance = np.maximum(column[:, place] + belief.noise, np.finfo(float).tiny)
    taken = column[:, :, None] * column[:, None, :] / variance[:, None, None]
    return belief._replace(covariance=belief.covariance - taken)


def spread_gain(belief: Joint, targets: NDArray[np.int64], weights: Array) -> Array:
    """By how much a run at each place (m,) lowers sum_j w_j mean_r cov_j(r, r) over places `targets`."""
    every = belief.covariance
    variance = np.diagonal(every, axis1=1, axis2=2) + belief.noise[:, None]
    taken = (every[:, targets] ** 2).mean(axis=1) / np.maximum(variance, np.finfo(float).tiny)
    out: Array = weights @ taken
    return out


def decision_gain(
    mean: Array, covariance: Array, noise: float, targets: NDArray[np.int64]
) -> Array:
    """By how much a run at each place (m,) raises the expected maximum over `targets`: mean (m,),
    covariance (m, m) of the utility."""
    z, w = np.polynomial.hermite_e.hermegauss(NODES)
    w = w / w.sum()
    variance = np.maximum(np.diagonal(covariance) + noise, np.finfo(float).tiny)
    slope = covariance[targets] / np.sqrt(variance)  # (r, m)
    out = np.zeros(len(mean))
    for node, weight in zip(z, w, strict=True):
        out += weight * (mean[targets, None] + slope * node).max(axis=0)
    gain: Array = out - mean[targets].max()
    return gain


def utility_belief(belief: Joint, weights: Array) -> tuple[Array, Array, float]:
    """Mean (m,), covariance (m, m) and noise of sum_j w_j profile_j; capabilities err independently."""
    covariance = np.tensordot(weights**2, belief.covariance, 1)
    return belief.mean @ weights, covariance, float(weights**2 @ belief.noise)


def expected_regrets(mean: Array, learned: Array, left: Array, draws: Array) -> tuple[float, float]:
    """E max U - max mu before anything more is learned, and E max U - E max (mu + what is learned) after it.

    U = mu + learned + left, independent normal vectors (m,) with covariances `learned` and `left`. Each of
    the standard normal draws (2, D, m) is used with both signs, so that after is at most before.
    """
    known, rest = (z @ half_of(c).T for z, c in zip(draws, (learned, left), strict=True))
    seen = np.stack([mean + known, mean - known])
    best = np.stack([seen + rest, seen - rest]).max(axis=-1).mean()
    return float(best - mean.max()), float(best - seen.max(axis=-1).mean())


def choose_runs(
    belief: Joint,
    count: int,
    *,
    pool: NDArray[np.int64],
    targets: NDArray[np.int64],
    weights: Array,
    decision: bool,
    cost: Array,
    total: float = np.inf,
    seed: np.random.Generator,
    tick: Callable[[], None] = lambda: None,
) -> ChosenRuns:
    """`count` runs of the places `pool`, each the one with the largest gain; gain per cost where `total`
    limits what all may cost together.

    targets   places that predictions (or the decision) are about
    weights   (K,) of the capabilities in the criterion
    cost      (m,) of a run at each place
    """
    now, left, places = belief, total, []
    for _ in range(count):
        if decision:
            gain = decision_gain(*utility_belief(now, weights), targets)
        else:
            gain = spread_gain(now, targets, weights)
        if np.isfinite(total):
            gain = gain / cost
        free = pool[cost[pool] <= left]
        if not len(free):
            break
        place = int(free[np.argmax(gain[free])])
        now, left = after_run(now, place), left - cost[place]
        places.append(place)
        tick()
    if not decision:
        every = (np.diagonal(b.covariance, axis1=1, axis2=2)[:, targets] for b in (belief, now))
        ends = [np.sqrt(np.maximum(v, 0.0).mean(axis=1)) for v in every]
        return ChosenRuns(np.array(places, dtype=np.int64), *ends)
    grid = np.ix_(targets, targets)
    mean, prior, _ = utility_belief(belief, weights)
    _, later, _ = utility_belief(now, weights)
    draws = seed.standard_normal((2, DRAWS, len(targets)))
    regrets = expected_regrets(mean[targets], (prior - later)[grid], later[grid], draws)
    return ChosenRuns(np.array(places, dtype=np.int64), *(np.array([r]) for r in regrets))
