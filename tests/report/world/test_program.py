"""The page predicts as readsim does: its JavaScript, in Node, against the equations of drawn worlds."""

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.report.world.export import RUNS, TOLERANCE, Z95, exported
from readsim.report.world.trace import Constants, Traced, UntracedError, program
from readsim.worlds import World, load_world, preset_names
from readsim.worlds.gains import tabulated
from readsim.worlds.paced import Paced
from readsim.worlds.world import STEPS
from tests.support.node import run_script
from tests.support.strategies import BUDGET, few, shares, tasks, terms, worlds

SCRIPT = files("readsim.report.world").joinpath("program.js").read_text(encoding="utf-8")
KINDS = ("linear", "ces:-2", "ces:0.5", "capped:0.5")
PLAIN = (
    "(key, v) => v instanceof Float64Array ? Array.from(v, (x) => isFinite(x) ? x : String(x)) : v"
)


def ask(data: dict[str, Any], expression: str) -> Any:
    """What the page's own functions say; `f` is the forecaster of `data`."""
    text = json.dumps(data, allow_nan=False)
    return run_script(
        f"{SCRIPT}\nconst f = forecaster({text});\nconsole.log(JSON.stringify({expression}, {PLAIN}));"
    )


def close(own: Any, told: Array | float) -> bool:
    """Within the tolerance that the page states."""
    made, wanted = np.asarray(own, dtype=np.float64), np.asarray(told, dtype=np.float64)
    return bool((np.abs(made - wanted) <= TOLERANCE * np.maximum(1.0, np.abs(wanted))).all())


@pytest.mark.slow
@given(st.data())
@few
def test_scores_and_utility_are_those_of_any_world(data: st.DataObject) -> None:
    world = data.draw(terms(data.draw(worlds())))
    kinds = KINDS if world.is_score else ("linear", "capped:-0.5")
    task = data.draw(tasks(world, kinds))
    mixture = data.draw(shares(len(world.sources)))
    budget = BUDGET * data.draw(st.sampled_from((1e-3, 0.3, 1.0)))
    told = ask(
        exported(world, [task], (budget, BUDGET)),
        f"[f.largest_difference(), f.forecast({mixture.tolist()}, {budget}, 0)]",
    )
    off, made = told
    assert off <= TOLERANCE
    profile = world.static_profile(mixture, budget)
    assert close(made["scores"], profile)
    assert close(made["value"], task.utility(profile))
    if not (world.process_sd.any() or world.efficiency_sd.any()):
        half = Z95 * world.probe("test").deviation(profile)
        assert np.allclose(made["half"], half, rtol=1e-6, atol=1e-7)
        if task.kind == "linear":
            one = np.sqrt((task.weights * half) ** 2 @ np.ones(len(half)))
            assert np.isclose(made["value_half"], one, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", preset_names())
def test_presets(name: str) -> None:
    world = load_world(name)
    chosen = [world.task(task) for task in world.task_names]
    most = min(world.horizon, 1.5e8)
    assert ask(exported(world, chosen, (most / 1000, most)), "f.largest_difference()") <= TOLERANCE


@pytest.mark.parametrize(
    "name",
    [
        "random:seed=3,capabilities=40,sources=40",
        "random:seed=5,capabilities=1,sources=1",
        "random:prior=broad,seed=11",
    ],
)
def test_drawn_families(name: str) -> None:
    world = load_world(name)
    chosen = [world.task("average")]
    assert ask(exported(world, chosen, (1e4, 1e8)), "f.largest_difference()") <= TOLERANCE


def extreme(**changes: Any) -> World:
    """Two sources, two capabilities, and numbers at the end of what a world may have."""
    fields: dict[str, Any] = {
        "name": "extreme",
        "sources": ("a", "b"),
        "capabilities": ("a", "b"),
        "dynamics": "potential",
        "link": "exponential",
        "start": [-5.0, -1e3],
        "floor": [-np.inf, -np.inf],
        "ceiling": [-1e-3, -1.0],
        "gain": ("log", "power:0.01"),
        "scale_tokens": [1e-3, 1e12],
        "help": [[1e4, 0.0], [1e-9, 30.0]],
        "harm": [[0.0, 50.0], [0.0, 0.0]],
    }
    return World(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pool_tokens": [1.0, np.inf]},
        {"gain": (tabulated(np.log1p, 1e6), "hill"), "schedule": {"kind": "wsd", "warmup": 0.3}},
        {"dynamics": "flow", "forgetting_tokens": [1e-3, 1e15], "substeps": 64},
    ],
    ids=["scales", "pools", "table", "flow"],
)
def test_extreme_numbers(changes: dict[str, Any]) -> None:
    world = extreme(**changes)
    made = exported(world, [world.task("average")], (1.0, 1e12))
    assert ask(made, "f.largest_difference()") <= TOLERANCE


