"""Every statement on presets, the toy pair and run logs: what `readsim theory` shows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from readsim.allocators.read.allocator import ReAD
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError, unknown
from readsim.theory import (
    calibration,
    gains,
    marginals,
    mixture,
    order_effects,
    readout,
    regret,
    runs,
    transfer,
)
from readsim.theory.lemmas import inert, one_hot_bound, spillover, static_dominance
from readsim.theory.result import PaperStatement, Result
from readsim.theory.statement import Statement, Subject, check_statement
from readsim.theory.witness import watch
from readsim.toy import ToyBackend, ToyConfig
from readsim.toy.config import RULES
from readsim.worlds import World
from readsim.worlds.catalogue import AnyWorld, load_world

BUDGET = 20_000_000  # of a world without a horizon
RATES = {"adam": 0.01, "sign": 0.01}  # a rate of .05 would leave the neighbourhood at once
Said = Callable[[str], None]  # gets what could not be measured, and why


OWN = "own"
_ELSEWHERE = (
    "VERTICES",
    "GREEDY_BLOCKS",
    "REQUIREMENT_LOSS",
    "LABELS_AND_TOKENS",
)  # in Python only
NAMES: dict[str, str] = {  # of what `--only` may ask for
    **{p.name.lower().replace("_", "-"): p for p in PaperStatement if p.name not in _ELSEWHERE},
    OWN: OWN,
}
Part = tuple[Collection[str], Callable[[], Any]]  # statements that a check measures, and the check


def _each(
    parts: Sequence[Part], lacking: Said, only: Collection[str] | None = None
) -> Iterator[Result]:
    """The results of every part that measures what is asked for, `only` those statements; None: all.

    What a subject lacks is passed on, not raised.
    """
    for names, part in parts:
        if only is not None and not set(names) & set(only):
            continue
        try:
            found = part()
        except CapabilityMissingError as error:
            lacking(str(error))
            continue
        for result in found if isinstance(found, list) else [found]:
            if only is None or OWN in names or result.statement.startswith(tuple(only)):
                yield result


def _say_untested(
    parts: Sequence[Part], only: Collection[str] | None, lacking: Said, where: str
) -> None:
    """What was asked for by name and no check of this kind of subject measures."""
    tested = {name for names, _ in parts for name in names}
    for name in only or ():
        if name not in tested:
            called = "statements of your own" if name == OWN else name
            lacking(f"{called}: no test on {where}")


def world_budget(world: World, asked: float | None = None) -> int:
    """Up to how many tokens a world is tested: as asked, at most its horizon; else that; 20M without one."""
    wanted = asked or (world.horizon if np.isfinite(world.horizon) else BUDGET)
    return int(min(wanted, world.horizon))


def chosen_tasks(world: World, tasks: str) -> tuple[str, ...]:
    """`first`, `all`, or names with commas. Raises UnknownNameError for a task that the world has not."""
    if tasks in ("first", "all"):
        return world.task_names[:1] if tasks == "first" else world.task_names
    names = tuple(name.strip() for name in tasks.split(","))
    for name in names:
        if name not in world.task_names:
            raise unknown("task", name, [*world.task_names, "first", "all"])
    return names


def check_world_statements(
    world: AnyWorld,
    seeds: Sequence[int],
    lacking: Said,
    *,
    tasks: str = "first",
    allocator: str = "read",
    own: Sequence[Statement] = (),
    only: Collection[str] | None = None,
    budget: float | None = None,
) -> Iterator[Result]:
    """What concerns gains, order, marginal gains, bounds and beliefs of `allocator`, for tasks of a world.

    `own` are statements of a user's own, beside these. `only` these statements are measured (values of
    `NAMES`); all for None.

    `budget` is as `world_budget` says.
    """
    world = load_world(world)
    tokens = world_budget(world, budget)

    def said(text: str) -> None:
        lacking(f"{world.name}: {text}")

    profile = order_effects.world_profile(world, tokens)
    sources = len(world.sources)
    parts: list[Part] = [
        ((PaperStatement.LOCAL_TRANSFER,), lambda: transfer.check_superposition(world, tokens)),
        ((PaperStatement.ONE_HOT_BOUND,), lambda: one_hot_bound.check(world, tokens)),
        (
            (PaperStatement.ORDER_EFFECTS,),
            lambda: order_effects.check(profile, sources, tokens / 5, world.name),
        ),
    ]
    names = chosen_tasks(world, tasks)
    of_task = {name: _of_task(world, name, tokens, seeds, allocator, own) for name in names}
    _say_untested([*parts, *of_task[names[0]]], only, said, "worlds")
    for result in _each(parts, said, only):
        yield replace(result, budget=float(tokens))
    told: set[str] = set()

    def say_once(text: str) -> None:
        if text not in told:
            told.add(text)
            said(text)

    for name, more in of_task.items():
        for result in _each(more, say_once, only):
            yield replace(result, task=name, budget=float(tokens))


def _of_task(
    world: World,
    name: str,
    budget: int,
    seeds: Sequence[int],
    allocator: str,
    own: Sequence[Statement],
) -> list[Part]:
    task = world.task(name)
    subject = Subject(world, task, float(budget))
    return [
        *(((OWN,), partial(check_statement, statement, subject)) for statement in own),
        ((PaperStatement.CONCAVE_GAINS,), lambda: gains.check_world_gains(world, task, budget)),
        ((PaperStatement.MARGINAL_GAINS,), lambda: marginals.check(world, task, budget)),
        ((PaperStatement.MARGINAL_GAINS,), lambda: marginals.check_moreover(world, task, budget)),
        ((PaperStatement.STATIC_DOMINANCE,), lambda: static_dominance.check(world, task, budget)),
        ((PaperStatement.SPILLOVER,), lambda: spillover.check(world, task, budget)),
        (
            (PaperStatement.CALIBRATED, PaperStatement.STEP_REGRET, PaperStatement.INERT_TERMS),
            lambda: _beliefs(world, name, budget, seeds, allocator),
        ),
    ]


def _beliefs(
    world: World, task: str, budget: int, seeds: Sequence[int], allocator: str
) -> list[Result]:
    envs = [DistillEnv(world, task, budget) for _ in seeds]
    rule = load_allocator(allocator)
    decisions, _ = watch(envs, rule, seeds)
    covered = calibration.check(decisions, world.name)
    if isinstance(rule, ReAD):
        repairs = "; its settings repair=residual and repair=conformal widen it"
        covered = replace(covered, advice=covered.advice + repairs)
    return [
        covered,
        *regret.check(decisions, world.name),
        inert.check(decisions, world.name),
    ]


def check_toy_statements(lacking: Said, only: Collection[str] | None = None) -> Iterator[Result]:
    """What concerns parameters, order effects and gains, for the toy pair under each update rule."""
    parts = [*(part for rule in RULES for part in _of_rule(rule)), *_of_toy()]
    _say_untested(parts, only, lambda text: lacking(f"toy: {text}"), "the toy network")
    yield from _each(parts, lacking, only)


def _of_rule(rule: str) -> list[Part]:
    rate = RATES.get(rule, 0.05)
    toy = ToyBackend(ToyConfig(optimiser=rule, sampled=False, learning_rate=4 * rate))
    toy.reset(0)
    after, name = order_effects.of_training(toy), f"toy, {rule}"
    return [
        ((PaperStatement.LINEAR_UPDATES,), partial(mixture.check, toy, name, rate=rate)),
        ((PaperStatement.LOCAL_TRANSFER,), partial(transfer.check, toy, name, rate=rate)),
        ((PaperStatement.ORDER_EFFECTS,), partial(order_effects.check, after, 4, 20, name)),
    ]


def _of_toy() -> list[Part]:
    toy = ToyBackend(ToyConfig(sampled=False))
    toy.reset(0)
    trained, greedy = order_effects.of_training(toy), toy.accuracies

    def utility(schedule: Sequence[Array]) -> float:
        return float(np.mean(trained([b for b in schedule if b.any()] or [np.ones(4)])))

    return [
        ((PaperStatement.LOCAL_READOUT,), lambda: readout.check(toy, "toy, expected accuracy")),
        (
            (PaperStatement.LOCAL_READOUT,),
            lambda: readout.check(toy, "toy, greedy accuracy", readout=greedy),
        ),
        (
            (PaperStatement.CONCAVE_GAINS,),
            lambda: gains.check(utility, 4, 500.0, "toy, sgd", names=toy.sources, draws=24),
        ),
    ]


def check_run_statements(
    read: list[runs.MeasuredRun],
    subject: str,
    lacking: Said,
    only: Collection[str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Gains, proxy calibration, and beliefs about played choices, for runs of logs or of a table.

    `tick` is called after each test of gains, `runs.TESTS` for each task.
    """
    parts: list[Part] = [
        ((PaperStatement.CONCAVE_GAINS,), lambda: runs.check_gains(read, subject, tick)),
        ((PaperStatement.PROXY,), lambda: runs.check_proxy(read, subject)),
        (
            (PaperStatement.CALIBRATED, PaperStatement.STEP_REGRET),
            lambda: runs.check_beliefs(read, subject),
        ),
    ]
    parts = parts[: 3 if read[0].steps else 1]  # a table has scores alone
    _say_untested(
        parts,
        only,
        lambda text: lacking(f"{subject}: {text}"),
        "run logs" if read[0].steps else "a table of runs",
    )
    for part in parts:
        try:
            yield from _each([part], lambda text: lacking(f"{subject}: {text}"), only)
        except ConfigError as error:  # too few runs for this test; the others may do
            lacking(f"{subject}: {error}")
