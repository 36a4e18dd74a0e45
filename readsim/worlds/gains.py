"""Gain families: nondecreasing concave curves u(x) of scaled tokens x = b / t, with u(0) = 0.

The closed forms (value, slope, inverse of the slope, knee) are those of Proposition 4.5's table.
Bounded families have asymptote 1, so a world's `help` is what endless training would bring.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown


class Gain(Protocol):
    """One family. All methods are elementwise."""

    @property
    def bounded(self) -> bool:
        """Whether u has an asymptote."""
        ...

    def value(self, x: Array) -> Array:
        """u(x)."""
        ...

    def slope(self, x: Array) -> Array:
        """u'(x), the right derivative."""
        ...

    def inverse_slope(self, y: Array) -> Array:
        """The smallest x >= 0 with u'(x) <= y, for y > 0."""
        ...

    def knee(self, fraction: float) -> float:
        """The x at which the slope has fallen to `fraction` of u'(0); NaN where u'(0) is infinite."""
        ...


@dataclass(frozen=True)
class Exponential:
    """u = 1 - exp(-x)."""

    bounded: bool = True

    def value(self, x: Array) -> Array:
        return 1.0 - np.exp(-x)

    def slope(self, x: Array) -> Array:
        return np.exp(-x)

    def inverse_slope(self, y: Array) -> Array:
        return np.maximum(-np.log(y), 0.0)

    def knee(self, fraction: float) -> float:
        return float(-np.log(fraction))


@dataclass(frozen=True)
class Logarithmic:
    """u = ln(1 + x); unbounded."""

    bounded: bool = False

    def value(self, x: Array) -> Array:
        return np.log1p(x)

    def slope(self, x: Array) -> Array:
        return 1.0 / (1.0 + x)

    def inverse_slope(self, y: Array) -> Array:
        return np.maximum(1.0 / y - 1.0, 0.0)

    def knee(self, fraction: float) -> float:
        return 1.0 / fraction - 1.0


@dataclass(frozen=True)
class Hill:
    """u = x / (1 + x)."""

    bounded: bool = True

    def value(self, x: Array) -> Array:
        return x / (1.0 + x)

    def slope(self, x: Array) -> Array:
        return (1.0 + x) ** -2

    def inverse_slope(self, y: Array) -> Array:
        return np.maximum(y**-0.5 - 1.0, 0.0)

    def knee(self, fraction: float) -> float:
        return float(fraction**-0.5 - 1.0)


@dataclass(frozen=True)
class Power:
    """u = x ** q with 0 < q < 1; unbounded, and infinitely steep at 0."""

    q: float = 0.5
    bounded: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.q < 1.0:
            raise ConfigError(f"gain 'power:{self.q:g}': the exponent must lie between 0 and 1")

    def value(self, x: Array) -> Array:
        return x**self.q

    def slope(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return self.q * np.asarray(x, dtype=np.float64) ** (self.q - 1.0)

    def inverse_slope(self, y: Array) -> Array:
        return (y / self.q) ** (1.0 / (self.q - 1.0))

    def knee(self, fraction: float) -> float:
        return float("nan")


@dataclass(frozen=True)
class Broken:
    """u = min(x, 1): a straight line, then flat."""

    bounded: bool = True

    def value(self, x: Array) -> Array:
        return np.minimum(x, 1.0)

    def slope(self, x: Array) -> Array:
        return np.where(x < 1.0, 1.0, 0.0)

    def inverse_slope(self, y: Array) -> Array:
        return np.where(y < 1.0, 1.0, 0.0)

    def knee(self, fraction: float) -> float:
        return 1.0


def gain(name: str) -> Gain:
    """The family called `exponential`, `log`, `hill`, `power`, `power:Q` or `broken`."""
    family, _, argument = name.partition(":")
    families: dict[str, type[Exponential | Logarithmic | Hill | Broken]] = {
        "exponential": Exponential,
        "log": Logarithmic,
        "hill": Hill,
        "broken": Broken,
    }
    if family == "power":
        try:
            return Power(float(argument)) if argument else Power()
        except ValueError as error:
            raise ConfigError(f"gain {name!r}: expected power:Q with 0 < Q < 1") from error
    if family not in families or argument:
        raise unknown("gain family", name, [*families, "power", "power:Q"])
    return families[family]()


@dataclass(frozen=True)
class GainBank:
    """The gains of S sources, evaluated with one call per family."""

    families: tuple[str, ...]

    @cached_property
    def groups(self) -> list[tuple[Gain, list[int]]]:
        """Each distinct family with the columns of its sources."""
        distinct = dict.fromkeys(self.families)
        return [(gain(f), [i for i, g in enumerate(self.families) if g == f]) for f in distinct]

    @cached_property
    def curves(self) -> "Gain | GainBank":
        """The family itself where all sources share one, else this bank."""
        return self.groups[0][0] if len(self.groups) == 1 else self

    def _apply(self, method: str, x: Array) -> Array:
        out = np.empty_like(x)
        for family, columns in self.groups:
            out[..., columns] = getattr(family, method)(x[..., columns])
        return out

    @property
    def bounded(self) -> Array:
        """1.0 for sources whose family has an asymptote, else 0.0: (S,)."""
        return np.array([float(gain(f).bounded) for f in self.families])

    def value(self, x: Array) -> Array:
        """u_i(x_i): (..., S) -> (..., S)."""
        return self._apply("value", x)

    def slope(self, x: Array) -> Array:
        """u_i'(x_i): (..., S) -> (..., S)."""
        return self._apply("slope", x)

    def inverse_slope(self, y: Array) -> Array:
        """The smallest x_i with u_i'(x_i) <= y_i: (..., S) -> (..., S)."""
        return self._apply("inverse_slope", y)
