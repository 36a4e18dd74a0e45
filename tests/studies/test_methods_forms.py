"""One run of a method serves every form of the probes: training does not see which of them is asked."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.hf import NEEDS

pytestmark = [pytest.mark.slow, pytest.mark.extra(*NEEDS)]


@pytest.mark.parametrize("method", ["cot-sft", "merge"])
def test_a_finished_student_asked_again_scores_as_its_log_says(tmp_path: Path, method: str) -> None:
    from studies.methods.forms import ends_in, logged_ends
    from studies.methods.runs import Plan, run_method

    plan = Plan("nano", ("answer",), 1600, 2, 2)
    logs = run_method(plan, method, 0, tmp_path)
    other = plan._replace(forms=("rationale", "answer"))
    for _ in range(2):  # measured, and read again
        found = ends_in(other, "answer", 0, logs)
        assert np.array_equal(found.start, logged_ends(logs).start)
        assert np.array_equal(found.end, logged_ends(logs).end)


def test_training_does_not_see_the_form(tmp_path: Path) -> None:
    from studies.methods.forms import logged_ends
    from studies.methods.runs import Plan, run_method

    logs = [
        run_method(Plan("nano", (form,), 800, 2, 4), "opd", 0, tmp_path / form)
        for form in ("answer", "rationale")
    ]
    weights = [log[-1].with_suffix(".student") / "model.safetensors" for log in logs]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    one, other = (logged_ends(log).end for log in logs)
    assert not np.array_equal(one, other)
