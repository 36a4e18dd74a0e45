"""Devices of a user's own, and prices: a TOML file beside the built-in ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError, unknown
from readsim_hf.costs.devices import DEVICES, GB, Device

# field of the file -> field of a Device, and what one of its units is there
NUMBERS = {
    "memory_gb": ("memory", GB),
    "bf16_tflops": ("bf16", 1e12),
    "fp32_tflops": ("fp32", 1e12),
    "bandwidth_gb_s": ("bandwidth", 1e9),
    "price_hour": ("price", 1.0),
}
TEXTS = ("name", "source")


def read_devices(path: Path) -> tuple[Device, ...]:
    """The devices of a file, each a table [[device]], then the built-in ones that it does not name.

    A table has a name and the five NUMBERS; `price_hour`, and `source`, which says where the numbers
    are from, may be left out. One with the name of a built-in device keeps what it does not name: such
    as a price alone. Raises ConfigError or UnknownNameError, naming the file, the device and the field.
    """
    from readsim_hf.config import read_table  # loads torch, which names alone do not need

    table = read_table(path)
    if strange := sorted(set(table) - {"device"}):
        raise ConfigError(f"{path}: {unknown('table', strange[0], ('device',))}")
    rows = table.get("device", [])
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise ConfigError(
            f"{path}: expected tables [[device]], each with name, {', '.join(NUMBERS)}"
        )
    found: dict[str, Device] = {}
    for number, row in enumerate(rows, 1):
        device = _device(row, f"{path}, device {number}")
        if device.name in found:
            raise ConfigError(f"{path}, device {number}: {device.name!r} is there twice")
        found[device.name] = device
    return *found.values(), *(device for device in DEVICES if device.name not in found)


def _device(row: Mapping[str, Any], where: str) -> Device:
    known = (*TEXTS, *NUMBERS)
    for field in row:
        if field not in known:
            raise ConfigError(f"{where}: {unknown('field', field, known)}")
    for field in TEXTS:
        if not isinstance(row.get(field, "-"), str) or not str(row.get(field, "-")).strip():
            raise ConfigError(f"{where}: {field} = {row[field]!r}: expected text")
    if "name" not in row:
        raise ConfigError(f"{where}: it has no name")
    name = row["name"]
    like = {device.name.lower(): device for device in DEVICES}.get(name.lower())
    numbers: dict[str, Any] = {}
    for field, (target, one) in NUMBERS.items():
        if field in row:
            numbers[target] = one * _positive(row[field], field, f"{where} ({name})")
        elif like is None and field != "price_hour":
            builtin = ", ".join(device.name for device in DEVICES)
            raise ConfigError(f"{where} ({name}): {field} is missing (built in are {builtin})")
    if like is not None:
        return replace(like, **numbers, source=row.get("source", like.source))
    return Device(name=name, source=row.get("source", "your file"), **numbers)


def _positive(value: object, field: str, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(float(str(value))) or not 0.0 < float(str(value)) < inf:
        raise ConfigError(f"{where}: {field} = {value!r}: expected a number above 0")
    return float(str(value))


def chosen(devices: Sequence[Device], names: Sequence[str]) -> tuple[Device, ...]:
    """Those of these names, in that order; all where none is named. UnknownNameError for another one."""
    if not names:
        return tuple(devices)
    by_name = {device.name.lower(): device for device in devices}
    for name in names:
        if name.lower() not in by_name:
            raise unknown("device", name, [device.name for device in devices])
    return tuple(by_name[name.lower()] for name in names)


def priced(devices: Sequence[Device], hour: float | None) -> tuple[Device, ...]:
    """With this price of an hour where a device has none of its own."""
    return tuple(
        replace(d, price=hour) if d.price is None and hour is not None else d for d in devices
    )
