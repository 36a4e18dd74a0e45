"""What a run log holds, as types: a header, and start, step and final rows.

A row is checked once, when it is read (`read_row`); what reads logs gets these types and never the JSON.
V is the number of visible capabilities, K of all, S of sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ReadsimError, RunLogError
from readsim.runs.profile_scale import SCORES, ProfileScale

NOTHING: Mapping[str, Any] = {}  # shared by all rows that hold nothing more


def _nothing() -> Mapping[str, Any]:
    return NOTHING


TEXTS = ("world", "world_digest", "task", "allocator")
COUNTS = ("budget", "steps")
NAMES = ("sources", "capabilities", "hidden")
TABLES = ("settings", "identified", "manifest")


@dataclass(frozen=True, eq=False)
class RunHeader:
    """What a log says of its runs before their rows.

    `requirement` (V,) is what the runs were told, `weights` (K,) what their task weighs where that is
    recorded, `told` the mode of telling, `identified` what an identifier found, `manifest` what makes a
    real run. `scale` is what the numbers of its profiles are; a log that does not say has scores in
    [0, 1]. A field that the log lacks is empty and named in `absent`; fields that have no name here
    are in `extra`.
    """

    world: str = ""
    world_digest: str = ""
    task: str = ""
    allocator: str = ""
    budget: int = 0
    steps: int = 0
    seeds: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    requirement: tuple[float, ...] = ()
    weights: tuple[float, ...] | None = None
    told: str | None = None
    settings: Mapping[str, Any] = field(default_factory=_nothing)
    identified: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    scale: ProfileScale = SCORES
    extra: Mapping[str, Any] = field(default_factory=_nothing)
    absent: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=_nothing)
    git: str | None = None
    created: str | None = None

    @property
    def visible(self) -> list[int]:
        """Places of the capabilities that probes show and the requirement is over."""
        return [j for j, name in enumerate(self.capabilities) if name not in self.hidden]

    @property
    def unit(self) -> str:
        """Of its profiles: `score` or `loss`."""
        return self.scale.unit

    @property
    def is_real(self) -> bool:
        """Whether a real student was trained, so that a manifest says how."""
        return self.manifest is not None


class SampledReply(NamedTuple):
    """What the student said to one probe prompt: the prompt, its gold answer, the reply, and its score.

    `item` is the prompt's id. A score of 1 is right; texts are cut where they are long.
    """

    capability: str
    item: str
    asked: str
    gold: str
    reply: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class StartRow:
    """Before the first decision: probed profile (V,); requirement (V,) where it was not the task's.

    samples are replies of the student as it starts, where the backend shows some.
    """

    kind: ClassVar[str] = "start"
    seed: int
    profile: Array
    requirement: Array | None = None
    samples: tuple[SampledReply, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, eq=False)
class StepRow:
    """A decision: tokens trained on, all spent so far, allocation (S,), profile (V,) probed afterwards.

    change (V,), reward, dev_profile (V,) and report are None or empty where nothing was measured or said;
    samples are replies of the student at this decision, where the backend shows some.
    """

    kind: ClassVar[str] = "step"
    seed: int
    step: int
    tokens: int
    spent: int
    allocation: Array
    profile: Array
    change: Array | None = None
    reward: float | None = None
    dev_profile: Array | None = None
    report: Mapping[str, Any] = field(default_factory=_nothing)
    samples: tuple[SampledReply, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, eq=False)
class FinalRow:
    """The end: tokens by kind, utility; final profile, its measured change and that one's sd, (K,) each."""

    kind: ClassVar[str] = "final"
    seed: int
    step: int
    totals: Mapping[str, int]
    utility: float
    final_profile: Array
    final_change: Array
    final_change_sd: Array
    extra: Mapping[str, Any] = field(default_factory=_nothing)


TOLERANCE = 1e-6  # of the sum of shares

LogRow = StartRow | StepRow | FinalRow


def read_header(header: Mapping[str, Any], where: str) -> RunHeader:
    """From the header line of a log (`log_schema.check_header`).

    Raises RunLogError, naming `where` and the field, for a field of another type.
    """
    config = dict(header["config"])
    found: dict[str, Any] = {}
    for key in (*TEXTS, "told"):
        _take(config, found, key, str, where, "text")
    for key in COUNTS:
        _take(config, found, key, int, where, "a whole number")
    for key in NAMES:
        if _take(config, found, key, list, where, "a list of names"):
            found[key] = tuple(map(str, found[key]))
    for key in ("requirement", "weights"):
        if _take(config, found, key, list, where, "a list of numbers"):
            found[key] = tuple(_numbers(found, key, None, f"{where}, config").tolist())
    for key in TABLES:
        _take(config, found, key, dict, where, "an object")
    if _take(config, found, "seeds", list, where, "a list of seeds"):
        found["seeds"] = tuple(found["seeds"])
    if _take(config, found, "scale", dict, where, "an object"):
        try:
            found["scale"] = ProfileScale.of_table(found["scale"])
        except (ReadsimError, TypeError) as error:
            raise RunLogError(f"{where}: scale in its header: {error}") from error
    absent = {*TEXTS, *COUNTS, *NAMES, *TABLES, "seeds", "requirement", "weights", "told"}
    return RunHeader(
        **{"seeds": tuple(header["seeds"]), **found},
        extra=config,
        absent=frozenset(absent - found.keys()),
        versions=header.get("versions") or NOTHING,
        git=header.get("git"),
        created=header.get("created"),
    )


