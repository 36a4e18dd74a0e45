"""World files: exact both ways, and every malformed one is refused with a message that helps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import UnknownNameError, WorldError
from readsim.worlds import (
    World,
    load_world,
    load_world_file,
    preset_names,
    save_world,
    world_from_dict,
    world_to_dict,
)
from tests.helpers import same
from tests.strategies import worlds

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
POSITIVE = st.floats(1e-300, 1e300)


def fields_of(world: World) -> dict[str, Any]:
    return {name: getattr(world, name) for name in world.__dataclass_fields__}


@st.composite
def full_worlds(draw: st.DrawFn) -> World:
    """A world with everything a file can hold, and with awkward numbers and names."""
    world = draw(worlds(("separable", "potential", "flow")))
    s, k = world.shape
    rename = {name: f"{j}{draw(TEXT)}" for j, name in enumerate(world.capabilities)}
    changes: dict[str, Any] = {
        "name": "w" + draw(TEXT),
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
        scales = draw(st.lists(POSITIVE, min_size=s, max_size=s))
        changes["scale_tokens"] = np.array(scales)
        changes["efficiency_sd"] = np.full(s, draw(st.sampled_from([0.0, 0.1, 1 / 3])))
        changes["horizon"] = draw(st.one_of(st.just(np.inf), POSITIVE))
    if k > 1:
        changes["hidden"] = draw(st.sampled_from([(), changes["capabilities"][:1]]))
        names = [c for c in changes["capabilities"] if c not in changes["hidden"]]
        spec: dict[str, Any] = {"requirement": {names[0]: draw(POSITIVE), names[-1]: 2}}
        if draw(st.booleans()):
            spec["weights"] = {changes["capabilities"][0]: 1.0, names[-1]: 0.5}
            spec["utility"] = draw(st.sampled_from(["linear", "capped:-0.25"]))
        changes["tasks"] = draw(st.sampled_from([{}, {"first task": spec, "second": spec}]))
    return world.replace(**changes)


@pytest.mark.parametrize("suffix", [".toml", ".json"])
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


def table(**changes: Any) -> dict[str, Any]:
    """The smallest world file, as a table; None leaves a field out."""
    base = {
        "name": "small",
        "capabilities": ["math", "code"],
        "dynamics": "potential",
        "start": 0.3,
        "ceiling": 0.9,
        "scale_tokens": 1e7,
        "help": [[0.2, 0.1], [0.0, 0.3]],
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def made(**changes: Any) -> World:
    return world_from_dict(table(**changes))


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


# ----------------------------------------------------------------- malformed files

GATE = {"capability": "code", "needs": "math", "threshold": 0.4}
FLOW: dict[str, Any] = {"dynamics": "flow"}
ROOM: dict[str, Any] = {"dynamics": "potential", "link": "identity"}

MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"ceilling": 0.9}, "unknown field 'ceilling'; did you mean 'ceiling'"),
    ({"schema": 2}, "schema = 2: this readsim reads world files up to 1"),
    ({"schema": "new"}, "schema = 'new'"),
    ({"name": None}, "name: missing"),
    ({"help": None}, "help: missing"),
    ({"name": 5}, "name = 5: expected text"),
    ({"name": ""}, "name = ''"),
    ({"capabilities": "math"}, "capabilities = 'math': expected a list of names"),
    ({"capabilities": []}, "capabilities = .*at least one name"),
    ({"capabilities": ["math", "math"]}, "capabilities = 'math': each name may appear once"),
    ({"capabilities": ["math", ""]}, "names are non-empty"),
    ({"sources": []}, r"sources = \[\]: at least one name"),
    ({"sources": ["a", "a"]}, "sources = 'a': each name may appear once"),
    ({"sources": ["a", 1]}, "sources = .*expected a list of names"),
    ({"sources": ["a"]}, r"help: shape \(2, 2\) where \(1, 2\) is needed"),
    ({"dynamics": "potentail"}, "dynamics: .*did you mean 'potential'"),
    ({"dynamics": 3}, "dynamics = 3: expected text"),
    ({"link": "logistics"}, "link: .*did you mean 'logistic'"),
    ({"gain": "hil"}, "gain: .*did you mean 'hill'"),
    ({"gain": ["hill"]}, "gain = .*one for each of the 2 sources"),
    ({"gain": 2}, "gain = 2: expected a list of names"),
    ({"start": [0.1, 0.2, 0.3]}, r"start: shape \(3,\) where \(2,\) is needed"),
    ({"start": "low"}, "start = 'low': expected numbers"),
    ({"start": ["0.1", "0.2"]}, r"start = \['0\.1', '0\.2'\]: expected numbers"),
    ({"start": True}, "start = True: expected numbers"),
    ({"start": [0.1, None]}, r"start = \[0\.1, None\]: expected numbers"),
    ({"start": [np.nan, 0.1]}, "start = nan: numbers must be finite"),
    ({"start": [10**400, 0]}, "start: expected numbers"),
    ({"start": [0.1, 0.95]}, "start of code = 0.95: must lie between floor 0 and ceiling 0.9"),
    ({"ceiling": 1.2}, r"floor and ceiling of math = .*scores lie in \[0, 1\]"),
    ({"ceiling": np.inf}, "ceiling = inf: numbers must be finite"),
    ({"help": [[0.1, 0.2], [0.3]]}, "help: expected numbers in rows of equal length"),
    ({"help": [[0.1, -0.2], [0.3, 0.1]]}, "help = -0.2: values must be >= 0"),
    ({"harm": -1}, "harm = -1.0: values must be >= 0"),
    ({"scale_tokens": 0}, "scale_tokens = 0.0: values must be > 0"),
    ({"horizon": 0}, "horizon = 0.0: a number of tokens > 0"),
    ({"horizon": [1, 2]}, "horizon: shape"),
    ({"pairing": 1.5}, "pairing = 1.5: a correlation between 0 and 1"),
    ({"pairing": "high"}, "pairing = 'high': expected numbers"),
    ({"items": 2.5}, "items = .*whole numbers >= 0"),
    ({"test_items": -1}, "test_items = .*whole numbers"),
    ({"probe_slope": 0}, "probe_slope = .*> 0"),
    ({"efficiency_sd": -1}, "efficiency_sd = -1.0"),
    ({"hidden": ["maths"]}, "hidden: .*did you mean 'math'"),
    ({"hidden": ["math", "code"]}, "hidden = .*at least one capability must stay visible"),
    ({"substeps": 0, **FLOW}, "substeps = 0: a whole number >= 1"),
    ({"substeps": 2.5, **FLOW}, "substeps = 2.5"),
    ({"description": 1}, "description = 1: expected text"),
    ({"provenance": "paper"}, "provenance = 'paper': expected a table"),
    # what a mode does not have
    ({"forgetting_tokens": 1e8}, "forgetting_tokens = 'given': only dynamics = 'flow' has it"),
    ({"gates": [GATE]}, "gates = 'given': only"),
    ({"drift": {"after_tokens": 1, "help": 0}}, "drift = 'given': only"),
    ({"process_sd": 0.1}, "process_sd = .*only 'flow' and 'artifact'"),
    ({"dynamics": "separable", "harm": 0.1}, "harm = 0.1: a separable world has none"),
    ({"dynamics": "separable", "link": "saturating"}, "link = 'saturating': a separable"),
    ({"dynamics": "artifact"}, "floor and ceiling of math = .*the artifact mode has 0 and 1"),
    ({"link": "identity", **FLOW}, "flow worlds need a link"),
    ({"link": "logistic", "start": 0}, "the logistic link needs floor < start < ceiling"),
    ({"link": "exponential", "start": -1, "ceiling": -1}, "needs start < ceiling"),
    ({"link": "exponential", "start": -2, "ceiling": -1, "floor": -9}, "floor of math = -9.0"),
    ({**ROOM, "help": 0.5}, "help towards math = 1.0: sums past the ceiling: at most 0.6"),
    ({**ROOM, "harm": 0.1}, "horizon = inf: with the identity link"),
    ({**ROOM, "gain": "log"}, "horizon = inf"),
    ({**ROOM, "harm": 0.1, "horizon": 1e9}, "harm towards math = .*passes the floor"),
    ({**ROOM, "harm": 0.01, "horizon": 1e7, "efficiency_sd": 0.1}, "efficiency_sd = "),
    # gates and drift
    ({**FLOW, "gates": GATE}, "gates = .*expected a list of tables"),
    ({**FLOW, "gates": [{**GATE, "treshold": 1}]}, r"gates\[0\]: .*did you mean 'threshold'"),
    ({**FLOW, "gates": [{**GATE, "needs": "mth"}]}, r"gates\[0\].needs: .*did you mean 'math'"),
    ({**FLOW, "gates": [GATE, GATE]}, r"gates\[1\] = 'code': one gate a capability"),
    ({**FLOW, "gates": [{**GATE, "needs": "code"}]}, r"gates\[0\] = 'code'"),
    ({**FLOW, "gates": [{**GATE, "threshold": "x"}]}, r"gates\[0\].threshold = 'x'"),
    ({**FLOW, "gates": [{**GATE, "width": 0}]}, r"gates\[0\] = .*width must be > 0"),
    ({**FLOW, "gates": [{**GATE, "low": 2}]}, "low between 0 and 1"),
    ({**FLOW, "drift": {"after_tokens": 1}}, "drift.help"),
    ({**FLOW, "drift": {"after_tokens": -1, "help": 0}}, "drift.after_tokens = -1"),
    ({**FLOW, "drift": {"after": 1}}, "drift: unknown field 'after'; did you mean"),
    ({**FLOW, "drift": {"after_tokens": 1, "help": [[1]]}}, r"drift.help = \(1, 1\): expected"),
    ({**FLOW, "drift": {"after_tokens": 1, "help": "x"}}, "drift.help: expected a matrix"),
    # tasks
    ({"tasks": ["t"]}, "tasks = .*expected a table"),
    ({"tasks": {"t": 1}}, "tasks.t = 1: expected a table"),
    ({"tasks": {"t": {}}}, "tasks.t.requirement: expected a table"),
    ({"tasks": {"t": {"requirment": {}}}}, "tasks.t: .*did you mean 'requirement'"),
    ({"tasks": {"t": {"requirement": {"mth": 1}}}}, "tasks.t.requirement: .*mean 'math'"),
    ({"tasks": {"t": {"requirement": {"math": "1"}}}}, "weight math = '1' must be a number"),
    ({"tasks": {"t": {"requirement": {"math": -1}}}}, "weight math = -1 must be a number >= 0"),
    ({"tasks": {"t": {"requirement": {"math": 0}}}}, "at least one weight must be above 0"),
    ({"tasks": {"t": {"requirement": {"math": 1}, "utility": "ces:1"}}}, "tasks.t.utility: .*ces"),
    ({"tasks": {"t": {"requirement": {"math": 1}, "utility": "ces:nan"}}}, "finite number"),
    ({"tasks": {"t": {"requirement": {"math": 1}, "utility": "max"}}}, "unknown utility 'max'"),
    (
        {"hidden": ["code"], "tasks": {"t": {"requirement": {"code": 1}}}},
        "tasks.t.requirement: unknown capability 'code'",
    ),
]


@pytest.mark.parametrize(("changes", "message"), MALFORMED)
def test_malformed(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(table(**changes)), encoding="utf-8")
    with pytest.raises(WorldError, match=message) as caught:
        load_world(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.toml", b"", "name: missing"),
        ("empty.json", b"", "not a readable json file"),
        ("list.json", b"[1, 2]", "expected a table of fields, got list"),
        ("cut.json", b'{"name": "a", "start": [0.1', "not a readable json file"),
        ("cut.toml", b'name = "a"\nstart = [0.1', "not a readable toml file"),
        ("latin.toml", 'name = "Stra\xdfe"'.encode("latin-1"), "not a readable toml file"),
        ("wide.json", '{"name": "a"}'.encode("utf-16"), "not a readable json file"),
        ("twice.toml", b'name = "a"\nname = "b"\n', "not a readable toml file"),
        ("deep.json", b"[" * 100_000, "not a readable json file"),
        ("world.yaml", b"name: a", "a world file ends in .toml, .json or .csv"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WorldError, match=message) as caught:
        load_world(path)
    assert str(caught.value).startswith(str(path))


def test_no_file_there(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"none\.toml: no such file"):
        load_world(tmp_path / "none.toml")
    for folder in (tmp_path, tmp_path / "world.toml"):
        folder.mkdir(exist_ok=True)
        for load in (load_world, load_world_file):
            with pytest.raises(WorldError, match="a folder"):
                load(folder)
    with pytest.raises(UnknownNameError, match="unknown world 'read8-lama'; did you mean"):
        load_world("read8-lama")


def test_where_a_world_may_be_written(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"ends in \.toml or \.json"):
        save_world(made(), tmp_path / "world.csv")
    assert not list(tmp_path.iterdir())