@pytest.mark.parametrize("terms_on", [False, True])
def test_intervals_are_the_spread_of_runs(terms_on: bool) -> None:
    # the same equations and the same draws, here by readsim's own model
    world = load_world("real-run" if terms_on else "forgetting")
    world = world.replace(efficiency_sd=[0.1, 0.2, 0.0, 0.3], process_sd=[0.002, 0.0, 0.001, 0.003])
    task, mixture, budget = world.task("average"), np.array([0.4, 0.3, 0.2, 0.1]), 2e7
    made = exported(world, [task], (1e5, budget))
    s, k = world.shape
    width = s + STEPS * k
    told = ask(made, f"[normals({RUNS * width}, 1), f.forecast({mixture.tolist()}, {budget}, 0)]")
    draws = np.array(told[0]).reshape(RUNS, width)
    assert abs(draws.mean()) < 0.05
    assert abs(draws.std() - 1.0) < 0.05
    rate = world.rate(np.exp(world.efficiency_sd * draws[:, :s]))
    model, tokens = world.model, np.tile(mixture * (budget / STEPS), (RUNS, 1))
    state = world.initial(rate, budget)
    assert isinstance(model, Paced) is terms_on
    for step in range(STEPS):
        state = model.advance(state, tokens, draws[:, s + step * k : s + (step + 1) * k])
    runs = model.profile(state)
    items = world.probe("test").deviation(world.static_profile(mixture, budget)) ** 2
    assert np.allclose(told[1]["half"], Z95 * np.sqrt(runs.var(axis=0, ddof=1) + items), rtol=1e-8)
    both = task.utility(runs).var(ddof=1) + (task.weights**2 * items).sum()
    assert np.isclose(told[1]["value_half"], Z95 * np.sqrt(both), rtol=1e-6)


def test_the_check_on_the_page_sees_a_wrong_number() -> None:
    world = load_world("gateway")
    made = exported(world, [world.task("average")], (1e6, 1e8))
    made["checks"][3]["scores"][1] += 1e-6
    assert ask(made, "f.largest_difference()") == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize(
    "equations",
    [
        lambda x: x if x[..., [0]] > 0 else -x,
        np.sort,
        np.sinh,
        np.add.reduce,
        lambda x: np.zeros(3) + np.asarray(x),
        lambda x: x[..., None] * np.ones((3, 2)),
        lambda x: np.add(x, 1.0, out=np.zeros(3)),
    ],
    ids=["branch", "function", "ufunc", "reduce", "array", "matrix", "into"],
)
def test_what_no_program_can_say_is_an_error(equations: Any) -> None:
    with pytest.raises(UntracedError):
        program(equations, {"x": 3}, Constants())


def test_what_is_written_in_place_is_seen_by_who_holds_it() -> None:
    def equations(x: Traced) -> Any:
        y = x * 2.0
        z = y
        y += 1.0
        np.exp(y, out=y)
        y[..., [1]] = x[..., [0]]
        return z

    script = (
        f"compiled({json.dumps(program(equations, {'x': 3}, own := Constants()))}, C.map(numbers))"
    )
    text = json.dumps(own.arrays)
    made = run_script(
        f"{SCRIPT}\nconst C = {text};\nconsole.log(JSON.stringify(Array.from({script}([[1, 2, 3]])[0])));"
    )
    assert np.allclose(made, [np.exp(3.0), 1.0, np.exp(7.0)])
