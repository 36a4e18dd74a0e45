"""Aioli: estimate, within the run, what each source does to each loss; weigh sources by it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import number, whole
from readsim.allocators.exponentiated.core import exponentiated
from readsim.allocators.losses import losses, required
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.streams import generator


@dataclass(frozen=True)
class Aioli(Reweighted):
    """w <- w exp(eta sum_j A_ij) / sum, A from sweeps of smoothed one-hots (Aioli, arXiv 2411.05735).

    A round sweeps `lp_rounds` times over the S mixtures that give one source `one_hot_factor` and
    the others the rest, one decision each in random order; the loss drops D (S, V) solve W A = D
    for the rows W of the mixtures; A minus its smallest entry if that is below 0, over its sum,
    moves the weights, which are kept for `hold` decisions.

    lp_rounds        sweeps in a round
    one_hot_factor   must not be 1/S, where all mixtures are alike
    eta              step size
    ema              None accumulates as above. A number is the weight of the older A in a moving
                     average, and w is re-based on the first weights
    hold             decisions that weights are kept; 0: as many as the sweep took

    Pinned to `aioli_trainer.py` of the authors' code (commit a236112), with aioli_normalize_A.
    Differences: their round is 250 steps with 16 for each mixture, of which the sweep takes 16 S; ours
    is made of whole decisions, so that the sweep is trained on, as theirs, and needs no trial that
    is undone. It is short of rounds instead: with T = 20 and S = 8 one, with S = 3 three. A sweep
    that would leave no decision to use it is not begun, so with T <= S the rule is uniform. The
    columns of A are weighted by the task (`required`); first weights uniform.
    """

    lp_rounds: int = whole(1, "ours: a decision has many steps; code: 4", low=1, high=10_000)
    one_hot_factor: float = number(0.625, "code: the scripts", above=0.0, high=1.0)
    eta: float = number(0.2, "code: the scripts", above=0.0)
    ema: float | None = number(None, "code: recommended; its scripts have .1", low=0.0, high=1.0)
    hold: int = whole(
        0, "inferred: the sweep takes .45 of a round of theirs at S = 7", low=0, high=10_000
    )

    def init(self, setup: Setup) -> State:
        s = len(setup.sources)
        if s > 1 and abs(self.one_hot_factor - 1.0 / s) < 1e-9:
            raise ConfigError(
                f"one_hot_factor = {self.one_hot_factor!r}: with {s} sources all mixtures are alike"
            )
        nothing = {"graph": np.zeros((0, len(setup.capabilities)))}
        return super().init(setup) | nothing | self._sweep(setup, 0)

    def _sweep(self, setup: Setup, step: int) -> dict[str, Any]:
        """A sweep from this step on: the order of its mixtures, empty if it does not fit any more."""
        s, v = len(setup.sources), len(setup.capabilities)
        fits = step + self.lp_rounds * s < setup.steps
        rng = generator(setup.seed, "allocator", step)
        orders = [rng.permutation(s) for _ in range(self.lp_rounds if fits else 0)]
        order = np.concatenate([np.zeros(0, dtype=np.int64), *orders])
        return {"order": order, "done": 0, "held": 0, "drops": np.zeros((s, v))}

    def select(self, state: State, context: Context) -> Array:
        done, order = state["done"], state["order"]
        if done == len(order):
            return super().select(state, context)
        mixtures = sweep_mixtures(len(context.setup.sources), self.one_hot_factor)
        row: Array = mixtures[order[done]]
        return row

    def update(self, state: State, transition: Transition) -> State:
        context, setup = transition.context, transition.context.setup
        done, order = state["done"], state["order"]
        if done == len(order):
            held = state["held"] + 1
            over = held >= (self.hold or self.lp_rounds * len(setup.sources))
            return {**state, **(self._sweep(setup, context.step + 1) if over else {"held": held})}
        drops = state["drops"].copy()
        drops[order[done]] += losses(setup, context.profile) - losses(setup, transition.profile)
        state = {**state, "drops": drops, "done": done + 1}
        return self._moved(setup, state) if done + 1 == len(order) else state

    def _moved(self, setup: Setup, state: dict[str, Any]) -> State:
        """The state after a complete sweep."""
        mixtures = sweep_mixtures(len(setup.sources), self.one_hot_factor)
        effects = np.linalg.solve(mixtures, state["drops"] / self.lp_rounds)
        graph, base = normalised(required(setup, effects)), state["weights"]
        if self.ema is not None:
            if len(state["graph"]):
                graph = (1.0 - self.ema) * graph + self.ema * state["graph"]
            base = np.full(len(graph), 1.0 / len(graph))
        score = self.eta * graph.sum(axis=1)
        return {**state, "weights": exponentiated(base, score), "score": score, "graph": graph}


def sweep_mixtures(sources: int, one_hot_factor: float) -> Array:
    """W (S, S): row i gives source i the factor and every other one an equal part of the rest."""
    if sources == 1:
        return np.ones((1, 1))
    mixtures = np.full((sources, sources), (1.0 - one_hot_factor) / (sources - 1))
    np.fill_diagonal(mixtures, one_hot_factor)
    return mixtures


def normalised(graph: Array) -> Array:
    """A minus its smallest entry if that is below 0, over the sum of all; zeros if that sum is 0."""
    raised = graph - min(float(graph.min()), 0.0)
    total = float(raised.sum())
    scaled: Array = raised / total if total > 0.0 else np.zeros_like(raised)
    return scaled
