"""What rules from training signals share."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError


@dataclass(frozen=True)
class Signalled(Reweighted):
    """Starts from the requirement as shares; `reweighted` is given each source's newest signals."""

    needs = frozenset({"signals"})

    def init(self, setup: Setup) -> State:
        unknown = np.full((3, len(setup.sources)), np.nan)
        return super().init(setup) | {"weights": setup.prior, "signals": unknown}

    def update(self, state: State, transition: Transition) -> State:
        if transition.signals is None:
            raise CapabilityMissingError(
                f"{type(self).__name__} needs signals of the sources, and the transition has none"
            )
        new = np.stack(transition.signals)
        signals = np.where(np.isnan(new), state["signals"], new)
        return self.reweighted({**state, "signals": signals}, transition)

    def reweighted(self, state: State, transition: Transition) -> State:
        """The state with new `weights` and `score`; `state["signals"]` (3, S) has each source's newest
        gradient, KL and dispersion, nan where there was none yet."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reweighted(state, transition)"
        )


def towards(prior: Array, factor: Array) -> Array:
    """Shares (S,) in proportion to prior x factor; a source without a factor (nan) has 1."""
    shares = prior * np.where(np.isnan(factor), 1.0, factor)
    out: Array = shares / shares.sum()
    return out
