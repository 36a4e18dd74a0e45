"""Find an allocator by name: built in, `module:Class`, or an installed entry point.

A name may carry settings, its own and those of `ModifierConfig`: `NAME+key=value+key=value`.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Any, NamedTuple, TypeGuard

from readsim.allocators.base import Allocator
from readsim.allocators.modifiers import OPTIONS, Modified, ModifierConfig
from readsim.errors import ConfigError, unknown
from readsim.named import build, find, split_name

GROUP = "readsim.allocators"


class Family(StrEnum):
    """What an allocator is, for its place in tables and what it may be compared with."""

    BASELINE = "the paper's baselines"
    READ = "ReAD and its variants"
    EXPONENTIATED = "exponentiated weights"
    BANDIT = "bandits over sources"
    HEURISTIC = "ideas of distillation papers"
    LAW = "the optimum of a fitted law"
    CONTEXTUAL = "contextual bandits, one linear model"
    PLANNING = "planning on a fitted world"
    SCHEDULE = "the static split in another order"
    TRAINED = "policies that were trained before"
    ORACLE = "oracles, which know the world"
    OTHER = "other"


# The paper's own comparison, in its order.
FIRST = ("one-hot", "uniform", "task-static", "greedy", "grid")


class Entry(NamedTuple):
    """A built-in allocator: module:Class, which is imported when asked for, its settings, its family."""

    target: str
    settings: dict[str, Any]
    family: Family


BUILT_IN: dict[str, Entry] = {
    "uniform": Entry("readsim.allocators.static:Uniform", {}, Family.BASELINE),
    "one-hot": Entry("readsim.allocators.static:OneHot", {}, Family.BASELINE),
    "task-static": Entry("readsim.allocators.static:TaskStatic", {}, Family.BASELINE),
    "random": Entry("readsim.allocators.static:Random", {}, Family.BASELINE),
    "target-first": Entry(
        "readsim.allocators.schedules:TargetSchedule", {"shape": "first"}, Family.SCHEDULE
    ),
    "front-loaded": Entry(
        "readsim.allocators.schedules:TargetSchedule", {"shape": "front"}, Family.SCHEDULE
    ),
    "target-last": Entry(
        "readsim.allocators.schedules:TargetSchedule", {"shape": "last"}, Family.SCHEDULE
    ),
    "linear-ramp": Entry(
        "readsim.allocators.schedules:TargetSchedule", {"shape": "down"}, Family.SCHEDULE
    ),
    "cosine-matched": Entry(
        "readsim.allocators.schedules:TargetSchedule", {"shape": "rate"}, Family.SCHEDULE
    ),
    "greedy": Entry(
        "readsim.allocators.read.allocator:ReAD", {"variant": "greedy"}, Family.BASELINE
    ),
    "greedy-last": Entry("readsim.allocators.heuristics:GreedyLast", {}, Family.BASELINE),
    "grid": Entry("readsim.allocators.grid:GridSearched", {}, Family.BASELINE),
    "grid-charged": Entry(
        "readsim.allocators.grid:GridSearched", {"charge": True}, Family.BASELINE
    ),
    "oracle-static": Entry("readsim.allocators.oracles:OracleStatic", {}, Family.ORACLE),
    "read": Entry("readsim.allocators.read.allocator:ReAD", {}, Family.READ),
    "read-no-identification": Entry(
        "readsim.allocators.read.allocator:ReAD",
        {"variant": "no-identification"},
        Family.READ,
    ),
    "read-no-adaptation": Entry(
        "readsim.allocators.read.allocator:ReAD", {"variant": "no-adaptation"}, Family.READ
    ),
    "read-no-interaction": Entry(
        "readsim.allocators.read.allocator:ReAD",
        {"variant": "no-interaction"},
        Family.READ,
    ),
    "read-no-history": Entry(
        "readsim.allocators.read.allocator:ReAD", {"variant": "no-history"}, Family.READ
    ),
    # online peers: exponentiated weights, bandits, ideas of a survey
    "aioli": Entry("readsim.allocators.exponentiated.aioli:Aioli", {}, Family.EXPONENTIATED),
    "aioli-ema": Entry(
        "readsim.allocators.exponentiated.aioli:Aioli", {"ema": 0.1}, Family.EXPONENTIATED
    ),
    "ddk": Entry("readsim.allocators.exponentiated.ddk:DDK", {}, Family.EXPONENTIATED),
    "doge": Entry("readsim.allocators.exponentiated.doge:DoGE", {}, Family.EXPONENTIATED),
    "doremi": Entry("readsim.allocators.exponentiated.doremi:DoReMi", {}, Family.EXPONENTIATED),
    "shearing": Entry(
        "readsim.allocators.exponentiated.shearing:Shearing", {}, Family.EXPONENTIATED
    ),
    "shearing-bandit": Entry(
        "readsim.allocators.exponentiated.shearing:Shearing",
        {"update_type": "bandit"},
        Family.EXPONENTIATED,
    ),
    "skill-it": Entry(
        "readsim.allocators.exponentiated.skill_it:SkillIt", {}, Family.EXPONENTIATED
    ),
    "skill-it-static": Entry(
        "readsim.allocators.exponentiated.skill_it:SkillIt", {"online": False}, Family.EXPONENTIATED
    ),
    "boltzmann": Entry("readsim.allocators.bandits.boltzmann:Boltzmann", {}, Family.BANDIT),
    "exp3": Entry("readsim.allocators.bandits.exp3:Exp3", {}, Family.BANDIT),
    "odm-dataflex": Entry("readsim.allocators.bandits.odm:ODMDataFlex", {}, Family.BANDIT),
    "odm-paper": Entry("readsim.allocators.bandits.odm:ODMPaper", {}, Family.BANDIT),
    "odm-smoothed": Entry("readsim.allocators.bandits.odm:ODMSmoothed", {}, Family.BANDIT),
    "branch-merge": Entry("readsim.allocators.heuristics:BranchMerge", {}, Family.HEURISTIC),
    "d3": Entry("readsim.allocators.multi_teacher.d3:HeadroomImprovement", {}, Family.HEURISTIC),
    "dn": Entry("readsim.allocators.multi_teacher.dn:DN", {}, Family.HEURISTIC),
    "error-mass": Entry("readsim.allocators.heuristics:ErrorMass", {}, Family.HEURISTIC),
    "gap-proportional": Entry(
        "readsim.allocators.heuristics:GapProportional", {}, Family.HEURISTIC
    ),
    "gradient-share": Entry(
        "readsim.allocators.multi_teacher.gradient_share:GradientShare", {}, Family.HEURISTIC
    ),
    "validation-guided": Entry(
        "readsim.allocators.heuristics:ValidationGuided", {}, Family.HEURISTIC
    ),
    # a law fitted to short runs, or while training, then its optimum
    "ado": Entry("readsim.allocators.lawfit.ado:ADO", {}, Family.LAW),
    "autoscale": Entry("readsim.allocators.lawfit.autoscale:AutoScale", {}, Family.LAW),
    "log-linear": Entry("readsim.allocators.lawfit.log_linear:LogLinear", {}, Family.LAW),
    "mixing-laws": Entry("readsim.allocators.lawfit.log_linear:MixingLaws", {}, Family.LAW),
    "regmix": Entry("readsim.allocators.lawfit.regmix:RegMix", {}, Family.LAW),
    # contextual bandits with a linear model
    "linucb": Entry("readsim.allocators.contextual.linear:LinUCB", {}, Family.CONTEXTUAL),
    "thompson": Entry("readsim.allocators.contextual.linear:Thompson", {}, Family.CONTEXTUAL),
    # a network trained in drawn worlds; experimental
    "trained": Entry("readsim.allocators.trained.allocator:TrainedPolicy", {}, Family.TRAINED),
    # planning ahead: on a world fitted to trial runs, and on the true one
    "level": Entry("readsim.allocators.level.allocator:Level", {}, Family.PLANNING),
    "mpc": Entry("readsim.allocators.mpc:MPC", {}, Family.PLANNING),
    "oracle-greedy": Entry("readsim.allocators.oracles:OracleGreedy", {}, Family.ORACLE),
    "oracle-planning": Entry("readsim.allocators.oracles:OraclePlanning", {}, Family.ORACLE),
}


SIMULATED_TRAINING = ("trained", "sb3")  # policies, whose training is no part of any run

# Known by name, and not among those that run unasked: a file of the user's is needed, or a student that is
# really trained.
ON_REQUEST: dict[str, Entry] = {
    "op-mix": Entry("readsim.allocators.op_mix:OpMix", {}, Family.HEURISTIC),
    "sb3": Entry("readsim_rl.sb3:Sb3", {}, Family.TRAINED),
}


def allocator_names() -> tuple[str, ...]:
    """Built-in names, then those of installed entry points (group `readsim.allocators`)."""
    installed = [e.name for e in entry_points(group=GROUP) if e.name not in BUILT_IN]
    return (*BUILT_IN, *installed)


def base_name(name: str) -> str:
    """`read` of `read+guard=0.1` and of the name of a run, `read+guard=0.1, logit-kd, identified`."""
    return re.split("[+,]", name, maxsplit=1)[0]


def family_of(name: str) -> Family:
    """The family of an allocator or of a run that is named after it.

    A name that is not built in is a variant of ReAD if it begins with `read-`, an oracle if it begins
    with `oracle`, else `Family.OTHER`.
    """
    base = base_name(name)
    if (entry := (BUILT_IN | ON_REQUEST).get(base)) is not None:
        return entry.family
    if base.startswith("oracle"):
        return Family.ORACLE
    return Family.READ if base.startswith("read-") else Family.OTHER


def is_oracle(name: str) -> bool:
    """Whether an allocator knows the world, so that it is a bound and no competitor."""
    return family_of(name) is Family.ORACLE


def display_order(names: Iterable[str]) -> list[str]:
    """The paper's comparison, others by name, the paper's method and its variants, then oracles."""
    groups = {Family.READ: 2, Family.ORACLE: 3}

    def place(name: str) -> tuple[int, int, str]:
        if name in FIRST:
            return 0, FIRST.index(name), name
        return groups.get(family_of(name), 1), 0, name

    return sorted(set(names), key=place)


def load_allocator(name: str, settings: Mapping[str, Any] | None = None) -> Allocator:
    """The allocator called `name`, or the class at `module:Class`.

    `settings`, and those in the name, are passed to the class; those of `ModifierConfig` (anchor, average,
    floor, ...) shape its allocations. Raises UnknownNameError with the nearest name, or ConfigError
    when it is no class of allocators, before anything of it is called, or cannot be built.
    """
    base, written = split_name(name)
    both = {**written, **(settings or {})}
    shape = {key: both.pop(key) for key in OPTIONS if key in both and _shapes(key, both[key])}
    made = _find(base, both, name)
    return Modified(made, ModifierConfig(**shape)) if shape else made


def _shapes(key: str, value: Any) -> bool:
    """Whether an option is `ModifierConfig`'s; `repair` with a word is ReAD's own.

    So `read+repair=conformal` widens ReAD's uncertainty, and `read+guard=0.1+repair=0.5` mends what fell.
    """
    return key != "repair" or not isinstance(value, str)


def _find(name: str, settings: Mapping[str, Any], typed: str) -> Allocator:
    if ":" in name:
        return _build(typed, find(name, suits=_is_allocator), settings)
    if entry := (BUILT_IN | ON_REQUEST).get(name):
        return _build(typed, find(entry.target), {**entry.settings, **settings})
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _build(typed, point.load(), settings)
    raise unknown("allocator", name, [*allocator_names(), *ON_REQUEST, "module:Class"])


def describe(name: str) -> str:
    """The docstring of an allocator's class."""
    name, _ = split_name(name)
    entry = (BUILT_IN | ON_REQUEST).get(name)
    target = name if entry is None else entry.target
    cls = find(target, suits=_is_allocator) if ":" in target else type(load_allocator(name))
    return inspect.cleandoc(cls.__doc__ or "(no description)")


def _is_allocator(found: object) -> TypeGuard[type[Allocator]]:
    return inspect.isclass(found) and issubclass(found, Allocator)


def _build(name: str, cls: object, settings: Mapping[str, Any]) -> Allocator:
    if not _is_allocator(cls):
        raise ConfigError(
            f"allocator {name!r} is not a readsim.Allocator (subclass it, define select, name the class)"
        )
    if cls.select is Allocator.select:
        raise ConfigError(f"allocator {name!r} defines no select(state, context)")
    made: Allocator = build(name, cls, settings, "allocator", OPTIONS)
    return made
