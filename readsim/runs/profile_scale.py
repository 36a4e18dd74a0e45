"""What the numbers of a profile are: said by whoever measures, written in a log's header, never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

LEAST = -1e4  # that chance takes a score to: chance is at most 0.9999
HAIR = 1e-9  # of a score: what rounding may put it outside

Unit = Literal["score", "loss"]
UNITS: tuple[Unit, ...] = ("score", "loss")


@dataclass(frozen=True)
class ProfileScale:
    """The unit of a profile and what its numbers may be.

    unit    `score`: 1 is perfect, shown in points (100 x); `loss`: negated losses, shown as they are
    lowest  the lowest score, 0 or below: a score corrected for chance c falls to -c / (1 - c).
            Losses have no bounds, so it says nothing of them

    Raises ConfigError naming the field.
    """

    unit: Unit = "score"
    lowest: float = 0.0

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise unknown("unit of a profile", self.unit, UNITS)
        value = self.lowest
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not LEAST <= value <= 0.0:
            raise ConfigError(
                f"lowest = {ascii(value)[:60]}: the lowest score, a finite number of at most 0, "
                f"from {LEAST:g} on"
            )
        if self.unit == "loss" and value != 0.0:
            raise ConfigError(f"lowest = {value!r}: losses have no lowest score, leave it out")

    @property
    def is_score(self) -> bool:
        """Whether 1 is perfect."""
        return self.unit == "score"

    @property
    def low(self) -> float:
        """The least that can be measured."""
        return float(self.lowest) if self.is_score else -inf

    @property
    def high(self) -> float:
        """The largest that can be measured."""
        return 1.0 if self.is_score else inf

    @property
    def factor(self) -> float:
        """What a number is multiplied by where it is shown."""
        return 100.0 if self.is_score else 1.0

    @property
    def shown(self) -> str:
        """The word for the unit in which numbers are shown."""
        return "points" if self.is_score else "loss"

    def beyond(self, values: Array) -> Array:
        """Those of the values that this scale cannot have, as a flat array."""
        off: Array = values[(values < self.low - HAIR) | (values > self.high + HAIR)]
        return off

    def doubts(self, values: Array) -> list[str]:
        """What to say of numbers that this scale cannot have, which are shown all the same; [] if none."""
        off = self.beyond(values)
        if not off.size:
            return []
        text = (
            f"WARNING: a profile has {off[0]:g}, outside of the declared scale, {self.low:g} to "
            f"{self.high:g} (that of logs that declare none): shown as a score. A log of negated losses "
            'has "scale": {"unit": "loss"} in its config, one of chance-corrected scores {"lowest": L}.'
        )
        return [text]

    def table(self) -> dict[str, Any]:
        """As a header holds it: what is not the default; empty for scores in [0, 1]."""
        named: dict[str, Any] = {} if self.is_score else {"unit": self.unit}
        return named | ({"lowest": float(self.lowest)} if self.lowest else {})

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> "ProfileScale":
        """From what `table` gave. Raises ConfigError or UnknownNameError, naming the field."""
        if strange := sorted(set(table) - {"unit", "lowest"}):
            raise unknown("field of a scale", strange[0], ("unit", "lowest"))
        return cls(**table)


SCORES = ProfileScale()
LOSSES = ProfileScale("loss")
