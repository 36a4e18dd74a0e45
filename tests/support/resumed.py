"""Whether a run that a second backend loads goes on as the first one does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHARES = np.array([0.5, 0.5])


def decision(backend: Any, step: int, tokens: int) -> dict[str, Any]:
    """One decision, and all that came of it: windows with their records, the account, what was asked, scores,
    weights and moments."""
    from readsim_hf.teachers.codec import record_to_tree

    train, windows = backend.student.train_window, list[Any]()

    def training(examples: Any, spent: float) -> Any:
        made = train(examples, spent)
        records = [{**record_to_tree(e.record), "tokens": e.tokens} for e in examples]
        windows.append({"records": records, **made._asdict()})
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend.student, "train_window", training)
        measured = backend.run_interval(step, SHARES, tokens)
    student = backend.student
    return {
        "windows": windows,
        "usage": measured.token_usage,
        "profile": measured.profile,
        "asked": str(backend.asked.counts),
        "drawn": backend.prompt_counts,
        "trained": backend.trained,
        "weights": {name: w.numpy().copy() for name, w in student.weights().items()},
        "moments": {name: m.numpy().copy() for name, m in student.moments().items()},
    }


def assert_resumes(one: Any, other: Any, folder: Path, tokens: int) -> None:
    """After the first decision `one` is saved; `other`, freshly built, loads that, and both take the second
    decision to the same bits."""
    one.save(folder)
    straight = decision(one, 1, tokens)
    other.load(folder)
    resumed = decision(other, 1, tokens)
    assert straight["windows"]
    for name, value in straight.items():
        np.testing.assert_equal(resumed[name], value, err_msg=name)
