"""World files: exact both ways, and what they may leave out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import WorldError
from readsim.testing.backend_checks import same
from readsim.worlds import (
    Task,
    World,
    load_world,
    preset_names,
    save_world,
    world_from_dict,
    world_to_dict,
)
from tests.support.made_worlds import made
from tests.support.strategies import few, worlds

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=12)
POSITIVE = st.floats(1e-300, 1e300)
WEIGHT = st.floats(1e-300, 1e9)


def fields_of(world: World) -> dict[str, Any]:
    return {name: getattr(world, name) for name in world.__dataclass_fields__}


@st.composite
def full_worlds(draw: st.DrawFn) -> World:
    """A world with everything a file can hold, and with awkward numbers and names."""
    world = draw(worlds(("separable", "potential", "flow")))
    s, k = world.shape
    rename = {name: f"{j}{draw(NAME)}" for j, name in enumerate(world.capabilities)}
    changes: dict[str, Any] = {
        "name": "w" + draw(NAME),
        "description": draw(TEXT),
        "provenance": draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        "capabilities": tuple(rename.values()),
        "gates": tuple(
            {**g, "capability": rename[str(g["capability"])], "needs": rename[str(g["needs"])]}
            for g in world.gates
        ),
        "probe_slope": np.array(draw(st.lists(POSITIVE, min_size=k, max_size=k))),
        "probe_bias": np.array(draw(st.lists(st.floats(-1, 1), min_size=k, max_size=k))),
        "items": np.array(draw(st.lists(st.integers(0, 9), min_size=k, max_size=k)), float),
        "test_items": np.full(k, draw(st.sampled_from([1000.0, 0.0, 7.0]))),
        "pairing": draw(st.floats(0, 1)),
    }
    if world.link != "identity":
        scales = draw(st.lists(st.floats(1.0, 1e12), min_size=s, max_size=s))
        changes["scale_tokens"] = np.array(scales)
        changes["efficiency_sd"] = np.full(s, draw(st.sampled_from([0.0, 0.1, 1 / 3])))
        changes["horizon"] = draw(st.one_of(st.just(np.inf), POSITIVE))
    if k > 1:
        changes["hidden"] = draw(st.sampled_from([(), changes["capabilities"][:1]]))
        names = [c for c in changes["capabilities"] if c not in changes["hidden"]]
        spec: dict[str, Any] = {"requirement": {names[0]: draw(WEIGHT), names[-1]: 2}}
        if draw(st.booleans()):
            spec["weights"] = {changes["capabilities"][0]: 1.0, names[-1]: 0.5}
            spec["utility"] = draw(st.sampled_from(["linear", "capped:-0.25"]))
        changes["tasks"] = draw(st.sampled_from([{}, {"first task": spec, "second": spec}]))
    return world.replace(**changes)


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@few
@given(world=full_worlds())
def test_exact_both_ways(
    suffix: str, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"deep/er/world{suffix}"
    save_world(world, path)
    again = load_world(path)
    assert same(fields_of(again), fields_of(world))
    shown, expected = (json.dumps(world_to_dict(w), sort_keys=True) for w in (again, world))
    assert shown == expected
    b = world.shape[0] * [1e5]
    assert np.array_equal(again.profile_after([np.array(b)]), world.profile_after([np.array(b)]))


@pytest.mark.parametrize("name", preset_names())
def test_presets_both_ways(name: str) -> None:
    world = load_world(name)
    assert same(fields_of(world_from_dict(world_to_dict(world))), fields_of(world))


def test_arrays_in_a_drift_are_written_as_lists(tmp_path: Path) -> None:
    world = made(dynamics="flow", drift={"after_tokens": 5, "help": np.eye(2)})
    save_world(world, tmp_path / "w.toml")
    assert load_world(tmp_path / "w.toml").drift == {"after_tokens": 5, "help": [[1, 0], [0, 1]]}


# ----------------------------------------------------------------- what a file may leave out


def test_defaults() -> None:
    world = made()
    assert world.sources == world.capabilities == ("math", "code")
    assert (world.link, world.gain) == ("saturating", ("exponential", "exponential"))
    assert not world.harm.any()
    assert not world.floor.any()
    assert world.items.tolist() == [64, 64]
    assert world.task_names == ("math", "code")
    assert world.task("math").requirement.tolist() == [0.6, 0.4]
    assert made(dynamics="separable").link == "identity"
    losses = made(link="exponential", start=-2.0, ceiling=-1.0)
    assert np.isneginf(losses.floor).all()


def test_a_number_stands_for_a_vector_or_matrix_of_it() -> None:
    world = made(sources=["a", "b", "c"], start=0.25, scale_tokens=[1, 2, 3], help=0.5, harm=0.125)
    assert world.start.tolist() == [0.25, 0.25]
    assert world.help.tolist() == [[0.5, 0.5]] * 3
    assert world.harm.tolist() == [[0.125, 0.125]] * 3
    assert made(gain="hill").gain == ("hill", "hill")
    never = made(dynamics="flow", forgetting_tokens=["never", 1e8]).forgetting_tokens
    assert never.tolist() == [np.inf, 1e8]


def test_weights_are_normalised_and_default_to_the_requirement() -> None:
    spec = {"requirement": {"math": 3, "code": 1}}
    task = made(tasks={"t": spec}).task("t")
    assert task.requirement.tolist() == task.weights.tolist() == [0.75, 0.25]
    task = made(hidden=["code"], tasks={"t": {**spec, "requirement": {"math": 2}}}).task("t")
    assert (task.requirement.tolist(), task.weights.tolist()) == ([1.0], [1.0, 0.0])


def test_where_a_world_may_be_written(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"ends in \.toml or \.json"):
        save_world(made(), tmp_path / "world.csv")
    assert not list(tmp_path.iterdir())


def test_lists_are_taken_where_arrays_are() -> None:
    numbers: dict[str, Any] = {
        "start": [0.3, 0.2], "floor": [0.0, 0.0], "ceiling": [0.9, 0.8], "scale_tokens": [1e6, 2e6],
        "help": [[0.2, 0.0], [0.0, 0.3]], "harm": [[0, 0], [0, 0]],
    }  # fmt: skip
    names: dict[str, Any] = {"sources": ["a", "b"], "capabilities": ["a", "b"], "gain": "hill"}
    modes: dict[str, Any] = {"name": "lists", "dynamics": "potential", "link": "saturating"}
    listed = World(**modes, **names, **numbers)
    as_arrays: dict[str, Any] = {key: np.array(v, dtype=np.float64) for key, v in numbers.items()}
    arrays = World(
        **modes,
        sources=("a", "b"),
        capabilities=("a", "b"),
        gain=("hill", "hill"),
        **as_arrays,
    )
    assert world_to_dict(listed) == world_to_dict(arrays)
    assert np.array_equal(listed.transfer_matrix(1e6), arrays.transfer_matrix(1e6))
    with pytest.raises(WorldError, match="start: expected numbers"):
        World(**modes, **names, **{**numbers, "start": ["low", 0.2]})
    task = Task("t", [0.5, 0.5], [1, 0])  # type: ignore[arg-type]  # as users write it
    assert task.utility(np.array([0.4, 0.2])) == pytest.approx(0.4)