def _take(
    config: dict[str, Any], found: dict[str, Any], key: str, kind: type, where: str, wanted: str
) -> bool:
    """Move a field that is there and not null. Raises RunLogError for one of another type."""
    value = config.pop(key, None)
    if value is None:
        return False
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RunLogError(f"{where}: {key} is {str(value)[:60]!r} in its header, expected {wanted}")
    found[key] = value
    return True


def read_row(row: Mapping[str, Any], header: RunHeader, where: str) -> LogRow:
    """A row (of one of `log_schema.ROW_KINDS`) of a log with this header.

    A missing score of a profile (null) is nan. Raises RunLogError, naming `where`, seed, kind and
    field, for a field that is missing, of another type or length.
    """
    v = s = k = None
    if header.capabilities:
        k, v = len(header.capabilities), len(header.visible)
    if header.sources:
        s = len(header.sources)
    rest = dict(row)
    kind, seed = rest.pop("kind"), rest.pop("seed")
    where = f"{where}, seed {seed}, {kind} row"
    if kind == "start":
        return StartRow(
            seed=seed,
            profile=_numbers(rest, "profile", v, where, gaps=True),
            requirement=_optional(rest, "requirement", v, where),
            samples=_samples(rest, where),
            extra=rest or NOTHING,
        )
    if kind == "step":
        return StepRow(
            seed=seed,
            step=_whole(rest, "step", where),
            tokens=_whole(rest, "tokens", where),
            spent=_whole(rest, "spent", where),
            allocation=_shares(rest, s, where),
            profile=_numbers(rest, "profile", v, where, gaps=True),
            change=_optional(rest, "change", v, where),
            reward=_number(rest, "reward", where) if _has(rest, "reward") else None,
            dev_profile=_optional(rest, "dev_profile", v, where),
            report=_table(rest, "report", where) if _has(rest, "report") else NOTHING,
            samples=_samples(rest, where),
            extra=rest or NOTHING,
        )
    return FinalRow(
        seed=seed,
        step=_whole(rest, "step", where),
        totals=_table(rest, "totals", where),
        utility=_number(rest, "utility", where),
        final_profile=_numbers(rest, "final_profile", k, where),
        final_change=_numbers(rest, "final_change", k, where),
        final_change_sd=_numbers(rest, "final_change_sd", k, where),
        extra=rest or NOTHING,
    )


def _has(row: dict[str, Any], key: str) -> bool:
    """Whether a field is there and not null; a null is taken out."""
    if row.get(key) is None:
        row.pop(key, None)
        return False
    return True


def _shares(row: dict[str, Any], length: int | None, where: str) -> Array:
    """An allocation: shares >= 0 that sum to 1, or to 0 where a run was stopped."""
    shares = _numbers(row, "allocation", length, where)
    total = float(shares.sum())
    if (shares < 0).any() or min(abs(total - 1.0), abs(total)) > TOLERANCE:
        raise RunLogError(
            f"{where}: allocation is {shares.tolist()}, expected shares that sum to 1"
        )
    return shares


def _number(row: dict[str, Any], key: str, where: str) -> float:
    value = row.pop(key, "missing")
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise RunLogError(f"{where}: {key} is {str(value)[:60]}, expected a number")
    return float(value)


def _whole(row: dict[str, Any], key: str, where: str) -> int:
    value = row.pop(key, "missing")
    whole = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not whole or value != int(value) or value < 0:
        raise RunLogError(f"{where}: {key} is {str(value)[:60]}, expected a whole number >= 0")
    return int(value)


def _table(row: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = row.pop(key, "missing")
    if not isinstance(value, dict):
        raise RunLogError(f"{where}: {key} is {str(value)[:60]}, expected an object")
    return value


def _samples(row: dict[str, Any], where: str) -> tuple[SampledReply, ...] | None:
    if not _has(row, "samples"):
        return None
    value = row.pop("samples")
    texts = set(SampledReply._fields) - {"score"}
    for sample in value if isinstance(value, list) else [value]:
        whole = isinstance(sample, dict) and set(sample) == set(SampledReply._fields)
        if not whole or not all(isinstance(sample[key], str) for key in texts):
            raise RunLogError(
                f"{where}: samples holds {str(sample)[:60]}, expected objects with "
                f"{', '.join(SampledReply._fields)}"
            )
    return tuple(SampledReply(**{**s, "score": _number(dict(s), "score", where)}) for s in value)


def _optional(row: dict[str, Any], key: str, length: int | None, where: str) -> Array | None:
    return _numbers(row, key, length, where, gaps=True) if _has(row, key) else None


def _numbers(
    row: dict[str, Any], key: str, length: int | None, where: str, *, gaps: bool = False
) -> Array:
    """A list of numbers as an array; with `gaps` a null is nan."""
    value = row.pop(key, "missing")
    if not isinstance(value, list) or (length is not None and len(value) != length):
        wanted = "numbers" if length is None else f"{length} numbers"
        raise RunLogError(f"{where}: {key} is {str(value)[:60]}, expected {wanted}")
    if gaps and None in value:
        value = [np.nan if x is None else x for x in value]
    try:
        out = np.array(value or np.zeros(0))
    except ValueError:  # lists of several lengths
        out = np.array("ragged")
    if out.ndim != 1 or out.dtype.kind not in "iuf":
        raise RunLogError(f"{where}: {key} holds something that is no number")
    if np.isinf(out).any():
        raise RunLogError(f"{where}: {key} holds a number that is not finite")
    return out.astype(np.float64, copy=False)
