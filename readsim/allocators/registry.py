"""Find an allocator by name: built in, `module:Class`, or an installed entry point.

A name may carry settings, its own and those of `ModifierConfig`: `NAME+key=value+key=value`.
"""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from inspect import cleandoc, signature
from typing import Any

from readsim.allocators.base import Allocator
from readsim.allocators.modifiers import OPTIONS, Modified, ModifierConfig
from readsim.errors import ConfigError, ReadsimError, UnknownNameError, unknown

GROUP = "readsim.allocators"

# name -> (module:Class, settings); imported when asked for
BUILT_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform": ("readsim.allocators.static:Uniform", {}),
    "one-hot": ("readsim.allocators.static:OneHot", {}),
    "task-static": ("readsim.allocators.static:TaskStatic", {}),
    "random": ("readsim.allocators.static:Random", {}),
    "greedy": ("readsim.allocators.read.allocator:ReAD", {"variant": "greedy"}),
    "greedy-last": ("readsim.allocators.heuristics:GreedyLast", {}),
    "grid": ("readsim.allocators.grid:GridSearched", {}),
    "grid-charged": ("readsim.allocators.grid:GridSearched", {"charge": True}),
    "oracle-static": ("readsim.allocators.oracles:OracleStatic", {}),
    "read": ("readsim.allocators.read.allocator:ReAD", {}),
    "read-no-identification": (
        "readsim.allocators.read.allocator:ReAD",
        {"variant": "no-identification"},
    ),
    "read-no-adaptation": ("readsim.allocators.read.allocator:ReAD", {"variant": "no-adaptation"}),
    "read-no-interaction": (
        "readsim.allocators.read.allocator:ReAD",
        {"variant": "no-interaction"},
    ),
    "read-no-history": ("readsim.allocators.read.allocator:ReAD", {"variant": "no-history"}),
    # online peers: exponentiated weights, bandits, ideas of a survey
    "aioli": ("readsim.allocators.exponentiated.aioli:Aioli", {}),
    "aioli-ema": ("readsim.allocators.exponentiated.aioli:Aioli", {"ema": 0.1}),
    "ddk": ("readsim.allocators.exponentiated.ddk:DDK", {}),
    "doge": ("readsim.allocators.exponentiated.doge:DoGE", {}),
    "doremi": ("readsim.allocators.exponentiated.doremi:DoReMi", {}),
    "shearing": ("readsim.allocators.exponentiated.shearing:Shearing", {}),
    "shearing-bandit": (
        "readsim.allocators.exponentiated.shearing:Shearing",
        {"update_type": "bandit"},
    ),
    "skill-it": ("readsim.allocators.exponentiated.skill_it:SkillIt", {}),
    "skill-it-static": ("readsim.allocators.exponentiated.skill_it:SkillIt", {"online": False}),
    "boltzmann": ("readsim.allocators.bandits.boltzmann:Boltzmann", {}),
    "exp3": ("readsim.allocators.bandits.exp3:Exp3", {}),
    "odm-dataflex": ("readsim.allocators.bandits.odm:ODMDataFlex", {}),
    "odm-paper": ("readsim.allocators.bandits.odm:ODMPaper", {}),
    "odm-smoothed": ("readsim.allocators.bandits.odm:ODMSmoothed", {}),
    "branch-merge": ("readsim.allocators.heuristics:BranchMerge", {}),
    "error-mass": ("readsim.allocators.heuristics:ErrorMass", {}),
    "gap-proportional": ("readsim.allocators.heuristics:GapProportional", {}),
    "validation-guided": ("readsim.allocators.heuristics:ValidationGuided", {}),
    # a law fitted to short runs, or while training, then its optimum
    "ado": ("readsim.allocators.lawfit.ado:ADO", {}),
    "autoscale": ("readsim.allocators.lawfit.autoscale:AutoScale", {}),
    "log-linear": ("readsim.allocators.lawfit.log_linear:LogLinear", {}),
    "mixing-laws": ("readsim.allocators.lawfit.log_linear:MixingLaws", {}),
    "regmix": ("readsim.allocators.lawfit.regmix:RegMix", {}),
    # contextual bandits with a linear model
    "linucb": ("readsim.allocators.contextual.linear:LinUCB", {}),
    "thompson": ("readsim.allocators.contextual.linear:Thompson", {}),
    # planning ahead: on a world fitted to trial runs, and on the true one
    "mpc": ("readsim.allocators.mpc:MPC", {}),
    "oracle-planning": ("readsim.allocators.oracles:OraclePlanning", {}),
}


