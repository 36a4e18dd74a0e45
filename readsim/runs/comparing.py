"""Whether runs may be compared, how they differ, and what they are called beside each other."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from readsim.runs.rows import RunHeader

# One comparison: these are the same in all its logs.
SHARED = ("world", "world_digest", "steps", "sources", "capabilities", "hidden", "unit")

# What a real run's manifest says of its method of distillation: runs that differ in it are compared.
METHOD = ("method", "signal", "objective")
METHOD_SETTINGS = (
    *("objective_settings", "auxiliary_weight", "on_policy", "sampling", "soft", "elicitation"),
    "decoding.student_temperature",  # dots: in a table
)
APART = (*METHOD, *METHOD_SETTINGS, "versions")


class Absent:
    """Stands for a field that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


class Difference(NamedTuple):
    """A field that is not equal: its name, nested ones with dots, and both values."""

    name: str
    one: object
    other: object

    def between(self, here: str, there: str) -> str:
        """`steps is 2 in the run, 3 in the plan`."""
        return f"{self.name} is {self.one!r} {here}, {self.other!r} {there}"


def differences(one: object, other: object, name: str = "") -> list[Difference]:
    """Every field in which plain data differ, in the order of `one`, then of what only `other` has."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        dot = f"{name}." if name else ""
        return [
            found
            for key in dict.fromkeys((*one, *other))
            for found in differences(one.get(key, ABSENT), other.get(key, ABSENT), f"{dot}{key}")
        ]
    return [] if one == other else [Difference(name, one, other)]


def fair(header: RunHeader, *, one_task: bool) -> dict[str, Any]:
    """What has to be equal in runs that are compared: world, steps, names.

    Of a real run, whose world digest covers its method, the manifest stands in place of the digest:
    student, teacher, recipe, data and probes, all but the method and the versions of libraries. With
    `one_task` also the task, its budget and what it weighs: what the scores of single runs need.
    Null and absent are the same.
    """
    keys = ("task", "budget", "weights", *SHARED) if one_task else SHARED
    if header.manifest is None:
        sharing = None if header.paid is None else header.paid["tasks"]
        return _given({"sharing": sharing} | {key: _plain(header, key) for key in keys})
    shared = {key: _plain(header, key) for key in keys if key != "world_digest"}
    return _given({**shared, **_without(header.manifest, APART)})


def _without(table: Mapping[str, Any], names: Sequence[str], at: str = "") -> dict[str, Any]:
    """The table without what is named, with dots where it is in a table of it."""
    return {
        key: _without(value, names, f"{at}{key}.") if isinstance(value, Mapping) else value
        for key, value in table.items()
        if f"{at}{key}" not in names
    }


def _in(table: Mapping[str, Any], name: str) -> Any:
    """What a name with dots stands for; None where there is none."""
    first, _, rest = name.partition(".")
    found = table.get(first)
    return _in(found, rest) if rest and isinstance(found, Mapping) else found


def _plain(header: RunHeader, key: str) -> Any:
    if key in header.absent:
        return None
    value = getattr(header, key)
    return list(value) if isinstance(value, tuple) else value


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null, at any depth."""
    given = {key: value for key, value in table.items() if value is not None}
    return {key: _given(v) if isinstance(v, Mapping) else v for key, v in given.items()}


def unlike(one: RunHeader, other: RunHeader, *, one_task: bool) -> list[Difference]:
    """How two runs differ in what must be equal (`fair`); empty if they may be compared."""
    if one.is_real != other.is_real:
        kinds = ("real" if header.is_real else "simulated" for header in (one, other))
        return [Difference("kind of runs", *kinds)]
    return differences(fair(one, one_task=one_task), fair(other, one_task=one_task))


def method_of(header: RunHeader) -> str:
    """`logit-kd`, `cot x skew-fkl`; empty for simulated runs."""
    manifest = header.manifest
    if manifest is None:
        return ""
    combined = f"{manifest.get('signal')} x {manifest.get('objective')}"
    return str(manifest.get("method") or combined)


def display_name(header: RunHeader, usual: Mapping[str, Any] | None = None) -> str:
    """What a run is called: `one-hot`, `one-hot, cot-kd`, `read, on_policy 0.5, identified`.

    The allocator; of a real run the method of distillation and its settings where they are not those of
    `usual`, a manifest (without one the method is always named and its settings never); then whether
    the requirement was identified.
    """
    parts = [header.allocator]
    own = header.manifest
    if own is not None:
        if usual is None:
            usual = {key: value for key, value in own.items() if key not in METHOD}
        if any(own.get(name) != usual.get(name) for name in METHOD):
            parts.append(method_of(header))
        for name in METHOD_SETTINGS:
            if (value := _in(own, name)) != _in(usual, name):
                shown = value if isinstance(value, int | float) else json.dumps(value)
                parts.append(f"{name.rpartition('.')[2]} {shown}")
        if header.identified is not None:
            parts.append("identified")
    return ", ".join(parts)


def usual_manifest(headers: Sequence[RunHeader], reference: str) -> Mapping[str, Any] | None:
    """The manifest whose method needs no mention: that of the allocator `reference`, else the most
    frequent one; None where all runs are simulated."""
    real = [header for header in headers if header.is_real]
    chosen = [header for header in real if header.allocator == reference] or real
    if not chosen:
        return None
    methods = Counter(_told(header) for header in chosen)
    most = max(sorted(methods), key=lambda name: methods[name])
    return next(header.manifest for header in chosen if _told(header) == most)


def _told(header: RunHeader) -> tuple[str, bool]:
    return method_of(header), header.identified is not None
