"""What a run log holds, as types: a header, and start, step and final rows.

A row is checked once, when it is read (`read_row`); what reads logs gets these types and never the JSON. The
kinds of fields, with their limits, are those of `readsim.runs.fields`; what rows say together is checked by
`readsim.runs.row_order`.
V is the number of visible capabilities, K of all, S of sources.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.envs.ledger import BUDGETED, KINDS
from readsim.errors import ConfigError, RunLogError, UnknownNameError, unknown
from readsim.runs import fields
from readsim.runs.profile_scale import SCORES, ProfileScale
from readsim.runs.trained_shares import TrainedShare, trained_in

NOTHING: Mapping[str, Any] = {}  # shared by all rows that hold nothing more


def _nothing() -> Mapping[str, Any]:
    return NOTHING


@dataclass(frozen=True, eq=False)
class RunHeader:
    """What a log says of its runs before their rows.

    `requirement` (V,) is what the runs were told, `weights` (K,) what their task weighs where that is
    recorded, `told` the mode of telling, `identified` what an identifier found, `manifest` what makes a
    real run. `scale` is what the numbers of its profiles are; a log that does not say has scores in
    [0, 1]. `paid` says that the budget is all tokens that students trained on: how many of them the runs'
    own `student` had, and how many `tasks` share a pool. A field that the log lacks is empty and named
    in `absent`; fields that have no name here are in `extra`.
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
    code: Mapping[str, str] = field(default_factory=_nothing)
    paid: Mapping[str, Any] | None = None

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

    @property
    def scene(self) -> str:
        """What was run, in few words, for every figure."""
        if self.is_real:
            return f"Real training: {self.world}"
        backend = self.extra.get("backend")
        if isinstance(backend, Mapping):
            return f"Backend {backend.get('factory', self.world)}"
        return f"Simulated world {self.world}"


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
    samples are replies of the student at this decision, where the backend shows some; trained is what it
    trained of each source, where the backend counts that. rolled_back says that the student was worse than
    the one after that many steps, and that one was put back after the probe: dev_profile is of it.
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
    trained: tuple[TrainedShare, ...] | None = None
    rolled_back: int | None = None
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


LogRow = StartRow | StepRow | FinalRow


def read_header(header: Mapping[str, Any], where: str) -> RunHeader:
    """From the header line of a log (`log_schema.check_header`).

    Raises RunLogError, naming `where` and the field, for a field of another type, a number that no run has,
    or fields that contradict each other.
    """
    config, here = dict(header["config"]), f"{where}: header"
    seeds = fields.seeds_in({"seeds": header["seeds"]}, "seeds", here)
    found = {key: HEADER[key](config, key, here) for key in HEADER if fields.has(config, key)}
    if found.get("seeds", seeds) != seeds:
        raise RunLogError(f"{here}: seeds are {_few(seeds)}, in its config {_few(found['seeds'])}")
    k, v = _sizes(found, here)
    for key, length in (("requirement", v), ("weights", k)):
        if fields.has(config, key):
            found[key] = tuple(fields.shares_in(config, key, length, here).tolist())
    return RunHeader(
        **{"seeds": seeds, **found},
        extra=config,
        absent=frozenset({*HEADER, "requirement", "weights"} - {"scale", "code", *found}),
        **_origin(header, here),
    )


def _scale(config: dict[str, Any], key: str, where: str) -> ProfileScale:
    try:
        return ProfileScale.of_table(fields.object_in(config, key, where))
    except (ConfigError, UnknownNameError) as error:
        raise RunLogError(f"{where}: {key}: {error}") from error


def _paid(config: dict[str, Any], key: str, where: str) -> dict[str, int]:
    told = fields.object_in(config, key, where)
    most = {"student": fields.MOST_TOKENS, "tasks": fields.MOST_TOKENS}
    return {name: fields.whole_in(told, name, where, least=1, most=most[name]) for name in most}


HEADER: Mapping[str, Callable[[dict[str, Any], str, str], Any]] = {
    **dict.fromkeys(("world", "world_digest", "task", "allocator", "told"), fields.name_in),
    "budget": partial(fields.whole_in, least=1, most=fields.MOST_TOKENS),
    "steps": partial(fields.whole_in, least=1, most=fields.MOST_STEPS),
    "seeds": fields.seeds_in,
    **dict.fromkeys(("sources", "capabilities"), fields.names_in),
    "hidden": partial(fields.names_in, least=0),
    "code": fields.texts_in,
    **dict.fromkeys(("settings", "identified", "manifest"), fields.object_in),
    "paid": _paid,
    "scale": _scale,
}


def _sizes(found: Mapping[str, Any], where: str) -> tuple[int | None, int | None]:
    """How many capabilities there are and are visible, as far as it is known."""
    if "capabilities" not in found:
        return None, None
    hidden, known = found.get("hidden", ()), found["capabilities"]
    for name in hidden:
        if name not in known:
            raise RunLogError(f"{where}: hidden: {unknown('capability', name, known)}")
    if len(hidden) == len(known):
        raise RunLogError(f"{where}: capabilities: at least one must be visible")
    return len(known), len(known) - len(hidden)


