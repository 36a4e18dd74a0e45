"""Gain families: nondecreasing concave curves u(x) of scaled tokens x = b / t, with u(0) = 0.

The closed forms (value, slope, inverse of the slope, knee) are those of Proposition 4.5's table.
Bounded families have asymptote 1, so a world's `help` is what endless training would bring.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

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


KNOTS = np.concatenate([[0.0], np.geomspace(2.0**-10, 2.0**6, 129)])  # scaled tokens of `Tabulated`
ENDLESS = 1e12  # where the slope of a table's last line is never fallen below


@dataclass(frozen=True)
class Tabulated:
    """A curve by its values at `KNOTS`: straight lines between them, the last one continued.

    Raises ConfigError for values that are not finite, fall, or are not concave.
    """

    values: tuple[float, ...]
    bounded: bool = False

    def __post_init__(self) -> None:
        values = np.array(self.values)
        if values.shape != KNOTS.shape or not np.isfinite(values).all() or values[0] != 0.0:
            raise ConfigError(
                f"gain table of {len(values)} values: expected {len(KNOTS)} finite numbers, the first 0"
            )
        slopes = self._slopes
        if (slopes < 0).any():
            raise ConfigError("gain table: the curve falls; gains are nondecreasing")
        if (np.diff(slopes) > 1e-6 * slopes.max()).any():
            raise ConfigError("gain table: the curve is not concave; every token must bring less")

    @cached_property
    def _slopes(self) -> Array:
        slopes: Array = np.diff(self.values) / np.diff(KNOTS)
        return slopes

    def value(self, x: Array) -> Array:
        beyond: Array = np.maximum(x - KNOTS[-1], 0.0) * self._slopes[-1]
        return np.interp(x, KNOTS, self.values) + beyond

    def slope(self, x: Array) -> Array:
        place = np.searchsorted(KNOTS, x, side="right") - 1
        out: Array = self._slopes[np.minimum(place, len(self._slopes) - 1)]
        return out

    def inverse_slope(self, y: Array) -> Array:
        steeper = np.searchsorted(-np.minimum.accumulate(self._slopes), -np.asarray(y))
        knots: Array = np.append(KNOTS[:-1], ENDLESS)[steeper]
        return knots

    def knee(self, fraction: float) -> float:
        return float(self.inverse_slope(np.array(fraction * self._slopes[0])))


def tabulated(curve: Callable[[Array], ArrayLike], scale: float) -> str:
    """The family `table:...` of a function of tokens (an array of them) -> gain, as text for a `World`.

    The function is read at `KNOTS` times `scale` tokens, less its value at 0, and normalised so that
    u(1) = 1 - 1/e, as that of `exponential`. Raises ConfigError for a curve that is not finite, falls,
    or is not concave.
    """
    raw = np.asarray(curve(KNOTS * scale), dtype=np.float64)
    if raw.shape != KNOTS.shape:
        raise ConfigError(f"gain function: gave shape {raw.shape} for {KNOTS.shape} tokens")
    raw = raw - raw[0]
    at_one = float(np.interp(1.0, KNOTS, raw))
    if not (np.isfinite(raw).all() and at_one > 0):
        raise ConfigError(f"gain function: {at_one!r} after {scale:g} tokens; it must be above 0")
    values = raw * (-np.expm1(-1.0) / at_one)
    Tabulated(tuple(values.tolist()))
    return "table:" + ",".join(repr(value) for value in values.tolist())


def harm_grows_with_tokens(family: str) -> bool:
    """Whether harm grows as x rather than x - u(x): families whose u'(0) is not 1."""
    return family.startswith(("power", "table"))


def gain(name: str) -> Gain:
    """The family `exponential`, `log`, `hill`, `power`, `power:Q`, `broken` or `table:U0,U1,...`."""
    family, _, argument = name.partition(":")
    if family == "table":
        try:
            return Tabulated(tuple(float(value) for value in argument.split(",")))
        except ValueError as error:
            raise ConfigError(f"gain {name[:40]!r}: expected table:U0,U1,...") from error
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
