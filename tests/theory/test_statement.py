"""A theorist's own statements: the worked ones of the docs run as they stand; bad ones are refused."""

import contextlib
import re
from typing import Any

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.theory import Statement, Subject, Verdict, check_own_controls, check_statement
from readsim.theory.controls import ideal_world, stateful_world
from readsim.theory.statement import load_statement
from readsim.theory.witness import kappa_text, watch
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the Python of docs/guides/theory.md defines, run in one go."""
    text = (ROOT / "docs" / "guides" / "theory.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with contextlib.chdir(tmp_path_factory.mktemp("worked")):  # where its table is written
        exec("\n".join(re.findall(r"```python[^\n]*\n(.*?)```", text, re.S)), names)
    return names


def test_the_worked_statements_run(worked: dict[str, Any]) -> None:
    own = {v.name: v for v in worked.values() if isinstance(v, Statement)}
    assert len(own) == 5
    for statement in own.values():
        true, false = check_own_controls(statement)
        assert (true.verdict, false.verdict) == (Verdict.HOLDS, Verdict.FAILS)
        assert false.effect is not None
        assert false.effect.size > 0
    assert worked["sums"].bound.shape == (2, 5)


def test_the_worked_rule_states_its_kappa(worked: dict[str, Any]) -> None:
    decisions, _ = watch([DistillEnv("conflict", steps=4)], worked["Lin"](), [0])
    assert kappa_text(decisions) == "stated 2.0"


def ideal() -> Subject:
    return Subject.of(ideal_world(), {"a": 1.0}, 10_000_000)


def statement(**changes: Any) -> Statement:
    fields: dict[str, Any] = {
        "name": "No loss",
        "formula": "U(b) >= U(0)",
        "violation": lambda s, b: s.utility(0 * b) - s.utility(b),
        "true": ideal,
        "false": lambda: Subject.of(stateful_world(), {"c": 1.0}, 10_000_000),
    }
    return Statement(**{**fields, **changes})


def test_a_violation_in_one_corner_is_found() -> None:
    found = check_statement(
        statement(violation=lambda s, b: float(b[1] > 0.97 * s.budget)), ideal()
    )
    assert found.verdict is Verdict.FAILS
    assert found.effect is not None
    assert found.effect.where == "[b 1] of the budget"


def test_what_is_given_stays_within_the_budget() -> None:
    seen = []

    def keep(s: Subject, b: Any, c: Any) -> float:
        seen.append(float((b + c).sum()))
        assert min(b.min(), c.min()) >= 0
        return 0.0

    assert check_statement(statement(parts=2, violation=keep), ideal()).verdict is Verdict.HOLDS
    assert max(seen) <= 1e7 * (1 + 1e-12)
    assert min(seen) == 0.0


def test_controls_that_say_the_wrong_thing_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be one where it fails"):
        check_own_controls(statement(false=ideal))
    with pytest.raises(ConfigError, match="must be one where it holds"):
        check_own_controls(statement(violation=lambda s, b: 1.0))


def test_controls_are_labelled_by_their_roles(worked: dict[str, Any]) -> None:
    """The false control of low rank is a world that is called a true one elsewhere."""
    for own in (worked["LOW_RANK"], worked["DOUBLING"]):
        assert [r.subject for r in check_own_controls(own)] == ["control, true", "control, false"]


def raises(*_: Any) -> Any:
    raise RuntimeError("inside")


@pytest.mark.parametrize(
    ("violation", "words"),
    [
        (raises, "raised RuntimeError in world 'control, true': inside"),
        (lambda s, b: b @ np.ones(9), "raised ValueError"),
        (lambda s, b: np.nan, "returned nan"),
        (lambda s, b: True, "returned True"),
        (lambda s, b: b > 0, r"returned an array of shape \(3,\)"),
        (lambda s, b: None, "returned None"),
        (lambda s, b: [[1.0], [1.0, 2.0]], "raised ValueError"),
        (lambda s, b: "x", "returned 'x'"),
    ],
)
def test_a_bad_violation_is_said_in_a_sentence(violation: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=f"No loss: its violation {words}"):
        check_statement(statement(violation=violation), ideal())
    with pytest.raises(ConfigError, match="No loss: its violation"):
        check_statement(statement(violation=lambda s: np.nan, parts=0), ideal())


def test_bad_conditions_and_controls_are_said_in_a_sentence() -> None:
    for bad, words in ((raises, "raised RuntimeError"), (lambda s: True, "returned True")):
        with pytest.raises(ConfigError, match=f"No loss: its conditions {words}"):
            check_statement(statement(conditions=bad), ideal())
    with pytest.raises(ConfigError, match="No loss: its control, false raised RuntimeError"):
        check_own_controls(statement(false=raises))
    with pytest.raises(ConfigError, match="expected a Subject"):
        check_own_controls(statement(true=ideal_world))


def test_the_toy_network_is_no_subject() -> None:
    with pytest.raises(ConfigError, match="subject of `readsim theory --worlds toy` only"):
        Subject.of("toy")


def test_bad_statements_are_refused() -> None:
    for changes in ({"name": ""}, {"parts": -1}, {"tolerance": np.nan}):
        with pytest.raises(ConfigError, match="needs a name"):
            statement(**changes)
    for target in ("nowhere:X", "readsim.theory:X", "readsim.theory:Verdict", "plain"):
        with pytest.raises(ConfigError, match="statement"):
            load_statement(target)
    asked = statement(conditions=lambda s: "two tasks")
    with pytest.raises(CapabilityMissingError, match="No loss needs two tasks"):
        check_statement(asked, ideal())
