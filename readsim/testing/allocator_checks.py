"""`check_allocator`: what every allocator promises, and what a rule may promise on top."""

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from readsim.allocators.base import Allocator
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.testing.backend_checks import same
from readsim.testing.checks import CheckOutcome, Property, Skip, run_properties
from readsim.testing.playing import (
    BUDGET,
    Case,
    Make,
    Recorder,
    cases_of,
    generic_task,
    play,
    reordered,
    small_world,
    writable,
)
from readsim.worlds import Task, World
from readsim.worlds.world import OPTIONAL_VECTORS

MONOTONE = "monotone in the requirement"
PROMISES = (MONOTONE,)
LONG = 20  # decisions of the paper's runs


def _picks(make: Make, case: Case, **how: Any) -> list[Array]:
    world = small_world(case)
    return play(Recorder(make(), **how), world, generic_task(case, case.size), case.steps)


def _is_allocation(picks: Sequence[Array], sources: int) -> None:
    for n, pick in enumerate(picks):
        assert pick.shape == (sources,), f"pick {n} has shape {pick.shape}, expected ({sources},)"
        assert np.isfinite(pick).all(), f"pick {n} is {pick}"
        assert (pick >= 0).all(), f"pick {n} has a negative share: {pick}"
        assert pick.sum() > 0, f"pick {n} gives nothing to any source"


def simplex(make: Make, case: Case) -> None:
    _is_allocation(_picks(make, case), case.size)


def allocator_determinism(make: Make, case: Case) -> None:
    assert same(_picks(make, case), _picks(make, case)), "the same seed, other picks"


def global_generators(make: Make, case: Case) -> None:
    def state() -> tuple[object, ...]:
        inner = np.random.get_state(legacy=False)["state"]  # noqa: NPY002  # to see it untouched
        return random.getstate(), inner["key"].tobytes(), inner["pos"]

    before = state()
    _picks(make, case)
    assert state() == before, "it draws from numpy.random or random: use context.rng"


def seed_isolation(make: Make, case: Case) -> None:
    world, task = small_world(case), generic_task(case, case.size)
    alone = [play(Recorder(make()), world, task, case.steps, [seed]) for seed in (5, 6)]
    one = make()
    together = play(Recorder(one), world, task, case.steps, [5, 6])
    assert same([together[0::2], together[1::2]], alone), "runs in lockstep change each other"
    again = play(Recorder(one), world, task, case.steps, [5])
    assert same(again, alone[0]), "an instance remembers earlier runs: state belongs in the state"
    batched = make()
    states = [play_many(batched, world, task, case.steps)]
    assert same(states[0], together), "select_many differs from select"


def play_many(allocator: Allocator, world: World, task: Task, steps: int) -> list[Array]:
    """The picks of two runs in lockstep through the batched methods."""

    class Batched(Recorder):
        def init_many(self, setups: Sequence[Any]) -> list[Any]:
            return self.inner.init_many(setups)

        def select_many(self, states: Sequence[Any], contexts: Sequence[Any]) -> list[Any]:
            chosen = self.inner.select_many(states, [writable(c) for c in contexts])
            self.picks.extend(np.array(pick, dtype=np.float64) for pick in chosen)
            return chosen

        def update_many(self, states: Sequence[Any], transitions: Sequence[Any]) -> list[Any]:
            return self.inner.update_many(states, [writable(t) for t in transitions])

    return play(Batched(allocator), world, task, steps, [5, 6])


def long_run(make: Make, case: Case) -> None:
    """At the length of the paper's runs; rules that wait, forget or divide by what is left show here."""
    _is_allocation(_picks(make, Case(case.seed, case.size, LONG)), case.size)


def inputs_untouched(make: Make, case: Case) -> None:
    _picks(make, case, look=True)


def resume_equality(make: Make, case: Case) -> None:
    resumed = _picks(make, case, reload=make)
    assert same(resumed, _picks(make, case)), (
        "a run that reloads its state after every decision picks differently"
    )


def hidden_capabilities(make: Make, case: Case) -> None:
    if "world" in make().needs:
        raise Skip("it is told the world")
    k = case.size
    task = Task("t", generic_task(case, k).requirement, np.append(np.zeros(k), 1.0))
    picks = []
    for other in (False, True):
        base = small_world(Case(case.seed, k + 1, case.steps))
        last = np.arange(k + 1) == k
        world = base.replace(
            sources=base.sources[:k],
            gain=base.gain[:k],
            scale_tokens=base.scale_tokens[:k],
            **{n: getattr(base, n)[:k] for n, _, axis in OPTIONAL_VECTORS if axis == "S"},
            hidden=(base.capabilities[-1],),
            start=np.where(last, 0.5 if other else 0.3, base.start),
            help=np.where(last & other, 0.0, base.help)[:k],
            harm=np.where(last & other, 0.2, base.harm)[:k],
        )
        picks.append(play(Recorder(make()), world, task, case.steps))
    assert same(*picks), "its picks depend on a capability that no probe shows"


def causality(make: Make, case: Case) -> None:
    if skipped := {"world", "transitions"} & make().needs:
        raise Skip(f"it is given {', '.join(sorted(skipped))} of the whole run")
    steps = 4
    base = small_world(case)
    calm = base.replace(dynamics="flow")
    after = {"after_tokens": 0.8 * BUDGET, "help": base.help[::-1].tolist()}
    picks = [
        play(Recorder(make()), world, generic_task(case, case.size), steps)
        for world in (
            calm.replace(drift={**after, "help": base.help.tolist()}),
            calm.replace(drift=after),
        )
    ]
    assert same(picks[0][:3], picks[1][:3]), "its picks depend on what happens later"


EXCUSE = 'check_allocator(..., expected_failures={"permutation equivariance": "it draws for each source"})'


def equivariance(make: Make, case: Case) -> None:
    world, task = small_world(case, noise=False), generic_task(case, case.size)
    order = np.random.default_rng(case.seed).permutation(case.size)
    if (order == np.arange(case.size)).all():
        order = order[::-1]
    picks = play(Recorder(make()), world, task, case.steps)
    moved = play(Recorder(make()), *reordered(world, task, order), case.steps)
    for n, (first, second) in enumerate(zip(picks, moved, strict=True)):
        pick, other = first / first.sum(), second / second.sum()
        assert np.allclose(pick[order], other, atol=1e-6), (
            f"decision {n}: skills in the order {order.tolist()} get {other.round(4).tolist()}, "
            f"but {pick[order].round(4).tolist()} before they were reordered. A rule that draws at random "
            f"for each source has no such equivariance; say so: {EXCUSE}"
        )


def degenerate(make: Make, case: Case) -> None:
    world = small_world(case)
    k = case.size
    one = small_world(Case(case.seed, 1, 1))
    first = np.eye(k)[0]
    fewer = world.replace(
        sources=world.sources[1:],
        gain=world.gain[1:],
        scale_tokens=world.scale_tokens[1:],
        help=world.help[1:],
        harm=world.harm[1:],
        **{n: getattr(world, n)[1:] for n, _, axis in OPTIONAL_VECTORS if axis == "S"},
    )
    skills = ("start", "floor", "ceiling", *(n for n, _, a in OPTIONAL_VECTORS if a == "K"))
    more = world.replace(
        capabilities=world.capabilities[1:],
        help=world.help[:, 1:],
        harm=world.harm[:, 1:],
        **{n: getattr(world, n)[1:] for n in skills},
    )
    losses = world.replace(
        link="exponential",
        start=np.full(k, -3.0),
        floor=np.full(k, -np.inf),
        ceiling=np.full(k, -1.0),
    )
    flat = world.replace(help=np.zeros((k, k)), harm=np.zeros((k, k)), items=np.zeros(k))
    usual = generic_task(case, k)
    runs: tuple[tuple[str, World, Task, int], ...] = (
        ("one capability", one, Task("t", np.ones(1), np.ones(1)), 2),
        ("fewer sources than capabilities", fewer, usual, 2),
        ("more sources than capabilities", more, generic_task(case, k - 1), 2),
        ("negated losses", losses, usual, 2),
        ("nothing ever changes", flat, usual, 3),
        ("a requirement of one capability", world, Task("t", first, first), 2),
        ("a single decision", world, usual, 1),
    )
    for name, where, task, steps in runs:
        if case.fixed and (len(where.sources), len(where.capabilities)) != (k, k):
            continue
        try:
            picks = play(Recorder(make()), where, task, steps)
            _is_allocation(picks, len(where.sources))
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error


def monotone(make: Make, case: Case) -> None:
    world = small_world(case, noise=False)
    r = generic_task(case, case.size).requirement
    raised = r + np.eye(case.size)[0] * 0.3
    raised /= raised.sum()
    (low,), (high,) = (play(Recorder(make()), world, Task("t", q, q), 1) for q in (r, raised))
    before, after = float(low[0] / low.sum()), float(high[0] / high.sum())
    assert after >= before - 1e-9, (
        f"requirement of skill 0 from {r[0]:.3f} to {raised[0]:.3f}: its share falls from "
        f"{before:.3f} to {after:.3f}"
    )


def properties(size: int | None = None) -> tuple[Property, ...]:
    """All properties, on cases of any size, or of this one alone."""
    cases = cases_of(size)
    return tuple(p if p.cases is None else replace(p, cases=cases) for p in PROPERTIES)


CASES = cases_of()
PROPERTIES = (
    Property("simplex", "every pick is finite shares >= 0 of all sources", simplex, CASES),
    Property("determinism", "the seed fixes every pick", allocator_determinism, CASES),
    Property("global generators", "no draw outside context.rng", global_generators, CASES),
    Property("seed isolation", "runs do not touch each other", seed_isolation, CASES),
    Property("inputs untouched", "state, setup, context, transition stay", inputs_untouched, CASES),
    Property("resume equality", "state is data: saved, loaded, same picks", resume_equality, CASES),
    Property("hidden capabilities", "picks do not depend on them", hidden_capabilities, CASES),
    Property("causality", "picks do not depend on the future", causality, CASES),
    Property("permutation equivariance", "names carry no preference", equivariance, CASES),
    Property("degenerate setups", "edge cases are cases, not crashes", degenerate, CASES),
    Property("long runs", f"it decides {LONG} times", long_run, CASES, examples=1),
)
PROMISED = Property(MONOTONE, "more requirement, no smaller first share", monotone, CASES)


def check_allocator(
    allocator: str | Allocator | type[Allocator] | Make,
    *,
    examples: int = 10,
    promises: Sequence[str] = (),
    size: int | None = None,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: Literal["raise"] | None = "raise",
) -> list[CheckOutcome]:
    """Test the properties of an allocator: a class, an instance, a factory, or a name with settings.

    What is tested: `[p.name for p in readsim.testing.allocator_checks.PROPERTIES]`; what a rule may promise
    on top: `PROMISES`. `expected_failures` maps a property to the reason for which a rule does not have
    it (one that draws at random has no permutation equivariance). `examples`: cases a property.
    `size`: the one number of sources and capabilities that the allocator can handle, as a trained policy
    of fixed shape. Failures of one cause are one failure, with the line of yours that raised it.
    Raises CheckError, UnknownNameError, ConfigError.
    """
    for promise in promises:
        if promise not in PROMISES:
            raise unknown("promise", promise, PROMISES)
    chosen = [*properties(size), *([replace(PROMISED, cases=cases_of(size))] if promises else [])]
    return run_properties(
        chosen,
        _factory(allocator),
        examples=examples,
        expected_failures=expected_failures,
        on_fail=on_fail,
    )


def _factory(allocator: Any) -> Callable[[], Allocator]:
    """A function that gives the allocator; an instance is configuration only, so it gives itself."""
    if isinstance(allocator, str):
        name = allocator
        return lambda: load_allocator(name)
    if isinstance(allocator, Allocator):
        one = allocator
        return lambda: one
    if inspect.isclass(allocator) or callable(allocator):
        made = allocator()
        if isinstance(made, Allocator):
            factory: Callable[[], Allocator] = allocator
            return factory
    raise ConfigError(
        f"allocator = {allocator!r}: an Allocator, its class, a factory or a name was expected"
    )
