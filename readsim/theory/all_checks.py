"""Every statement on presets, the toy pair and run logs: what `readsim theory` shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from readsim.allocators.registry import load_allocator
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
from readsim.theory.result import Result
from readsim.theory.statement import Statement, Subject, check_statement
from readsim.theory.witness import watch
from readsim.toy import ToyBackend, ToyConfig
from readsim.toy.config import RULES
from readsim.worlds import World
from readsim.worlds.catalogue import AnyWorld, load_world

BUDGET = 20_000_000
RATES = {"adam": 0.01, "sign": 0.01}  # a rate of .05 would leave the neighbourhood at once
Said = Callable[[str], None]  # gets what could not be measured, and why


def _each(parts: Sequence[Callable[[], Any]], lacking: Said) -> Iterator[Result]:
    """The results of every part; what a subject lacks is passed on, not raised."""
    for part in parts:
        try:
            found = part()
        except CapabilityMissingError as error:
            lacking(str(error))
            continue
        yield from found if isinstance(found, list) else [found]


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
) -> Iterator[Result]:
    """What concerns gains, order, marginal gains, bounds and beliefs of `allocator`, for tasks of a world.

    `own` are statements of a user's own, beside these.

    The budget is 20M tokens, or the world's horizon where that is less.
    """
    world = load_world(world)
    budget = int(min(BUDGET, world.horizon))

    def said(text: str) -> None:
        lacking(f"{world.name}: {text}")

    profile = order_effects.world_profile(world, budget)
    yield from _each(
        [
            lambda: transfer.check_superposition(world, budget),
            lambda: one_hot_bound.check(world, budget),
            lambda: order_effects.check(profile, len(world.sources), budget / 5, world.name),
        ],
        said,
    )
    told: set[str] = set()

    def say_once(text: str) -> None:
        if text not in told:
            told.add(text)
            said(text)

    for task_name in chosen_tasks(world, tasks):
        found = _each(_of_task(world, task_name, budget, seeds, allocator, own), say_once)
        for result in found:
            yield replace(result, task=task_name)


def _of_task(
    world: World,
    name: str,
    budget: int,
    seeds: Sequence[int],
    allocator: str,
    own: Sequence[Statement],
) -> list[Callable[[], Any]]:
    task = world.task(name)
    subject = Subject(world, task, float(budget))
    return [
        *(partial(check_statement, statement, subject) for statement in own),
        lambda: gains.check_world_gains(world, task, budget),
        lambda: marginals.check(world, task, budget),
        lambda: marginals.check_moreover(world, task, budget),
        lambda: static_dominance.check(world, task, budget),
        lambda: spillover.check(world, task, budget),
        lambda: _beliefs(world, name, budget, seeds, allocator),
    ]


def _beliefs(
    world: World, task: str, budget: int, seeds: Sequence[int], allocator: str
) -> list[Result]:
    envs = [DistillEnv(world, task, budget) for _ in seeds]
    decisions, _ = watch(envs, load_allocator(allocator), seeds)
    return [
        calibration.check(decisions, world.name),
        *regret.check(decisions, world.name),
        inert.check(decisions, world.name),
    ]


def check_toy_statements() -> Iterator[Result]:
    """What concerns parameters, order effects and gains, for the toy pair under each update rule."""
    for rule in RULES:
        rate = RATES.get(rule, 0.05)
        toy = ToyBackend(ToyConfig(optimiser=rule, sampled=False, learning_rate=4 * rate))
        toy.reset(0)
        subject = f"toy, {rule}"
        yield mixture.check(toy, subject, rate=rate)
        yield from transfer.check(toy, subject, rate=rate)
        yield from order_effects.check(order_effects.of_training(toy), 4, 20, subject)
    toy = ToyBackend(ToyConfig(sampled=False))
    toy.reset(0)
    after = order_effects.of_training(toy)
    yield readout.check(toy, "toy, expected accuracy")
    yield readout.check(toy, "toy, greedy accuracy", readout=toy.accuracies)
    yield from gains.check(
        lambda schedule: float(np.mean(after([b for b in schedule if b.any()] or [np.ones(4)]))),
        4,
        500.0,
        "toy, sgd",
        draws=24,
    )


def check_run_statements(folder: Path, lacking: Said) -> Iterator[Result]:
    """Gains, proxy calibration, and beliefs about played choices, for the runs in a folder."""
    read, subject = runs.measured_runs(folder, lacking), folder.name
    parts = [
        lambda: runs.check_gains(read, subject),
        lambda: runs.check_proxy(read, subject),
        lambda: runs.check_beliefs(read, subject),
    ][: 3 if read[0].steps else 1]  # a table has scores alone
    for part in parts:
        try:
            yield from _each([part], lambda text: lacking(f"{subject}: {text}"))
        except ConfigError as error:  # too few runs for this test; the others may do
            lacking(f"{subject}: {error}")
