"""Options common to all allocators: anchor, average, floor, repetition caps, regression guard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.allocators.modifiers import (
    Modified,
    ModifierConfig,
    observed_effects,
    repair_shares,
    with_floor,
    within_caps,
)
from readsim.allocators.registry import describe, load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, UnknownNameError
from readsim.named import split_name
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.testing.backend_checks import same
from readsim.worlds import World, load_world
from tests.support.helpers import allocations

SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda v: sum(v) > 1e-3)


class Turns(Allocator):
    """One-hot on source t mod S: last iterate and average differ most."""

    def select(self, state: Any, context: Context) -> Array:
        s = len(context.setup.sources)
        row: Array = np.eye(s)[context.step % s]
        return row


def run(allocator: str | Allocator, world: str | World = "read8-llama", **options: Any) -> Any:
    chosen = load_allocator(allocator) if isinstance(allocator, str) else allocator
    return rollout([DistillEnv(world, **options)], chosen, [0])[0]


def quiet(world: World) -> World:
    """Exact probes."""
    return world.replace(items=np.zeros(len(world.capabilities)))


@given(SHARES, st.lists(st.floats(0, 2), min_size=6, max_size=6))
def test_caps(shares: list[float], limits: list[float]) -> None:
    w = np.array(shares) / sum(shares)
    caps = np.array(limits[: len(w)])
    out = within_caps(w, caps)
    assert out.sum() == pytest.approx(1.0)
    assert (out >= 0).all()
    if caps.sum() > 1.0 + 1e-9:
        assert (out <= caps + 1e-9).all()
        assert (out[w <= caps] >= w[w <= caps] - 1e-9).all()  # nobody within his cap loses
    if (w <= caps).all():
        assert out == pytest.approx(w)


def test_caps_by_hand() -> None:
    # 0.5 -> 0.2; the 0.3 over goes to the others 3 : 2, which fills the second to 0.35 and so on
    assert within_caps(np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.35, 1.0])) == pytest.approx(
        [0.2, 0.35, 0.45]
    )
    # the only one with a share is full: the rest in proportion to the room that there is
    assert within_caps(np.array([1.0, 0.0, 0.0]), np.array([0.4, 0.9, 0.3])) == pytest.approx(
        [0.4, 0.45, 0.15]
    )
    assert within_caps(np.array([1.0, 0.0]), np.array([0.3, 0.1])) == pytest.approx([0.75, 0.25])
    assert within_caps(np.array([1.0, 0.0]), np.zeros(2)) == pytest.approx([1.0, 0.0])


@given(SHARES, st.floats(0, 1))
def test_a_floor_is_a_floor(shares: list[float], part: float) -> None:
    w = np.array(shares) / sum(shares)
    out = with_floor(w, part / len(w))
    assert out.sum() == pytest.approx(1.0)
    assert out.min() >= part / len(w) - 1e-12
    assert (np.diff(out[np.argsort(w)]) >= -1e-12).all()  # the order stays


def test_repairs_go_to_the_own_source_then_to_what_helped() -> None:
    own = np.array([[True, False], [False, False]])
    effects = np.array([[0.3, 0.1], [0.9, 0.3]])
    assert repair_shares(np.array([0.02, 0.0]), own, effects) == pytest.approx([1.0, 0.0])
    assert repair_shares(np.array([0.0, 0.5]), own, effects) == pytest.approx([0.25, 0.75])
    assert repair_shares(np.array([0.0, 0.5]), own, -effects) == pytest.approx([0.5, 0.5])


def test_observed_effects_find_a_linear_response() -> None:
    rng = np.random.default_rng(0)
    effects, shares = rng.normal(size=(3, 2)), rng.dirichlet(np.ones(3), 4000)
    found = observed_effects(shares.T @ shares, shares.T @ (shares @ effects))
    assert found == pytest.approx(effects, abs=0.02)


def test_the_defaults_change_nothing() -> None:
    plain = run("one-hot", steps=6)
    wrapped = run(Modified(load_allocator("one-hot"), ModifierConfig()), steps=6)
    assert same(plain, wrapped)


def test_anchor_and_average_by_hand() -> None:
    prior = run("task-static", steps=3)[1]["allocation"]
    [first, *_] = allocations(run(Modified(Turns(), ModifierConfig(anchor=0.25)), steps=3))
    assert first == pytest.approx(0.75 * np.eye(8)[0] + 0.25 * np.array(prior))
    timed = allocations(run(Modified(Turns(), ModifierConfig(average="time")), steps=3))
    assert timed[2] == pytest.approx(np.eye(8)[:3].mean(axis=0))


def test_repetition_caps_hold_over_the_run() -> None:
    world = load_world("finite-pools")
    budget, epochs = 150_000_000, 4
    capped = allocations(run(f"one-hot+epochs={epochs}", world, task="math", budget=budget))
    used = capped.sum(axis=0) * budget / 20
    assert (used <= epochs * world.pool_tokens * (1 + 1e-9)).all()
    assert used[3] == pytest.approx(epochs * world.pool_tokens[3])
    free = allocations(run("one-hot", world, task="math", budget=budget)).sum(axis=0) * budget / 20
    assert free[3] == pytest.approx(budget)
    # endless pools have no caps
    endless = allocations(run(f"one-hot+epochs={epochs}", task="math", budget=budget))
    assert endless[:, 3] == pytest.approx(1.0)


def test_the_guard_keeps_capabilities_near_their_line() -> None:
    world = quiet(load_world("conflict"))
    options: dict[str, Any] = {"task": "skill_1", "budget": 150_000_000}

    def worst(name: str) -> tuple[float, float]:
        rows = run(name, world, **options)
        return float((np.array(rows[-1]["final_profile"]) - world.start).min()), rows[-1]["utility"]

    free, guarded = worst("one-hot"), worst("one-hot+guard=0.02")
    assert free[0] < -0.04
    assert guarded[0] > -0.03  # the line, and what one step can do beyond it
    assert worst("one-hot+guard=0.02+repair=0.9")[0] > -0.03


def test_only_protected_capabilities_are_guarded() -> None:
    world = quiet(load_world("conflict"))
    options: dict[str, Any] = {"task": "skill_1", "budget": 150_000_000}
    free = allocations(run("one-hot", world, **options))
    assert np.array_equal(
        allocations(run("one-hot+guard=0.01+protect=skill_1", world, **options)), free
    )
    rows = run("one-hot+guard=0.01+protect=skill_1/skill_5", world, **options)
    assert any(row["report"]["guarding"] for row in rows if row["kind"] == "step")


class Falls(Turns):
    """Uniform shares, or those that are given."""

    def __init__(self, shares: tuple[float, ...] = (1.0, 1.0, 1.0)) -> None:
        self.shares = shares

    def select(self, state: Any, context: Context) -> Array:
        return np.array(self.shares)


def fed(
    stop: int, dev: list[list[float] | None], wanted: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> list[tuple[list[float], list[str]]]:
    """Shares and stopped sources before each decision and after the last, dev scores given by hand."""
    env = DistillEnv("random:sources=3,capabilities=3", steps=len(dev))
    env.reset(seed=0)
    allocator = Modified(Falls(wanted), ModifierConfig(stop=stop))
    setup: Setup = setup_for(env, allocator, 0)
    state, out = allocator.init(setup), []
    for step in range(len(dev) + 1):
        context = Context(setup, step, np.full(3, 0.5), 1.0, np.zeros(0), setup.prior)
        shares = np.asarray(allocator.select(state, context))
        out.append((shares.tolist(), list(allocator.report(state).get("stopped", ()))))
        if step < len(dev):
            now = None if dev[step] is None else np.array(dev[step])
            after = Transition(context, shares, 0.0, np.zeros(3), context.profile, 10, now)
            state = allocator.update(state, after)
    return out


def test_a_source_is_stopped_once_its_own_dev_score_fell_in_a_row() -> None:
    first = load_world("random:sources=3,capabilities=3").sources[0]
    rows = fed(2, [[0.5, 0.5, 0.5], None, [0.4, 0.6, 0.5], [0.3, 0.5, 0.6], [0.9, 0.6, 0.7]])
    third = [1 / 3] * 3
    assert [shares for shares, _ in rows] == [third] * 4 + [
        [0.0, 0.5, 0.5]
    ] * 2  # and stays stopped
    assert [stopped for _, stopped in rows] == [[]] * 4 + [[first]] * 2


def test_one_fall_or_a_rise_between_stops_nothing() -> None:
    rows = fed(2, [[0.5] * 3, [0.4, 0.5, 0.5], [0.45, 0.5, 0.5], [0.4, 0.5, 0.5]])
    assert all(stopped == [] for _, stopped in rows)
    assert all(stopped == [] for _, stopped in fed(0, [[0.5 - n / 10] * 3 for n in range(4)]))


def test_a_fall_without_tokens_of_its_source_stops_nothing() -> None:
    """Others harm what is not trained; that its own source is worn out does not follow."""
    _, second, _ = load_world("random:sources=3,capabilities=3").sources
    falling: list[list[float] | None] = [[0.5 - n / 10] * 3 for n in range(4)]
    assert [stopped for _, stopped in fed(1, falling, (0.0, 1.0, 0.0))][-1] == [second]


def test_the_last_source_is_never_stopped() -> None:
    rows = fed(1, [[0.5] * 3, [0.4, 0.5, 0.5], [0.3, 0.4, 0.4], [0.2, 0.3, 0.5]])
    assert rows[-1][0] == [0.0, 0.0, 1.0]
    assert fed(1, [[0.5] * 3, [0.4] * 3])[-1][1] == []  # all at once: none


def test_a_stop_needs_a_source_with_a_capability_of_its_name() -> None:
    world = load_world("random:sources=3,capabilities=3")
    other = world.replace(sources=("a", "b", "c"))
    with pytest.raises(ConfigError, match="no source has the name of a visible capability"):
        run("uniform+stop=2", other)
    for wrong in (-1, 1.5, True, 10**9):
        with pytest.raises(ConfigError, match="stop = "):
            ModifierConfig(stop=wrong)  # type: ignore[arg-type]


def test_a_stopped_source_gets_nothing_of_what_a_cap_frees() -> None:
    shaped = Modified(Falls(), ModifierConfig(stop=1, epochs=1.0))
    env = DistillEnv("random:sources=3,capabilities=3", steps=2)
    env.reset(seed=0)
    setup = replace(setup_for(env, shaped, 0), pools=np.array([np.inf, 1.0, np.inf]))
    state = {**shaped.init(setup), "stopped": np.array([True, False, False])}
    context = Context(setup, 0, np.full(3, 0.5), 1.0, np.zeros(0), setup.prior)
    assert np.asarray(shaped.select(state, context))[0] == 0.0


def test_rectangular_worlds_repair_by_what_was_observed() -> None:
    rows = run("task-static+guard=0.0", "random:sources=3,capabilities=6,negative=0.9", steps=8)
    assert np.allclose(allocations(rows).sum(axis=1), 1.0)


def test_an_interrupted_run_goes_on_as_it_was(tmp_path: Path) -> None:
    name = "read+pool=0+average=time+guard=0.01+floor=0.02+stop=1"
    whole = run(name, steps=6)

    class Stop(Exception):
        pass

    seen: list[int] = []

    def stop(decisions: int) -> None:
        seen.append(decisions)
        if len(seen) == 3:
            raise Stop

    log, state = tmp_path / "run.jsonl", tmp_path / "run.state"
    with RunLog.create(log, config={}, seeds=[0]) as opened, pytest.raises(Stop):
        rollout(
            [DistillEnv(steps=6)],
            load_allocator(name),
            [0],
            log=opened,
            checkpoint=state,
            on_step=stop,
        )
    with RunLog.open(log, config={}) as opened:
        rows, _ = rollout(
            [DistillEnv(steps=6)], load_allocator(name), [0], log=opened, checkpoint=state
        )
    assert same(whole, rows)


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("read", "read", {}),
        ("read+kappa=0.5+history=false", "read", {"kappa": 0.5, "history": False}),
        ("mine:Follow+rate=20", "mine:Follow", {"rate": 20}),
        ("grid+top=2+average=time", "grid", {"top": 2, "average": "time"}),
    ],
)
def test_names_carry_settings(text: str, name: str, settings: dict[str, Any]) -> None:
    assert split_name(text) == (name, settings)


def test_settings_reach_the_rule_and_the_shape() -> None:
    made = load_allocator("grid+top=2+floor=0.05")
    assert isinstance(made, Modified)
    assert made.inner.top == 2  # type: ignore[attr-defined]
    assert made.shape.floor == 0.05
    assert made.needs == {"trial"}
    assert ("floor", "0.05", "set by the user") in made.settings()
    assert describe("grid+top=2") == describe("grid")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("read+guard", "NAME[+]key=value"),
        ("read+guard=", "NAME[+]key=value"),
        ("read+floor=0.1+floor=0.2", "each key once"),
        ("read+floor=2", "floor = 2: expected a share"),
        ("read+anchor=-0.1", "anchor = -0.1: expected a share"),
        ("read+guard=-1", "guard = -1: expected a number >= 0"),
        ("read+epochs=much", "epochs = 'much'"),
        ("read+average=median", "unknown average 'median'"),
        ("read+protect=math", "without guard"),
        ("read+kapa=1", "did you mean 'kappa'"),
        ("one-hot+floor=0.2", "at most 1 / S = 0.125"),
        ("one-hot+guard=0.1+protect=maths", "did you mean 'math'"),
    ],
)
def test_bad_settings(name: str, message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        run(name)
