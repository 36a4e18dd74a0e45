"""The static oracle: the best constant allocation of the world. A declared exception to the contract."""

from typing import Any

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError
from readsim.worlds.optimum import optimum


class OracleStatic(Allocator):
    """alpha = argmax over constant allocations of the noise-free final utility.

    In order-free worlds without run-to-run variation nothing can end higher (Lemma L1).
    """

    needs = frozenset({"world"})

    def init(self, setup: Setup) -> Any:
        if setup.world is None or setup.task is None:
            raise CapabilityMissingError("the oracle needs a simulated world")
        best = optimum(setup.world, setup.task, setup.budget, steps=setup.steps)
        return {"allocation": best.allocation}

    def select(self, state: Any, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation
