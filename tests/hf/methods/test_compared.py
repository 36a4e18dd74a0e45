"""Methods of distillation set beside each other: nothing but the method tells their runs apart."""

import pytest

from readsim.runs.comparing import unlike
from readsim.runs.rows import RunHeader
from tests.support.hf import NEEDS
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS)


def header(method: str, **settings: object) -> RunHeader:
    manifest = small(method=method, **settings).components.manifest
    return RunHeader(world="hf:nano", task="math", budget=60, manifest=dict(manifest))


@pytest.mark.parametrize(
    "method", ["gkd", "opd", "several-traces", "own-right", "kdrl", "dpo", "pkd"]
)
def test_a_method_is_compared_with_any_other(method: str) -> None:
    assert unlike(header("resp-sft"), header(method), one_task=True) == []


def test_a_recipe_is_not() -> None:
    other = header("gkd", training={"batch": 4, "learning_rate": 0.02})
    assert [d.name for d in unlike(header("resp-sft"), other, one_task=True)] == [
        "training.learning_rate"
    ]
