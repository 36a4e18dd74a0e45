"""What a task weighs, in words."""

import numpy as np
import pytest

from readsim.worlds.task import AnyTask, Task, resolve_task, task_name, task_words

NAMES = ("general", "steerability", "reasoning", "math", "code", "tool_use", "long_context", "more")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("math", "math: math 60%, the other 7 5.71% each"),
        ("average", "average: all 8 12.5% each"),
        ("math=0.7,code=0.3", "math=0.7,code=0.3: math 70%, code 30%"),
        (
            "math=.7,code=.4",
            "math=0.7,code=0.4: math 63.6%, code 36.4% (scaled: they sum to 1.1)",
        ),
        (
            {"code": 1, "math": 3},
            "math=3,code=1: math 75%, code 25% (scaled: they sum to 4)",
        ),
    ],
)
def test_the_weights_of_a_task_are_said(asked: AnyTask, told: str) -> None:
    task = resolve_task(asked, NAMES, ())
    assert task_words(asked, task, NAMES) == f"task {told}; utility is that weighted mean"


def test_two_capabilities_and_other_utilities() -> None:
    task = resolve_task("math", ("math", "code"), ())
    told = "task math: math 60%, code 40%; utility is that weighted mean"
    assert task_words("math", task, ("math", "code")) == told
    bottleneck = Task("weak", np.array([0.5, 0.5]), np.array([0.5, 0.5]), "ces:-2")
    assert task_words(bottleneck, bottleneck, ("a", "b")) == (
        "task weak: a 50%, b 50%; utility is ces:-2 with these weights"
    )


def test_weights_name_themselves_and_no_two_tasks_share_a_name() -> None:
    assert task_name("math") == "math"
    assert task_name({"code": 0.3, "math": 0.7}) == "math=0.7,code=0.3"
    assert task_name({"math": np.float64(0.7), "code": 0.3}) == "math=0.7,code=0.3"
    assert resolve_task("code=.3,math=.7", NAMES, ()).name == "math=0.7,code=0.3"
    third = [task_name({"math": 1 / 3, "code": w}) for w in (2 / 3, 0.6667)]
    assert third[0].startswith("code=0.667,math=0.333-")
    many = [task_name({name: 1.0 + n * more for n, name in enumerate(NAMES)}) for more in (1, 2)]
    assert many[0].startswith("more=8,long_context=7,tool_use=6,code=5+4-")
    odd = task_name({"a,b": 0.5, "c": 0.5})
    assert odd.startswith("a,b=0.5,c=0.5-")
    assert len({*third, *many}) == 4