def _origin(header: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What wrote the log: versions by name, commit, time."""
    rest = {key: header.get(key) for key in ("versions", "git", "created")}
    kinds: dict[str, Any] = {
        "versions": fields.texts_in,
        "git": fields.name_in,
        "created": fields.name_in,
    }
    out: dict[str, Any] = {
        key: kind(rest, key, where) for key, kind in kinds.items() if fields.has(rest, key)
    }
    if not re.fullmatch("[0-9a-f]{7,64}", out.get("git", "0000000")):
        raise fields.wrong_field("git", out["git"], "the hex digits of a commit", where)
    try:
        datetime.fromisoformat(out.get("created", "2026-01-01"))
    except ValueError as error:
        raise fields.wrong_field("created", out["created"], "a date and time", where) from error
    return out


def read_row(row: Mapping[str, Any], header: RunHeader, where: str) -> LogRow:
    """A row (of one of `log_schema.ROW_KINDS`) of a log with this header.

    A missing score of a profile (null) is nan. Raises RunLogError, naming `where`, seed, kind and
    field, for a field that is missing, of another type or length, or a number that no run has.
    """
    v = s = k = None
    if header.capabilities:
        k, v = len(header.capabilities), len(header.visible)
    if header.sources:
        s = len(header.sources)
    rest = dict(row)
    kind, seed = rest.pop("kind"), rest.pop("seed")
    where = f"{where}, seed {seed}, {kind} row"
    if header.seeds and seed not in header.seeds:
        raise RunLogError(f"{where}: seed is not among its header's seeds {_few(header.seeds)}")
    scores = fields.Range.of_profiles(header.scale)
    if kind == "start":
        return StartRow(
            seed=seed,
            profile=fields.numbers_in(rest, "profile", v, where, scores, gaps=True),
            requirement=fields.shares_in(rest, "requirement", v, where)
            if fields.has(rest, "requirement")
            else None,
            samples=_samples(rest, where),
            extra=rest or NOTHING,
        )
    most = header.budget or fields.MOST_TOKENS
    last = header.steps or fields.MOST_STEPS
    if kind == "step":
        profile = fields.numbers_in(rest, "profile", v, where, scores, gaps=True)
        near = scores.beside(profile)
        tokens = fields.whole_in(rest, "tokens", where, most=most)
        step = fields.whole_in(rest, "step", where, least=1, most=last)
        return StepRow(
            seed=seed,
            step=step,
            tokens=tokens,
            spent=fields.whole_in(rest, "spent", where, most=most),
            allocation=fields.shares_in(rest, "allocation", s, where, none=True),
            profile=profile,
            change=_optional(rest, "change", v, where, near.of_changes),
            reward=fields.number_in(rest, "reward", where) if fields.has(rest, "reward") else None,
            dev_profile=_optional(rest, "dev_profile", v, where, scores),
            report=fields.object_in(rest, "report", where)
            if fields.has(rest, "report")
            else NOTHING,
            samples=_samples(rest, where),
            trained=trained_in(rest, header.sources, tokens, where),
            rolled_back=fields.whole_in(rest, "rolled_back", where, most=step - 1)
            if fields.has(rest, "rolled_back")
            else None,
            extra=rest or NOTHING,
        )
    weights = float(np.abs(header.weights).sum()) if header.weights else 1.0
    profile = fields.numbers_in(rest, "final_profile", k, where, scores)
    near = scores.beside(profile)
    return FinalRow(
        seed=seed,
        step=fields.whole_in(rest, "step", where, most=last),
        totals=_totals(rest, most, where),
        utility=fields.number_in(rest, "utility", where, near.of_utility(profile, weights)),
        final_profile=profile,
        final_change=fields.numbers_in(rest, "final_change", k, where, near.of_changes),
        final_change_sd=fields.numbers_in(rest, "final_change_sd", k, where, near.of_errors),
        extra=rest or NOTHING,
    )


def _few(seeds: tuple[int, ...]) -> str:
    return f"{list(seeds[:8])}{'...' if len(seeds) > 8 else ''}"


def _totals(row: dict[str, Any], budget: int, where: str) -> dict[str, int]:
    """Tokens by kind: whole numbers, of kinds that the ledger has, those of the student among them."""
    totals = fields.object_in(row, "totals", where)
    for kind in totals:
        if kind not in KINDS:
            raise RunLogError(f"{where}: totals: {unknown('kind of tokens', kind, KINDS)}")
    most = {BUDGETED: budget}
    return {
        kind: fields.whole_in(
            totals, kind, f"{where}, totals", most=most.get(kind, fields.MOST_TOKENS)
        )
        for kind in dict.fromkeys((*totals, BUDGETED))
    }


def _samples(row: dict[str, Any], where: str) -> tuple[SampledReply, ...] | None:
    if not fields.has(row, "samples"):
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
    return tuple(
        SampledReply(**{**s, "score": fields.number_in(dict(s), "score", where)}) for s in value
    )


def _optional(
    row: dict[str, Any], key: str, length: int | None, where: str, within: fields.Range
) -> Array | None:
    if not fields.has(row, key):
        return None
    return fields.numbers_in(row, key, length, where, within, gaps=True)
