"""Settings that check themselves: fields of frozen dataclasses, each with its range and its provenance."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

import numpy as np

from readsim.errors import ConfigError, shown, unknown

Check = Callable[[str, Any], None]
SMALLEST, LARGEST = 1e-12, 1e9  # sizes of a number that is not 0: within them nothing overflows


def number(
    default: float | None,
    provenance: str,
    *,
    low: float = -inf,
    above: float = -inf,
    high: float = inf,
) -> Any:
    """A setting that is a number: >= `low`, > `above`, <= `high`; 0, or of a size from 1e-12 to 1e9.

    With the default None it may also be None.
    """
    accepted = _accepted(low, above, high) + (", or None" if default is None else "")

    def check(name: str, value: Any) -> None:
        if not (value is None and default is None):
            _check_number(name, value, low, above, high, accepted)

    return _setting(default, provenance, check)


def numbers(
    default: tuple[float, ...], provenance: str, *, above: float = -inf, below: float = inf
) -> Any:
    """A setting that is one number or several, each > `above` and < `below`."""
    accepted = f"numbers > {above:g}" + (f" and < {below:g}" if below < inf else "")

    def check(name: str, value: Any) -> None:
        if not isinstance(value, tuple) or not value:
            raise ConfigError(f"{name} = {shown(value)}: expected {accepted}, at least one")
        for one in value:
            _check_number(name, one, -inf, above, inf, accepted)
            if one >= below:
                raise ConfigError(f"{name} = {shown(value)}: expected {accepted}")

    return _setting(default, provenance, check)


def whole(default: int, provenance: str, *, low: int, high: int) -> Any:
    """A setting that is a whole number from `low` to `high`."""

    def check(name: str, value: Any) -> None:
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:
            raise ConfigError(
                f"{name} = {shown(value)}: expected a whole number >= {low}, at most {high}"
            )

    return _setting(default, provenance, check)


def switch(default: bool, provenance: str) -> Any:
    """A setting that is True or False."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} = {shown(value)}: expected True or False")

    return _setting(default, provenance, check)


def choice(default: str, provenance: str, names: Collection[str]) -> Any:
    """A setting that is one of `names`."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in names:
            raise unknown(name, shown(value) if not isinstance(value, str) else value, names)

    return _setting(default, provenance, check)


def group(kind: "type[Checked]", provenance: str) -> dict[str, Any]:
    """The metadata of a setting that is a `kind`: several settings that belong together."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, kind):
            inner = ", ".join(f"{name}.{f.name}" for f in fields(kind))
            raise ConfigError(
                f"{name} = {shown(value)}: expected a {kind.__name__}; its settings are {inner}"
            )

    return {"provenance": provenance, "check": check}


def _accepted(low: float, above: float, high: float) -> str:
    bounds = [f">= {low:g}"] * (low > -inf) + [f"> {above:g}"] * (above > -inf)
    bounds += [f"<= {high:g}"] * (high < inf)
    return " ".join(["a number", " and ".join(bounds)]).strip()


def _check_number(
    name: str, value: Any, low: float, above: float, high: float, accepted: str
) -> None:
    real = isinstance(value, int | float | np.number) and not isinstance(value, bool | complex)
    if not (real and low <= value <= high and value > above):
        raise ConfigError(f"{name} = {shown(value)}: expected {accepted}")
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        raise ConfigError(
            f"{name} = {shown(value)}: expected {accepted}, of a size from {SMALLEST:g} to {LARGEST:g}"
        )


def _setting(default: Any, provenance: str, check: Check) -> Any:
    return field(default=default, metadata={"provenance": provenance, "check": check})


@dataclass(frozen=True)
class Checked:
    """Base of dataclasses whose fields are settings made by `number`, `whole`, `switch`, `choice`.

    Raises ConfigError, or UnknownNameError for a choice, at construction.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            if "check" in f.metadata:
                f.metadata["check"](f.name, getattr(self, f.name))
