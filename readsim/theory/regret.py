"""Propositions 4.7 and C.2 (step-level regret of the UCB rule) and their general form for any kappa.

If |q - mu| <= beta sigma on all candidates and alpha_t maximises mu + kappa sigma, then

    max q - q(alpha_t) <= (kappa + beta) sigma(alpha_t) + [beta - kappa]_+ sigma(alpha*),

which for kappa >= beta is at most 2 kappa sigma(alpha_t). The bound is tight. It is regret against the
best candidate of the visited context, in proxy reward: not against the best policy in utility.
Where kappa < beta (ReAD's own exploration reduction) the 2 kappa sigma form is void. With sigma = 0
everywhere the claimed regret is 0, which is true only of an exact model; one candidate has regret 0.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory.calibration import by_run, empirical_beta, runs_needed, share_interval
from readsim.theory.result import PaperStatement, Result, points
from readsim.theory.witness import Decision


def regret(q: Array, chosen: int) -> float:
    """max_A q - q(chosen) >= 0."""
    return float(np.max(q) - q[chosen])


def regret_bound(
    kappa: ArrayLike, beta: ArrayLike, sigma_chosen: ArrayLike, sigma_best: ArrayLike
) -> Array:
    """(kappa + beta) sigma(alpha_t) + [beta - kappa]_+ sigma(alpha*), elementwise.

    Raises ConfigError for a negative argument.
    """
    k, b, s, best = (
        np.asarray(v, dtype=np.float64) for v in (kappa, beta, sigma_chosen, sigma_best)
    )
    if min(v.min() for v in (k, b, s, best)) < 0:
        raise ConfigError("regret bound: kappa, beta and sigma are >= 0")
    out: Array = (k + b) * s + np.maximum(b - k, 0.0) * best
    return out


def two_kappa_sigma(kappa: ArrayLike, sigma_chosen: ArrayLike) -> Array:
    """2 kappa sigma(alpha_t), the paper's form, valid for kappa >= beta."""
    out: Array = 2.0 * np.asarray(kappa, dtype=np.float64) * np.asarray(sigma_chosen)
    return out


def check(decisions: Sequence[Decision], subject: str, delta: float = 0.1) -> list[Result]:
    """In how many runs 2 kappa sigma was broken at any step, and that the general bound never was.

    The first is about every step of a run, so one breach breaks the run, and so does a choice that no
    kappa explains: the proposition is about rules that maximise mu + kappa sigma. The second is the
    proposition itself with the beta that the played and the best candidate need: a breach indicts the code,
    or beliefs that no beta makes right (sigma = 0 around a wrong mean: the claimed regret is 0 and was not).
    """
    lost, claimed, excess = [], [], []
    for d in decisions:
        if np.isnan(d.kappa):  # no upper confidence bound chooses so: nothing is claimed
            lost.append(regret(d.q, d.chosen))
            claimed.append(-np.inf)
            continue
        best = int(np.argmax(d.q))
        pair = [best, d.chosen]
        beta = empirical_beta((d.q - d.mu)[pair], d.sigma[pair])
        lost.append(regret(d.q, d.chosen))
        claimed.append(float(two_kappa_sigma(d.kappa, d.sigma[d.chosen])))
        bound = claimed[-1]
        if np.isfinite(beta):
            bound = float(regret_bound(d.kappa, beta, d.sigma[d.chosen], d.sigma[best]))
        excess.append(lost[-1] - bound)
    over = np.array(lost) - np.array(claimed)
    broken = over > 1e-12
    runs = by_run(decisions, [float(b) for b in broken]) > 0
    reduced = float(np.mean([d.kappa < empirical_beta(d.q - d.mu, d.sigma) for d in decisions]))
    worst = decisions[int(np.argmax(over))]
    place = f"step {worst.step} of seed {worst.seed}"
    free = float(np.mean([np.isnan(d.kappa) for d in decisions]))
    largest = float(np.max(over[np.isfinite(over)], initial=0.0))
    said = [f"{free:.0%} of the choices are explained by no kappa"] if free else []
    if reduced:
        said.append(
            f"at {reduced:.0%} of the steps kappa is below beta, the width that covers all candidates"
        )
    said.append(f"{runs_needed(delta)} runs without a breach are needed to hold")
    return [
        Result(
            statement=PaperStatement.STEP_REGRET,
            subject=subject,
            measure="share of runs with regret above 2 kappa sigma at any step",
            statistic=float(runs.mean()),
            interval=share_interval(int(runs.sum()), len(runs)),
            bound=delta,
            sense="<=",
            effect=points(largest, place),
            advice="; ".join(said),
            detail={
                "decisions": tuple(decisions),
                "regret": np.array(lost),
                "claimed": np.array(claimed),
                "below_beta": reduced,
                "steps": float(broken.mean()),
            },
        ),
        Result(
            statement=f"{PaperStatement.STEP_REGRET}: any kappa",
            subject=subject,
            measure="largest excess of regret over the general bound, reward units",
            statistic=max(excess, default=-np.inf),
            bound=1e-9,
            sense="<=",
            effect=points(max(excess, default=0.0), place),
            advice="sigma is 0 around a wrong mean; any other excess would be an error of this program",
        ),
    ]


class Cumulated(NamedTuple):
    """Summed over the steps of each run: regret, and its bound with a beta_t: (N, T) each."""

    regret: Array
    bound: Array


def cumulative(
    decisions: Sequence[Decision], beta: Callable[[int], float] | float | None = None
) -> Cumulated:
    """Regret and bound of every run up to each step, with one's own beta_t.

    `beta` is the width of a proof: a function of the step t from 0, or one number; None takes each
    decision's kappa. The bound sums (kappa + beta_t) sigma(alpha_t) + [beta_t - kappa]_+ sigma(alpha*), which
    for kappa >= beta is at most 2 kappa sigma. Raises ConfigError where runs are not of one length.
    """
    runs = {d.seed: [e for e in decisions if e.seed == d.seed] for d in decisions}
    if len({len(steps) for steps in runs.values()}) != 1:
        raise ConfigError("decisions: runs of one length")
    lost, bound = [], []
    for steps in runs.values():
        lost.append([regret(d.q, d.chosen) for d in steps])
        row = []
        for d in steps:
            width = d.kappa if beta is None else beta(d.step) if callable(beta) else beta
            kappa = width if np.isnan(d.kappa) else d.kappa
            row.append(regret_bound(kappa, width, d.sigma[d.chosen], d.sigma[np.argmax(d.q)]))
        bound.append(row)
    return Cumulated(np.cumsum(lost, axis=1), np.cumsum(bound, axis=1))
