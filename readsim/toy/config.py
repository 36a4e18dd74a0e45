"""The settings of a toy pair."""

from dataclasses import dataclass

from readsim.errors import ConfigError
from readsim.files.checked import Checked, choice, number, switch, whole
from readsim.streams import LARGEST_SEED

RULES = ("sgd", "momentum", "adam", "sign", "clip")


@dataclass(frozen=True)
class ToyConfig(Checked):
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
    inputs: int = whole(6, "ours", low=1, high=10_000)
    hidden: int = whole(8, "ours", low=1, high=10_000)
    classes: int = whole(3, "ours", low=2, high=10_000)
    trunks: tuple[int, ...] = ()
    pool: int = whole(48, "ours", low=1, high=100_000)
    items: int = whole(64, "ours", low=1, high=100_000)
    optimiser: str = choice("sgd", "ours", RULES)
    learning_rate: float = number(0.2, "ours", above=0.0)
    momentum: float = number(0.9, "ours", low=0.0, high=1 - 1e-9)
    beta2: float = number(0.999, "ours", low=0.0, high=1 - 1e-9)
    epsilon: float = number(1e-8, "ours", above=0.0)
    clip: float = number(0.05, "ours", above=0.0)
    batch: int = whole(10, "ours", low=1, high=100_000)
    sampled: bool = switch(True, "ours")
    seed: int = whole(0, "ours", low=0, high=LARGEST_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.names, str):
            raise ConfigError(f"names = {self.names!r}: expected a list of names, not one text")
        if not self.names or len(set(self.names)) != len(self.names):
            raise ConfigError(f"names = {self.names!r}: expected at least one name, each once")
        if self.trunks and (
            len(self.trunks) != len(self.names)
            or any(type(trunk) is not int for trunk in self.trunks)
            or sorted(set(self.trunks)) != list(range(max(self.trunks) + 1))
        ):
            raise ConfigError(f"trunks = {self.trunks!r}: 0, 1, ... for each of the capabilities")

    @property
    def trunk_of(self) -> tuple[int, ...]:
        """The trunk of each capability."""
        return self.trunks or (0,) * len(self.names)
