"""Which runs may be compared, how they differ, and what they are called."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from readsim.runs.comparing import (
    ABSENT,
    Difference,
    differences,
    display_name,
    unlike,
    usual_manifest,
)
from readsim.runs.rows import RunHeader
from tests.support.made_reports import MANIFEST

PLAIN = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def real(allocator: str = "read", **manifest: Any) -> RunHeader:
    own = {**MANIFEST, **manifest}
    return RunHeader(world="hf:nano", task="math", allocator=allocator, budget=60, manifest=own)


@given(PLAIN, PLAIN)
def test_there_is_a_difference_exactly_where_data_differ(one: object, other: object) -> None:
    assert differences(one, one) == []
    assert bool(differences(one, other)) == (one != other)
    turned = [Difference(d.name, d.other, d.one) for d in differences(other, one)]
    assert sorted(map(repr, turned)) == sorted(map(repr, differences(one, other)))


def test_names_are_dotted_and_both_values_are_said() -> None:
    found = differences({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3, "c": 2}, "e": None})
    assert found == [
        Difference("a.b", 1, 3),
        Difference("d", [1], ABSENT),
        Difference("e", ABSENT, None),
    ]
    assert found[0].between("in the log", "now") == "a.b is 1 in the log, 3 now"
    assert found[1].between("in x", "in y") == "d is [1] in x, absent in y"


def names(one: RunHeader, other: RunHeader, *, one_task: bool = True) -> list[str]:
    return [found.name for found in unlike(one, other, one_task=one_task)]


def test_the_method_of_a_real_run_may_differ_and_its_recipe_may_not() -> None:
    one = real()
    assert names(one, real("uniform", method="cot-kd", soft=None, versions={})) == []
    assert names(one, real(training={"learning_rate": 0.2})) == ["training.learning_rate"]
    assert names(one, real(training=None)) == ["training"]
    assert names(one, real(decoding=None)) == []  # null is as good as absent
    own, other = {"max_new_tokens": 8, "student_temperature": 1.0}, {"max_new_tokens": 8}
    assert names(real(decoding=other), real(decoding=own, elicitation={"traces": 4})) == []
    assert names(real(decoding=own), real(decoding={**own, "max_new_tokens": 9})) == [
        "decoding.max_new_tokens"
    ]
    assert names(one, replace(one, task="code", budget=70)) == ["task", "budget"]
    assert names(one, replace(one, task="code", budget=70), one_task=False) == []
    assert names(one, replace(one, world_digest="0")) == []  # it covers the method
    assert names(one, replace(one, manifest=None)) == ["kind of runs"]
    simulated = replace(one, manifest=None)
    assert names(simulated, replace(simulated, world_digest="0")) == ["world_digest"]


def test_names_say_what_is_not_usual() -> None:
    usual = MANIFEST
    assert display_name(RunHeader(allocator="read+kappa=1")) == "read+kappa=1"
    assert display_name(real(), usual) == "read"
    assert display_name(real()) == "read, logit-kd"
    assert display_name(real(method="cot-kd"), usual) == "read, cot-kd"
    assert display_name(real(method="", signal="cot", objective="fkl")) == "read, cot x fkl"
    assert (
        display_name(real(on_policy=0.5, soft={"k": 1}), usual)
        == 'read, on_policy 0.5, soft {"k": 1}'
    )
    assert (
        display_name(real(decoding={"student_temperature": 0.7}), usual)
        == "read, student_temperature 0.7"
    )
    found = replace(real(method="cot-kd"), identified={})
    assert display_name(found, usual) == "read, cot-kd, identified"
    assert display_name(replace(found, manifest=None)) == "read"


def test_the_usual_method_is_the_references_else_the_most_frequent() -> None:
    several = [real(method="cot-kd"), real(method="cot-kd"), real("task-static")]
    assert usual_manifest(several, "task-static") == several[2].manifest
    assert usual_manifest(several, "absent") == several[0].manifest
    assert usual_manifest([RunHeader()], "task-static") is None
