"""A task: which capabilities it requires, and what its utility is."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, WorldError, unknown
from readsim.worlds import utility

FOCUS = 0.6


@dataclass(frozen=True, eq=False)
class Task:
    """`requirement` r over visible capabilities, `weights` w of the utility over all K.

    The allocator sees r; w is what the final utility is computed with. They are equal unless a world
    says otherwise (a hidden capability, a misaligned requirement).
    """

    name: str
    requirement: Array
    weights: Array
    kind: str = "linear"

    def utility(self, profile: Array) -> Array:
        """U(p) over (..., K) profiles: (...)."""
        return utility.utility(self.kind, self.weights, profile)

    def gradient(self, profile: Array) -> Array:
        """dU/dp over (..., K)."""
        return utility.gradient(self.kind, self.weights, profile)


def simplex_from_names(weights: dict[str, float], names: tuple[str, ...], where: str) -> Array:
    """`{"math": 2, "code": 1}` -> the vector of shares over `names`."""
    out = np.zeros(len(names))
    for name, weight in weights.items():
        if name not in names:
            raise WorldError(f"{where}: {unknown('capability', name, names)}")
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and 0.0 <= weight < np.inf):
            raise WorldError(f"{where}: weight {name} = {weight!r} must be a number >= 0")
        out[names.index(name)] = weight
    if out.sum() <= 0:
        raise WorldError(f"{where}: at least one weight must be above 0")
    shares: Array = out / out.sum()
    return shares


def build_task(
    name: str, spec: dict[str, object], capabilities: tuple[str, ...], hidden: tuple[str, ...]
) -> Task:
    """A task from a world file's table: `requirement`, optional `weights`, optional `utility`."""
    where = f"tasks.{name}"
    for key in spec:
        if key not in ("requirement", "weights", "utility"):
            raise WorldError(
                f"{where}: {unknown('field', key, ['requirement', 'weights', 'utility'])}"
            )
    tables: dict[str, dict[str, float]] = {}
    for key in ("requirement", "weights"):
        table = spec.get(key, spec.get("requirement"))
        if not isinstance(table, dict):
            raise WorldError(f"{where}.{key}: expected a table of capability = weight")
        tables[key] = table
    visible = tuple(c for c in capabilities if c not in hidden)
    kind = str(spec.get("utility", "linear"))
    try:
        utility.parse_utility(kind)
    except (ConfigError, KeyError) as error:
        raise WorldError(f"{where}.utility: {error}") from error
    return Task(
        name=name,
        requirement=simplex_from_names(tables["requirement"], visible, f"{where}.requirement"),
        weights=simplex_from_names(tables["weights"], capabilities, f"{where}.weights"),
        kind=kind,
    )


def focus_task(name: str, capabilities: tuple[str, ...], hidden: tuple[str, ...]) -> Task:
    """The task of a world that lists none: 0.6 on one visible capability, the rest spread evenly."""
    visible = [c for c in capabilities if c not in hidden]
    rest = (1.0 - FOCUS) / (len(visible) - 1) if len(visible) > 1 else 0.0
    shares = {c: FOCUS if c == name else rest for c in visible}
    return build_task(name, {"requirement": shares}, capabilities, hidden)
