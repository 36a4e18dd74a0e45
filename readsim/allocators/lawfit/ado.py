"""ADO: a scaling law for each source, fitted while training, says which still learns."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number, whole
from readsim.allocators.losses import losses, of_sources, required
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array


@dataclass(frozen=True)
class ADO(Reweighted):
    """p = .9 mean of d so far + .1 d, d_i in proportion to prior_i slope_i h_i^s (arXiv 2410.11820).

    slope_i = max(alpha_i, .05) (L_i(D_i) - E_i) / D_i from L_i(D) = E_i + exp(a_i) D^-alpha_i, fitted to
    the losses of source i over its cumulative tokens D_i; h is a moving average of the shares
    played. Pinned: `ado.py` of the authors' code (commit bc3d8d0).

    warmup      decisions with the prior before the first fit
    credit      exponent s           smoothing   share of the mean of d
    memory      of h                 floor       least share of d, before it is scaled to sum 1
    steepest    largest alpha        least_error least E as a share of the least loss seen

    Differs: the losses are probed ones, of the capability of the source's name, weighted by the task
    (`required`); a fit has at most 20 points, theirs hundreds; D is in intervals; E is bounded below
    by a share of the least loss, where theirs is .5 nats; the prior is half the task's shares and
    half uniform, where theirs is the domains' sizes.
    """

    warmup: int = whole(4, "ours; code: 500 to 1,000 steps", low=1)
    credit: float = number(0.5, "paper: s", low=0.0)
    smoothing: float = number(0.9, "paper: gamma_1", low=0.0, high=1.0)
    memory: float = number(0.9, "paper: gamma_2", low=0.0, high=1.0)
    floor: float = number(0.01, "paper: delta_min", low=0.0, high=1.0)
    least_slope: float = number(0.05, "code", low=0.0)
    steepest: float = number(0.8, "code", above=0.0)
    least_error: float = number(0.2, "ours; code: .5 nats", low=0.0, high=0.999)

    def init(self, setup: Setup) -> State:
        s = len(setup.sources)
        prior = 0.5 * setup.prior + 0.5 / s
        return super().init(setup) | {
            "weights": prior,
            "history": prior,
            "mean": np.zeros(s),
            "count": 0,
            "seen": np.zeros((0, s)),
            "loss": np.zeros((0, s)),
        }

    def update(self, state: State, transition: Transition) -> State:
        context, setup = transition.context, transition.context.setup
        played = transition.allocation
        before = state["seen"][-1] if len(state["seen"]) else np.zeros(len(played))
        spent = played * transition.tokens * setup.steps / setup.budget
        loss = of_sources(setup, required(setup, losses(setup, transition.profile)))
        new = {
            **state,
            "seen": np.vstack([state["seen"], before + spent]),
            "loss": np.vstack([state["loss"], loss]),
            "history": self.memory * state["history"] + (1.0 - self.memory) * played,
        }
        if context.step + 1 < self.warmup:
            return new
        prior = 0.5 * setup.prior + 0.5 / len(played)
        slope = np.array(
            [self._slope(d, y) for d, y in zip(new["seen"].T, new["loss"].T, strict=True)]
        )
        d = preference(prior, slope, new["history"], self.credit, self.floor)
        count = state["count"] + 1
        mean = state["mean"] + (d - state["mean"]) / count
        # the first preference has no mean before it
        weights = d if count == 1 else self.smoothing * state["mean"] + (1.0 - self.smoothing) * d
        return {**new, "weights": weights, "score": slope, "mean": mean, "count": count}

    def _slope(self, seen: Array, loss: Array) -> float:
        """Loss a source would still lose by an interval's tokens, (max alpha) (L - E) / D; >= 0."""
        if seen[-1] <= 0.0 or not (loss > 0.0).any():
            return 0.0
        least = float(loss[loss > 0.0].min())
        low = self.least_error * least
        alpha, error, now = fit_scaling(seen, loss, low, least, self.steepest)
        return max(alpha, self.least_slope) * max(now - error, 0.0) / float(seen[-1])


def fit_scaling(
    seen: Array, loss: Array, low: float, high: float, steepest: float
) -> tuple[float, float, float]:
    """(alpha, E, L(now)) of the least-squares E + exp(a) D^-alpha, E in [low, high], 0 <= alpha <= steepest.

    For a given alpha the law is linear in (exp(a), E): alpha is taken from a grid of 33.
    """
    known = seen > 0.0
    d, y = seen[known], loss[known]
    best = (np.inf, 0.0, high, float(y[-1]))
    for alpha in np.linspace(steepest / 32.0, steepest, 32):
        x = d**-alpha
        spread = float(((x - x.mean()) ** 2).sum())
        slope = max(float(((x - x.mean()) * (y - y.mean())).sum()) / spread, 0.0) if spread else 0.0
        error = min(max(float(y.mean() - slope * x.mean()), low), high)
        slope = max(float(x @ (y - error)) / float(x @ x), 0.0)
        miss = float(((error + slope * x - y) ** 2).sum())
        if miss < best[0] - 1e-15:
            best = (miss, float(alpha), error, error + slope * float(x[-1]))
    return best[1:]


def preference(prior: Array, slope: Array, history: Array, credit: float, floor: float) -> Array:
    """d (S,) in proportion to prior slope history^credit, at least `floor`; the prior if all are 0."""
    raw = prior * slope * history**credit
    total = float(raw.sum())
    if total <= 0.0:
        return prior
    raised = np.maximum(raw / total, floor)
    out: Array = raised / raised.sum()
    return out
