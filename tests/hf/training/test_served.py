"""A student that is served: the same replies as it writes here, from weights that are renewed in time."""

import _thread
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, RunLogError, TrainingError
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_student_server import serving_student

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SHARES = np.array([0.5, 0.5])
GREEDY_GKD: dict[str, Any] = {"method": "", "signal": "cot", "objective": "rkl", "on_policy": 1.0}
GREEDY_GKD |= {"decoding": {"max_new_tokens": 8, "temperature": 0.0}}
METHODS: dict[str, dict[str, Any]] = {
    "rkl, greedy": GREEDY_GKD,
    "mopd": {"method": "mopd"},
    "dpo": {"method": "dpo"},
    "minillm": {"method": "minillm"},
    "peer-corrects": {"method": "peer-corrects"},
}


def by_server(url: str, folder: Path, every: int = 1, **settings: Any) -> Any:
    """A run in miniature whose student is served."""
    student = {"address": url, "folder": str(folder), "every": every}
    return small(**settings, student_server=student, server={"retries": 0})


def trained(backend: Any, intervals: int = 2) -> list[Any]:
    backend.reset(1)
    return [backend.run_interval(n, SHARES, TOKENS).token_usage for n in range(intervals)]


def weights(backend: Any) -> list[Any]:
    return [p.detach().numpy().copy() for p in backend.student.parameters]


def close(some: list[Any], others: list[Any]) -> None:
    for a, b in zip(some, others, strict=True):
        assert np.allclose(a, b, atol=2e-5)  # batches differ


@pytest.mark.parametrize("name", ["rkl, greedy", "mopd", "dpo", "minillm"])
def test_a_served_student_says_what_the_student_says(name: str, tmp_path: Path) -> None:
    """Token for token, at the same price, whatever the objective asks of its replies."""
    here = small(**METHODS[name])
    used = trained(here)
    with serving_student(char_pair()) as (fake, copy):
        backend = by_server(fake.url, tmp_path, **METHODS[name])
        assert trained(backend) == used
    assert used[0]["student_rollout"] > 0
    close(weights(backend), weights(here))
    assert copy.resets == len(copy.loaded) > 3
    assert [p.name for p in tmp_path.iterdir()] == [copy.loaded[-1].name]

