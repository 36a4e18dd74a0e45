"""What is said of a world in words: how far it is beyond its table, and what its tasks weigh."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.worlds import World, load_world, preset_names
from readsim.worlds.effects import table_tokens, world_from_effects
from readsim.worlds.task import Task, shares_text
from readsim.worlds.told import (
    SEVERAL,
    beyond_the_table,
    invented_tasks,
    task_rows,
)

EFFECTS = [[14, 2, -2], [4, 12, -3], [-1, -2, 10]]
NAMES = ["logic", "chess", "prose"]


def world_at(tokens: int) -> World:
    return world_from_effects(
        EFFECTS, NAMES, tokens=tokens, start=40, ceiling=90, unit="points", name="mine"
    )


@given(st.integers(1, 10**12))
def test_a_world_keeps_what_its_table_was_measured_at(tokens: int) -> None:
    assert table_tokens(world_at(tokens)) == pytest.approx(tokens, rel=1e-5)


def test_of_other_worlds_no_table_is_known() -> None:
    from_tables = {name for name in preset_names() if table_tokens(load_world(name)) is not None}
    assert from_tables == {"conflict", "from-scratch", "related-web"}


def test_an_effect_several_times_the_measured_one_is_named_with_both() -> None:
    """The numbers in the sentence are the table's and the world's own."""
    world = world_at(30_000_000)
    text = beyond_the_table(world, 150e6)
    found = re.search(r"(\w+) on (\w+) is (\S+) points in the table and (\S+) here", text)
    assert found is not None
    i, j = NAMES.index(found[1]), NAMES.index(found[2])
    assert float(found[3]) == EFFECTS[i][j]
    now = 100 * world.transfer_matrix(150e6)
    assert float(found[4]) == pytest.approx(now[i, j], abs=0.05)
    assert now[i, j] / EFFECTS[i][j] >= SEVERAL
    assert "30M" in text
    assert "150M" in text
    for budget in (1e6, 30e6, 35e6):  # within, at, and a little past the table
        assert beyond_the_table(world, budget) == ""


def test_help_alone_never_is_several_times_the_measured_one() -> None:
    world = world_from_effects(
        np.abs(EFFECTS), NAMES, tokens=30e6, start=40, ceiling=90, unit="points"
    )
    assert beyond_the_table(world, 1e12) == ""


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any))
def test_shares_in_words_can_be_read_back(weights: list[int]) -> None:
    shares = np.array(weights) / sum(weights)
    names = tuple(f"c{n}" for n in range(len(weights)))
    text = shares_text(shares, names)
    read = {name: float(value) for name, value in re.findall(r"(c\d+) ([\d.]+)%(?! each)", text)}
    if rest := re.search(r"(?:the other|all) (\d+) ([\d.]+)% each", text):
        unnamed = [name for name in names if name not in read]
        assert len(unnamed) == int(rest[1])
        read |= dict.fromkeys(unnamed, float(rest[2]))
    assert read == {
        name: pytest.approx(100 * share, rel=5e-3)
        for name, share in zip(names, shares, strict=True)
        if share > 0
    }


def test_rows_of_tasks_say_weights_that_differ_and_other_utilities() -> None:
    world = load_world("hidden-safety")
    rows = dict(task_rows(world, map(world.task, world.task_names)))
    assert "utility: safe_refusal_balance 50%" in rows["safety"]
    assert "utility" not in rows["math"]
    alike = Task("mine", np.array([1.0, 0.0]), np.array([1.0, 0.0]), "ces:-2")
    two = world_from_effects([[0.1, 0.0], [0.0, 0.1]], ["a", "b"], tokens=1, start=0.4, ceiling=0.9)
    assert task_rows(two, [alike]) == [("mine", "a 100%; ces:-2")]


def test_weights_that_nobody_gave_are_said_to_be_ours() -> None:
    world = world_at(1000)
    assert "60%" in invented_tasks(world, world.task_names)
    assert invented_tasks(world, ["average"]) == ""
    listed = world.replace(tasks={"logic": {"requirement": {"logic": 1.0}}})
    assert invented_tasks(listed, listed.task_names) == ""
