"""Every malformed world file is refused with a message that names the field and shows the value."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import UnknownNameError, WorldError
from readsim.worlds import load_world, load_world_file
from tests.support.made_worlds import table

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
    ({"capabilities": ["math", ""]}, "a name is not empty"),
    ({"sources": []}, r"sources = \[\]: at least one name"),
    ({"sources": ["a", "a"]}, "sources = 'a': each name may appear once"),
    ({"sources": ["a", 1]}, "sources = .*expected a list of names"),
    ({"sources": ["a"]}, r"help: shape \(2, 2\) where \(1, 2\) is needed"),
    ({"dynamics": "potentail"}, "dynamics: .*did you mean 'potential'"),
    ({"dynamics": 3}, "dynamics = 3: expected text"),
    ({"link": "logistics"}, "link: .*did you mean 'logistic'"),
    ({"gain": "hil"}, "gain: .*did you mean 'hill'"),
    ({"gain": ["hill"]}, "gain = .*one for each of the 2 gain curves"),
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
    ({"horizon": 0}, "horizon = 0.0: expected a number of tokens > 0"),
    ({"horizon": [1, 2]}, "horizon: shape"),
    ({"pairing": 1.5}, "pairing = 1.5: expected a correlation between 0 and 1"),
    ({"pairing": "high"}, "pairing = 'high': expected numbers"),
    ({"items": 2.5}, "items = .*whole numbers >= 0"),
    ({"test_items": -1}, "test_items = .*whole numbers"),
    ({"probe_slope": 0}, "probe_slope = .*> 0"),
    ({"efficiency_sd": -1}, "efficiency_sd = -1.0"),
    ({"hidden": ["maths"]}, "hidden: .*did you mean 'math'"),
    ({"hidden": ["math", "code"]}, "hidden = .*at least one capability must stay visible"),
    ({"substeps": 0, **FLOW}, "substeps = 0: expected a whole number >= 1"),
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
    ({**FLOW, "gates": [GATE, GATE]}, r"gates\[1\] = 'code': expected one gate per capability"),
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
        ("empty.json", b"", "line 1, column 1: not JSON"),
        ("list.json", b"[1, 2]", "expected a table of fields, got list"),
        ("cut.json", b'{"name": "a", "start": [0.1', "line 1, column 28: not JSON: Expecting"),
        ("cut.toml", b'name = "a"\nstart = [0.1', "line 2: not TOML: Unclosed array"),
        (
            "latin.toml",
            'name = "Stra\xdfe"'.encode("latin-1"),
            "line 1, column 13: byte 0xdf is not UTF-8",
        ),
        ("wide.json", '{"name": "a"}'.encode("utf-16-le"), "line 1: looks like UTF-16 without"),
        ("pairs.json", b'{"name": "a", "name": "b"}', "not JSON: field 'name' is given twice"),
        ("half.json", b'{"name": "\\ud800"}', "name: half of a surrogate pair"),
        (
            "twice.toml",
            b'name = "a"\nname = "b"\n',
            "line 2, column 11: not TOML: Cannot overwrite a value",
        ),
        ("deep.json", b"[" * 100_000, "not JSON: nested too deeply"),
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
