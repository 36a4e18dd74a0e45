"""D3-MOPD: headroom times improvement."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number, whole
from readsim.allocators.exponentiated.core import softmax
from readsim.allocators.modifiers import with_floor
from readsim.allocators.multi_teacher.core import Signalled
from readsim.arrays import Array

MOST_OF_FLOORS = 0.5  # of the tokens


def headroom_times_improvement(kl: Array, first: Array, window: int) -> Array:
    """(KL now / first KL) x the mean relative decrease of KL over the last `window` steps, >= 0: (S,).

    kl (n, S) oldest first; `first` (S,) is that of the run's first. 0 for a source without a decrease, and
    before there are two.
    """
    last = kl[-window - 1 :]
    with np.errstate(divide="ignore", invalid="ignore"):
        headroom = np.where(first > 0, last[-1] / first, 0.0)
        falls = np.where(last[:-1] > 0, 1.0 - last[1:] / last[:-1], 0.0)
    improvement = falls.mean(axis=0) if len(falls) else np.zeros(len(first))
    out: Array = headroom * np.maximum(improvement, 0.0)
    return out


@dataclass(frozen=True)
class HeadroomImprovement(Signalled):
    """Shares = softmax(signal / max signal / temperature) with a floor, signal = headroom x improvement.

    From D3-MOPD (arXiv 2608.24987; its rule is read from a community version): a watcher outside the trainer
    that moves shares to domains which are far from their teacher and still come nearer. Its ten optimiser
    steps are one decision here. The requirement, which it does not know, multiplies the signal. Before any
    source improves the prior is played.

    window       decisions over which a decrease is averaged
    smoothing    share of the KL before in the smoothed one
    temperature  of the softmax
    floor        least share of each source; all floors together are at most half of the tokens
    """

    window: int = whole(3, "paper", low=1, high=1000)
    smoothing: float = number(0.5, "inferred", low=0.0, high=0.999)
    temperature: float = number(0.5, "paper", above=0.0)
    floor: float = number(0.1, "paper; ours (at most half in all)", low=0.0, high=1.0)

    def init(self, setup: Setup) -> State:
        return super().init(setup) | {"kl": np.zeros((0, len(setup.sources)))} | {"first": None}

    def reweighted(self, state: State, transition: Transition) -> State:
        setup = transition.context.setup
        _, kl, _ = state["signals"]
        now = np.nan_to_num(kl, nan=0.0)
        first = now if state["first"] is None else np.where(state["first"] > 0, state["first"], now)
        known = state["kl"]
        if len(known):
            before = np.where(known[-1] > 0, known[-1], now)
            now = self.smoothing * before + (1.0 - self.smoothing) * now
        known = np.concatenate([known, now[None]])[-self.window - 1 :]
        signal = headroom_times_improvement(known, first, self.window)
        signal = signal * setup.prior * len(setup.prior)
        weights = setup.prior
        if signal.max() > 0:
            weights = softmax(signal / signal.max() / self.temperature)
        floor = min(self.floor, MOST_OF_FLOORS / len(weights))
        return {
            **state,
            "kl": known,
            "first": first,
            "weights": with_floor(weights, floor),
            "score": signal,
        }
