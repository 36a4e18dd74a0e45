"""The ranges of a prior over worlds, and the TOML file that they are read from.

A prior has parts, each a table of the file. A part that not every world has says in `share` how many do;
`fact` says what its numbers are drawn from. A range is `[least, most]`, or one number; a choice is a table of
name = weight. Tokens count in budgets of the prior's `budget`, strengths as the field says. What a file
leaves out is as in `broad`, the prior that comes with readsim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError, WorldError, shown, unknown
from readsim.files import AnyPath, read_settings, suffix_of
from readsim.token_counts import parse_tokens
from readsim.tree_file import write_atomic

SCHEMA = 1
BROAD = "broad"
PACKAGED = (BROAD, "wide")
HEAD = ("schema", "name", "description", "budget")


@dataclass(frozen=True)
class PriorRange:
    """Numbers from `low` to `high`: even on a log scale if `log`, whole numbers if `whole`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, place: Array) -> Array:
        """The numbers at `place` (...) in [0, 1) of the range."""
        if self.log:
            out = self.low * (self.high / self.low) ** place
            return np.round(out) if self.whole else out
        if self.whole:
            return np.floor(self.low + (self.high + 1.0 - self.low) * place)
        return self.low + (self.high - self.low) * place

    def draw(self, rng: np.random.Generator, *shape: int) -> Array:
        """Independent numbers of this shape."""
        return np.asarray(self.at(rng.random(shape)))

    def one(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(self.draw(rng))

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class PriorChoice:
    """Names with weights that sum to 1."""

    weights: dict[str, float]

    def one(self, rng: np.random.Generator) -> str:
        """One name."""
        places = np.cumsum(list(self.weights.values()))
        n = int(np.searchsorted(places, rng.random() * places[-1], side="right"))
        return list(self.weights)[min(n, len(places) - 1)]

    def __str__(self) -> str:
        return ", ".join(f"{name} {weight:.0%}" for name, weight in self.weights.items() if weight)


@dataclass(frozen=True)
class PriorPart:
    """One table: the share of worlds that have it, its ranges and choices, and where they come from."""

    share: float
    ranges: dict[str, PriorRange]
    choices: dict[str, PriorChoice]
    fact: str


@dataclass(frozen=True)
class Prior:
    """Ranges that worlds are drawn from (`draw_world`): parts by name. `budget` in tokens."""

    name: str
    description: str
    budget: float
    parts: dict[str, PriorPart]


@dataclass(frozen=True)
class Field:
    """What a range may hold: its bounds, its scale, and what the number means."""

    about: str
    low: float
    high: float
    log: bool = False
    whole: bool = False


OVER_ROOM = "after one budget, over the room between start and"
FIELDS: dict[str, dict[str, Field | tuple[str, ...]]] = {
    "sizes": {"capabilities": Field("K", 1, 1000, whole=True)},
    "unmatched": {
        "sources": Field("sources for each capability", 0.1, 10, log=True),
        "teaches": Field("capabilities that a source teaches", 1, 1000, whole=True),
    },
    "scores": {
        "chance": Field("share of the capabilities with a chance level", 0, 1),
        "floor": Field("that chance level", 0, 0.9),
        "ceiling": Field("the teacher, over what lies above chance", 0.01, 1),
        "start": Field("the student, on its way from chance to the teacher", 0.01, 0.99),
        "link": ("saturating", "logistic"),
    },
    "gains": {
        "own": Field(f"own effect {OVER_ROOM} ceiling", 1e-6, 1e3, log=True),
        "bend": Field("one budget over the gain scale", 1e-3, 1e3, log=True),
        "family": ("exponential", "log", "hill", "power", "broken", "mixed"),
    },
    "transfer": {
        "harm": Field("share of the pairs that harm", 0, 1),
        "harms": Field(f"what a harming pair takes, {OVER_ROOM} floor", 1e-6, 1e3, log=True),
        "helps": Field(f"what a helping pair brings, {OVER_ROOM} ceiling", 1e-6, 1e3, log=True),
        "alike": Field("share of a source's effects that are all as strong, or all harm", 0, 1),
        "turning": Field("share of the harming pairs that help first", 0, 1),
        "first": Field("that help over the harm", 0, 10),
        "coupling": Field(
            "factor on all that sources do to what they are not for", 1e-6, 1e3, log=True
        ),
    },
    "efficiency": {"sd": Field("spread of a source's worth between runs, log scale", 0, 3)},
    "pools": {
        "finite": Field("share of the sources that run out", 0, 1),
        "tokens": Field("budgets of distinct tokens", 1e-6, 1e6, log=True),
        "harm": Field("what a wasted token costs over what a fresh one brings", 0, 1e3),
    },
    "forgetting": {"tokens": Field("budgets until a capability is forgotten", 1e-3, 1e6, log=True)},
    "gates": {
        "gated": Field("share of the capabilities with a gate", 0, 1),
        "threshold": Field("on the other one's way from start to ceiling", 0, 1),
        "width": Field("in score units", 1e-4, 1, log=True),
        "low": Field("what is learnt before it opens", 0, 1),
    },
    "drift": {
        "after": Field("budgets until sources teach other things", 0, 1e3),
        "change": Field("share of their effects that moves to another source", 0, 1),
    },
    "process": {"sd": Field("of a score after one budget, by the training process", 0, 1)},
    "schedule": {
        "warmup": Field("share of the budget", 0, 0.5),
        "end": Field("last rate over the peak", 0, 1),
        "decay": Field("share of the budget, of wsd", 0.01, 0.5),
        "kind": ("constant", "linear", "cosine", "wsd"),
    },
    "overtraining": {"tokens": Field("budgets of the drift from the start", 1e-2, 1e6, log=True)},
    "interference": {"limit": Field("over the room between floor and start", 1e-3, 1e3, log=True)},
    "rehearsal": {"share_of_tokens": Field("own tokens that halve the harm", 1e-4, 10, log=True)},
    "formats": {
        "count": Field("formats", 1, 20, whole=True),
        "tokens": Field("budgets until the format has moved", 1e-6, 1e3, log=True),
        "written": Field("share of a source's tokens", 0, 1),
        "moves": Field("share of the scores that a format moves", 0, 1),
        "shift": Field("of a score, over the room to the bound ahead", 1e-6, 10, log=True),
    },
    "hidden": {
        "count": Field("capabilities that no probe shows", 1, 1000, whole=True),
        "weight": Field("their part of the utility", 0, 0.99),
    },
    "probes": {
        "items": Field("of a probe", 1, 1e6, log=True, whole=True),
        "test_items": Field("of the test", 1, 1e6, log=True, whole=True),
        "pairing": Field("correlation of two probes on the same items", 0, 1),
    },
    "bias": {
        "offset": Field("of a probe", -1, 1),
        "slope": Field("of a probe in the score", 0.1, 10),
    },
}
ALWAYS = ("sizes", "scores", "gains", "transfer", "schedule", "probes")  # parts of every world


def prior_names() -> tuple[str, ...]:
    """Names of the priors that come with readsim."""
    return PACKAGED


def packaged(name: str = BROAD) -> Path:
    """The file of a prior that comes with readsim."""
    return Path(str(files("readsim.worlds.prior") / f"{name}.toml"))


def load_prior(prior: "Prior | AnyPath") -> Prior:
    """The prior itself, one that comes with readsim (`prior_names`), or the one of a TOML file.

    Raises UnknownNameError for a name that is neither, and WorldError for a file that is no prior: a field
    that there is not (with the nearest one), an empty range, a number out of its bounds.
    """
    if isinstance(prior, Prior):
        return prior
    text = str(prior)
    if text in PACKAGED:
        return _broad() if text == BROAD else read_prior(packaged(text), _broad())
    if suffix_of(Path(text)) != ".toml" and not Path(text).is_file():
        raise unknown("prior", text, [*prior_names(), "FILE.toml"])
    return read_prior(Path(text), _broad())


def write_prior(prior: AnyPath, path: AnyPath) -> None:
    """A copy of a prior's file, by name or at a path, to be changed. Raises WorldError, as no .toml."""
    if suffix_of(Path(path)) != ".toml":
        raise WorldError(f"{str(path)!r}: a prior is a .toml file")
    source = packaged(str(prior)) if str(prior) in PACKAGED else Path(prior)
    write_atomic(Path(path), source.read_bytes())


@cache
def _broad() -> Prior:
    return read_prior(packaged(), None)


def read_prior(path: Path, base: Prior | None) -> Prior:
    """The prior of a file; what it leaves out is as in `base`. Every message starts with the path."""
    try:
        data = read_settings(path)
        return _prior(data, path, base)
    except (ConfigError, UnknownNameError) as error:
        said = str(error)
        raise WorldError(said if said.startswith(str(path)) else f"{path}: {said}") from error


def _prior(data: Mapping[str, object], path: Path, base: Prior | None) -> Prior:
    for key, value in data.items():
        if key not in HEAD and key not in FIELDS:
            raise unknown("part of a prior", key, [*FIELDS, *HEAD])
        if key in FIELDS and not isinstance(value, Mapping):
            raise ConfigError(f"{key} = {shown(value)}: expected a table of ranges")
    schema = data.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise ConfigError(f"schema = {shown(schema)}: this readsim reads priors up to {SCHEMA}")
    head = {key: data.get(key, "") for key in ("name", "description")}
    for key, value in head.items():
        if not isinstance(value, str):
            raise ConfigError(f"{key} = {shown(value)}: expected text")
    made = base or Prior(BROAD, "", 1.0, {})
    parts = {
        name: _part(name, data.get(name, {}), made.parts.get(name), path.name) for name in FIELDS
    }
    budget = data.get("budget", made.budget)
    if not isinstance(budget, str | Real):
        raise ConfigError(f"budget = {shown(budget)}: expected a number of tokens such as 60M")
    tokens = parse_tokens(budget)  # type: ignore[arg-type]
    return Prior(str(head["name"]) or path.stem, str(head["description"]), float(tokens), parts)


def _part(name: str, table: object, base: PriorPart | None, source: str) -> PriorPart:
    assert isinstance(table, Mapping)
    known, own = FIELDS[name], ["fact"] if name in ALWAYS else ["share", "fact"]
    share, fact = (base.share, base.fact) if base else (1.0, "")
    ranges = dict(base.ranges) if base else {}
    choices = dict(base.choices) if base else {}
    for key, value in table.items():
        where = f"{name}.{key} = {shown(value)}"
        field = known.get(key)
        if field is None and key not in own:
            raise unknown(f"field of {name}", key, [*known, *own])
        if isinstance(field, Field):
            ranges[key] = _range(where, value, field)
        elif field is not None:
            choices[key] = _choice(where, value, field)
        elif key == "fact":
            if not isinstance(value, str):
                raise ConfigError(f"{where}: expected text")
        elif not _is_number(value) or not 0.0 <= float(str(value)) <= 1.0:
            raise ConfigError(f"{where}: the share of worlds that have it, from 0 to 1")
        else:
            share = float(str(value))
    missing = [key for key in known if key not in ranges and key not in choices]
    if missing:
        raise ConfigError(f"{name}.{missing[0]}: missing")
    if table:
        fact = str(table.get("fact", f"given by {source}"))
    return PriorPart(share, ranges, choices, fact)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _range(where: str, value: object, field: Field) -> PriorRange:
    ends: list[Any] = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(ends) != 2 or not all(map(_is_number, ends)):
        raise ConfigError(f"{where}: expected [least, most], or one number")
    low, high = (float(end) for end in ends)
    if low > high:
        raise ConfigError(f"{where}: an empty range, its least is above its most")
    if not field.low <= low <= high <= field.high:
        raise ConfigError(f"{where}: {field.about}; numbers from {field.low:g} to {field.high:g}")
    if field.whole and (low != round(low) or high != round(high)):
        raise ConfigError(f"{where}: {field.about}; whole numbers")
    return PriorRange(low, high, field.log, field.whole)


def _choice(where: str, value: object, names: tuple[str, ...]) -> PriorChoice:
    given = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected a table of name = weight; names: {', '.join(names)}")
    for name, weight in given.items():
        if name not in names:
            raise unknown(where.partition(" = ")[0], str(name), names)
        if not _is_number(weight) or not 0.0 <= weight <= 1e9:
            raise ConfigError(f"{where}: the weight of {name} is a number >= 0")
    total = sum(given.values())
    if total <= 0.0:
        raise ConfigError(f"{where}: at least one weight above 0 is needed")
    return PriorChoice({name: float(given.get(name, 0.0)) / total for name in names})
