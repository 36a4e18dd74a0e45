"""What a teacher did in a run does not depend on how many processes ran it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)

HALF = np.array([0.5, 0.5])


def started() -> Any:
    """A run whose teacher has been asked before, and of whose replies a third is rejected."""
    from readsim_hf.check.answers import first_prompts

    backend = small()
    teacher = backend.components.teacher
    teacher._judge = replace(teacher._judge, format_ok=lambda prompt, answer: len(answer) % 3 > 0)
    prompts = first_prompts(backend.components, 5, 4)
    teacher.ask([p for some in prompts.values() for p in some])
    backend.reset(1)
    return backend


def own(backend: Any) -> dict[str, int]:
    """What does not depend on a cache."""
    from readsim_hf.teachers.base import PAID

    return {k: n for k, n in vars(backend.asked.counts).items() if k not in PAID}


def test_a_resumed_run_has_the_counts_of_a_whole_one(tmp_path: Path) -> None:
    whole, killed, resumed = started(), started(), started()
    assert not any(own(whole).values())
    assert whole.asked.counts.generated > 0, "what was asked before is paid for"
    for step in range(2):
        whole.run_interval(step, HALF, TOKENS)
    killed.run_interval(0, HALF, TOKENS)
    killed.save(tmp_path)
    at_checkpoint = dict(killed.seconds)
    killed.run_interval(1, HALF, TOKENS)  # lost
    resumed.load(tmp_path)
    assert resumed.seconds == at_checkpoint
    resumed.run_interval(1, HALF, TOKENS)
    assert own(resumed) == own(whole)
    assert own(whole)["rejected"] > 0
    assert resumed.asked.rejections.table() == whole.asked.rejections.table()
    reasons = whole.asked.rejections.by_reason()
    assert sum(reasons.values()) == own(whole)["rejected"]


def test_an_undone_trial_was_asked_and_a_new_run_starts_at_0() -> None:
    from readsim.backend import undone

    backend = started()
    with undone(backend):
        backend.run_interval(0, HALF, TOKENS)
    assert own(backend)["prompts"] > 0
    backend.reset(2)
    assert not any(own(backend).values())
    assert not backend.asked.rejections.counts
