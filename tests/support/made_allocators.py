"""Allocators that misbehave, for tests: found on the command line as tests.support.made_allocators:NAME."""

from pathlib import Path
from typing import Any

from readsim.allocators.base import Allocator, Context, Setup
from readsim.allocators.static import Uniform
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError
from tests.support.processes import hold


class Broken(Allocator):
    """Divides by zero at its first decision."""

    def select(self, state: Any, context: Context) -> Array:
        raise ZeroDivisionError("nothing left")


class Frugal(Uniform):
    """Uniform, but fails on large budgets while `fails` is set."""

    fails = True

    def init(self, setup: Setup) -> Any:
        if self.fails and setup.budget > 50_000_000:
            raise ValueError("too much")
        return super().init(setup)


class OnlyThree(Uniform):
    """Uniform over exactly three sources."""

    def init(self, setup: Setup) -> Any:
        if len(setup.sources) != 3:
            raise CapabilityMissingError("OnlyThree needs three sources")
        return super().init(setup)


class Interrupting(Uniform):
    """Uniform, but the user presses ctrl-C while `armed`."""

    armed = True

    def init(self, setup: Setup) -> Any:
        if self.armed:
            raise KeyboardInterrupt
        return super().init(setup)


class Waits(Uniform):
    """Uniform, but says in a file that it has begun, and never ends by itself."""

    def init(self, setup: Setup) -> Any:
        Path("waiting").touch()
        hold()
        return super().init(setup)
