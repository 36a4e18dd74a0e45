"""Allocators that are frozen dataclasses of settings, each with its range and its provenance."""

from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, field, fields
from math import inf, isfinite
from typing import Any

from readsim.allocators.base import Allocator
from readsim.errors import ConfigError, unknown

Check = Callable[[str, Any], None]


def number(
    default: float | None,
    provenance: str,
    *,
    low: float = -inf,
    above: float = -inf,
    high: float = inf,
) -> Any:
    """A setting that is a finite number: >= `low`, > `above`, <= `high`.

    With the default None it may also be None.
    """
    bounds = [f">= {low:g}"] * (low > -inf) + [f"> {above:g}"] * (above > -inf)
    bounds += [f"<= {high:g}"] * (high < inf)
    accepted = " ".join(["a number", " and ".join(bounds)]).strip()

    def check(name: str, value: Any) -> None:
        if value is None and default is None:
            return
        real = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not (real and low <= value <= high and value > above):
            or_none = ", or None" if default is None else ""
            raise ConfigError(f"{name} = {value!r}: {accepted}{or_none}")

    return _setting(default, provenance, check)


def whole(default: int, provenance: str, *, low: int) -> Any:
    """A setting that is a whole number >= `low`."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ConfigError(f"{name} = {value!r}: a whole number >= {low}")

    return _setting(default, provenance, check)


def switch(default: bool, provenance: str) -> Any:
    """A setting that is True or False."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} = {value!r}: True or False")

    return _setting(default, provenance, check)


def choice(default: str, provenance: str, names: Collection[str]) -> Any:
    """A setting that is one of `names`."""

    def check(name: str, value: Any) -> None:
        if value not in names:
            raise unknown(name, value, names)

    return _setting(default, provenance, check)


def _setting(default: Any, provenance: str, check: Check) -> Any:
    return field(default=default, metadata={"provenance": provenance, "check": check})


@dataclass(frozen=True)
class Configured(Allocator):
    """Base of allocators whose fields are settings made by `number`, `whole`, `switch`, `choice`.

    A provenance starts with "paper", "code" (the authors' published one), "inferred" or "ours".
    Raises ConfigError, or UnknownNameError for a choice, at construction.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            f.metadata["check"](f.name, getattr(self, f.name))

    def settings(self) -> list[tuple[str, str, str]]:
        """(name, value, provenance); a value that is not the default is marked so."""
        rows = []
        for f in fields(self):
            value = getattr(self, f.name)
            changed = f.default is not MISSING and value != f.default
            source = "set by this variant or the user" if changed else f.metadata["provenance"]
            rows.append((f.name, str(value), str(source)))
        return rows
