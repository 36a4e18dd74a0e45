"""What a task weighs, in words."""

import numpy as np
import pytest

from readsim.worlds.task import AnyTask, Task, resolve_task, task_words

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
            "code=1,math=3: math 75%, code 25% (scaled: they sum to 4)",
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
