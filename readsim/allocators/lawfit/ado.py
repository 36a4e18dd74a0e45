"""ADO: a power law of each domain's loss, fitted as the run goes; steeper domains get more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number, switch, whole
from readsim.allocators.lawfit.exp_law import fit_exp_law
from readsim.allocators.losses import losses, of_sources
from readsim.arrays import Array

STEEPEST, FLATTEST = 0.8, 0.05  # code: alpha <= .8 in the fit, >= .05 in the slope
LEAST_LOSS = 1e-6  # losses are fitted by their logarithm
ALPHAS = np.array([0.05, 0.2, 0.5])  # starts of alpha
FLOORS = np.array([0.0, 0.5, 0.9])  # and of E, as a share of the least loss


def fit_power_laws(tokens: Array, loss: Array, delta: float) -> tuple[Array, Array, Array]:
    """E, A and alpha (S,) of L = E + A D^-alpha from D (S, n) > 0 and L (S, n) > 0.

    Least Huber loss of log L, 0 <= alpha <= .8, E >= 0, from several starts.
    """
    x = np.stack([np.ones_like(tokens), -np.log(tokens)], axis=-1)  # (S, n, 2)
    share, alpha = (g.ravel() for g in np.meshgrid(FLOORS, ALPHAS))
    floor = share * loss.min(axis=1, keepdims=True)  # (S, G)
    rest = np.log(loss[:, None] - floor[..., None])
    level = (rest + alpha[:, None] * np.log(tokens)[:, None]).mean(axis=-1)
    starts = np.stack([floor, level, np.broadcast_to(alpha, floor.shape)], axis=-1)
    low, high = np.array([0.0, -np.inf, 0.0]), np.array([np.inf, np.inf, STEEPEST])
    found, _ = fit_exp_law(x, loss, starts, delta=delta, low=low, high=high, logs=True)
    return found[:, 0], np.exp(found[:, 1]), found[:, 2]


def with_least(shares: Array, least: float) -> Array:
    """Shares below `least` raised to it, then all divided by their sum (so they may end below it)."""
    raised = np.maximum(shares, least)
    out: Array = raised / raised.sum()
    return out


@dataclass(frozen=True)
class ADO(Configured):
    """w = (1 - gamma) mean d + gamma d, d ~ prior h^s slope (adaptive data optimization, 2410.11820).

    slope_i = max(alpha_i, .05) (L_i - E_i) / D_i is the fall of loss per token of the law L_i = E_i +
    A_i D_i^-alpha_i, fitted to all probes so far; h is a moving average of the shares played. d is
    normalised, raised to `least`, normalised again; mean d is over the decisions so far, the prior
    standing for those before the first fit. No trial is needed.

    gamma          weight of the newest d
    credit         s, the power of h
    memory         what h keeps of itself at each decision
    least          least share in d, before it is normalised for the last time
    first_fit      probes after training that there must be before the first fit
    delta          where Huber's loss turns linear, in log loss
    same_counts    D_i counts the tokens of all sources, as theirs; False: those of source i

    Pinned to `ado.py` of the authors' code (commit 731863d), but for h, where that snapshot has
    (h (1 - h))^.5 and the paper h^.5. Differences: the prior is the task's, theirs the natural shares; a
    source's loss is that of the capability of its name (`of_sources`), measured by probes, not in
    training; tokens count in mean decisions, which moves A_i only; E >= 0 where they have E >= e^.5
    nats; a fit each decision, theirs every 1000 steps of 60,000, from the 1000th on.
    """

    gamma: float = number(0.1, "paper; code", above=0.0, high=1.0)
    credit: float = number(0.5, "paper", low=0.0)
    memory: float = number(0.9, "paper; code", low=0.0, high=1.0)
    least: float = number(0.01, "paper; code", low=0.0, high=1.0)
    first_fit: int = whole(4, "ours: one more than the law has parameters", low=3, high=10_000)
    delta: float = number(1e-3, "code", above=0.0)
    same_counts: bool = switch(True, "code: use_same_step_size")

    def init(self, setup: Setup) -> State:
        s = len(setup.sources)
        return {
            "weights": setup.prior,
            "mean": setup.prior,
            "played": setup.prior,
            "tokens": np.zeros((0, s)),
            "loss": np.zeros((0, s)),
            "score": np.zeros(s),
        }

    def select(self, state: State, context: Context) -> Array:
        weights: Array = state["weights"]
        return weights

    def report(self, state: State) -> Mapping[str, Any]:
        return {"score": state["score"]}

    def update(self, state: State, transition: Transition) -> State:
        context, setup = transition.context, transition.context.setup
        shares = np.ones(len(setup.sources)) if self.same_counts else transition.allocation
        used = state["tokens"][-1:].sum(axis=0) + shares * transition.tokens
        loss = of_sources(setup, losses(setup, transition.profile))
        state = {
            **state,
            "played": self.memory * state["played"] + (1.0 - self.memory) * transition.allocation,
            "tokens": np.vstack([state["tokens"], used]),
            "loss": np.vstack([state["loss"], np.maximum(loss, LEAST_LOSS)]),
        }
        return self._moved(setup, state, context.step + 1)

    def _moved(self, setup: Setup, state: dict[str, Any], step: int) -> State:
        """The state with the weights of decision `step`."""
        if len(state["loss"]) < self.first_fit:
            return state
        counts = np.maximum(state["tokens"].T * (setup.steps / setup.budget), 1e-6)
        _, level, alpha = fit_power_laws(counts, state["loss"].T, self.delta)
        now = counts[:, -1]
        slope = np.maximum(alpha, FLATTEST) * level * now**-alpha / now  # (L - E) / D times alpha
        score = setup.prior * state["played"] ** self.credit * slope
        total = float(score.sum())
        instant = score / total if total > 0.0 else setup.prior
        instant = with_least(instant, self.least)
        weights = (1.0 - self.gamma) * state["mean"] + self.gamma * instant
        mean = state["mean"] + (instant - state["mean"]) / (step + 1)
        return {**state, "weights": weights, "mean": mean, "score": score}
