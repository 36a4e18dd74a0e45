"""The settings of a toy pair."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from readsim.errors import ConfigError, unknown

RULES = ("sgd", "momentum", "adam", "sign", "clip")


@dataclass(frozen=True)
class ToyConfig:
    """K capabilities; sources are the capabilities.

    names          one per capability; what a capability's data are depends on `seed` and its name alone
    inputs, hidden, classes   widths of the student; the teacher has four times the hidden units
    trunks         the trunk that each capability uses; () is one for all. Capabilities on different
                   trunks share no parameters
    pool, items    examples to train on, and to measure on in each split, a capability
    optimiser      sgd, momentum, adam, sign (signSGD) or clip (SGD, gradient norm at most `clip`)
    momentum       the factor of momentum, and Adam's beta1
    batch          examples (= tokens) an update; the last update of an interval may be smaller
    sampled        True: examples are drawn from the mixture; False: the exact expected gradient

    Raises ConfigError, which names the field.
    """

    names: tuple[str, ...] = ("skill 0", "skill 1", "skill 2", "skill 3")
    inputs: int = 6
    hidden: int = 8
    classes: int = 3
    trunks: tuple[int, ...] = ()
    pool: int = 48
    items: int = 64
    optimiser: str = "sgd"
    learning_rate: float = 0.2
    momentum: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip: float = 0.05
    batch: int = 10
    sampled: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("inputs", "hidden", "pool", "items", "batch", "classes"):
            value, least = getattr(self, name), 2 if name == "classes" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} = {value!r}: a whole number >= {least}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed = {self.seed!r}: a whole number >= 0")
        if not isinstance(self.sampled, bool):
            raise ConfigError(f"sampled = {self.sampled!r}: true or false")
        if isinstance(self.names, str):
            raise ConfigError(f"names = {self.names!r}: a list of names, not one text")
        if not self.names or len(set(self.names)) != len(self.names):
            raise ConfigError(f"names = {self.names!r}: at least one, each once")
        if self.trunks and (
            len(self.trunks) != len(self.names)
            or any(type(trunk) is not int for trunk in self.trunks)
            or sorted(set(self.trunks)) != list(range(max(self.trunks) + 1))
        ):
            raise ConfigError(f"trunks = {self.trunks!r}: 0, 1, ... for each of the capabilities")
        if self.optimiser not in RULES:
            raise unknown("optimiser", self.optimiser, RULES)
        for name in ("learning_rate", "clip", "epsilon"):
            if not (self._number(name) and 0 < getattr(self, name) < np.inf):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: a finite number > 0")
        for name in ("momentum", "beta2"):
            if not (self._number(name) and 0 <= getattr(self, name) < 1):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: a factor in [0, 1)")

    def _number(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, Real) and not isinstance(value, bool)

    @property
    def trunk_of(self) -> tuple[int, ...]:
        """The trunk of each capability."""
        return self.trunks or (0,) * len(self.names)