def allocator_names() -> tuple[str, ...]:
    """Built-in names, then those of installed entry points (group `readsim.allocators`)."""
    installed = [e.name for e in entry_points(group=GROUP) if e.name not in BUILT_IN]
    return (*BUILT_IN, *installed)


def load_allocator(name: str, settings: Mapping[str, Any] | None = None) -> Allocator:
    """The allocator called `name`, or the class at `module:Class`.

    `settings`, and those in the name, are passed to the class; those of `ModifierConfig` (anchor, average,
    floor, ...) shape its allocations. Raises UnknownNameError with the nearest name, or ConfigError
    when the class cannot be built or has no `select`.
    """
    name, written = split_name(name)
    both = {**written, **(settings or {})}
    shape = {key: both.pop(key) for key in OPTIONS if key in both}
    made = _find(name, both)
    return Modified(made, ModifierConfig(**shape)) if shape else made


def split_name(text: str) -> tuple[str, dict[str, Any]]:
    """`"exp3+floor=0.02"` -> `("exp3", {"floor": 0.02})`; values are numbers, true, false or text."""
    name, *parts = text.split("+")
    settings: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not (key and equals and value) or key in settings:
            raise ConfigError(f"allocator {text!r}: expected NAME+key=value, each key once")
        settings[key] = _value(value)
    return name, settings


def _value(text: str) -> Any:
    """A whole number, a number, a truth value, or the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _find(name: str, settings: Mapping[str, Any]) -> Allocator:
    if ":" in name:
        return _build(name, _import(name), settings)
    if name in BUILT_IN:
        target, fixed = BUILT_IN[name]
        return _build(name, _import(target), {**fixed, **settings})
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _build(name, entry.load(), settings)
    raise unknown("allocator", name, [*allocator_names(), "module:Class"])


def describe(name: str) -> str:
    """The docstring of an allocator's class."""
    name, _ = split_name(name)
    target = BUILT_IN[name][0] if name in BUILT_IN else name
    cls = _import(target) if ":" in target else type(load_allocator(name))
    return cleandoc(cls.__doc__ or "(no description)")


def _import(target: str) -> Callable[..., Any]:
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UnknownNameError(
            f"allocator {target!r}: cannot import {module_name!r} ({error})"
        ) from error
    if not hasattr(module, attribute):
        raise unknown(
            f"class in {module_name}", attribute, [n for n in vars(module) if n[0].isupper()]
        )
    found: Callable[..., Any] = getattr(module, attribute)
    return found


def _build(name: str, cls: Callable[..., Any], settings: Mapping[str, Any]) -> Allocator:
    try:
        made = cls(**settings)
    except ReadsimError:
        raise
    except TypeError as error:
        raise ConfigError(
            f"allocator {name!r} with {dict(settings)!r}: {error}; accepted: {_arguments(cls)}"
        ) from error
    if not isinstance(made, Allocator):
        raise ConfigError(
            f"allocator {name!r} is not a readsim.Allocator (subclass it and define select)"
        )
    if type(made).select is Allocator.select:
        raise ConfigError(f"allocator {name!r} defines no select(state, context)")
    return made


def _arguments(cls: Callable[..., Any]) -> str:
    try:
        return str(signature(cls))
    except ValueError:
        return "unknown"
