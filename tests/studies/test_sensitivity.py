"""The study of ReAD's settings against a recomputation, and what it must refuse."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs
from studies.sensitivity.study import ASKED, STUDY
from studies.sensitivity.sweep import SETTINGS
from tests.support.made_logs import final_row, write_log

SEEDS, TASKS = (0, 1, 2, 3), ("math", "code")
Values = dict[tuple[str, int, str], list[float]]


def logs_of(folder: Path, runs: tuple[tuple[str, int], ...]) -> tuple[list[Log], Values]:
    """Logs of (allocator, steps), a folder a number of steps, as in the store."""
    rng = np.random.default_rng(4)
    values: Values = {}
    for allocator, steps in runs:
        for task in TASKS:
            drawn = values[allocator, steps, task] = rng.random(len(SEEDS)).tolist()
            rows = [final_row(s, u, [0.5] * 3) for s, u in zip(SEEDS, drawn, strict=True)]
            about = {"allocator": allocator, "task": task, "budget": 30, "seeds": list(SEEDS)}
            write_log(folder / str(steps), rows, steps=steps, **about)
    return [log for sub in sorted(folder.iterdir()) for log in read_logs(sub)], values


def test_differences_by_hand(tmp_path: Path) -> None:
    runs = (("read", 20), ("read+kappa=0", 20), ("read+pool=0", 20), ("read", 5), ("uniform", 20))
    logs, values = logs_of(tmp_path, runs)
    findings = STUDY.findings({"made": logs})

    def minus_default(allocator: str, steps: int) -> Array:
        each = [np.subtract(values[allocator, steps, t], values["read", 20, t]) for t in TASKS]
        out: Array = 100.0 * np.mean(each, axis=0)
        return out

    wanted = {
        "exploration": -minus_default("read+kappa=0", 20),
        "pool": -minus_default("read+pool=0", 20),
        "steps": -minus_default("read", 5),
    }
    assert {claim for claim, _ in findings.effects} == set(wanted)
    for claim, numbers in wanted.items():
        np.testing.assert_allclose(np.asarray(findings.effects[claim, "made"]), numbers)
    table = findings.tables["settings"][1].set_index("setting")
    p = [ttest_1samp(-wanted[c], 0.0).pvalue for c in ("exploration", "pool", "steps")]
    q = table.loc[["kappa=0", "pool=0", "T=5"], "q"].to_numpy()
    np.testing.assert_allclose(q, false_discovery_control(p))


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    logs, _ = logs_of(tmp_path, (("read", 20), ("read+kappa=0", 20), ("uniform", 20)))
    read = [log for log in logs if log.header.allocator == "read"]
    changed = [log for log in logs if log.header.allocator == "read+kappa=0"]
    for some, message in (
        (read, "as well as `read`"),
        (changed, "with its defaults at 20 steps"),
        ([log for log in logs if log.header.allocator == "uniform"], "uniform"),
        ([*read, changed[0]], "no run of .*kappa=0"),
        ([*read, read[0], *changed], "two runs"),
    ):
        with pytest.raises(RunLogError, match=message):
            STUDY.findings({"made": some})


def test_every_setting_changes_something() -> None:
    default = load_allocator("read").settings()
    for setting in SETTINGS:
        assert load_allocator(f"read+{setting}").settings() != default


def test_expectations_are_about_cases_and_settings_that_are_run(tmp_path: Path) -> None:
    cases = STUDY.cases(range(2), tmp_path)
    assert set(ASKED) == {claim.id for claim in STUDY.claims}
    names = {case.name for case in cases}
    assert {name for claim in STUDY.claims for name in (*claim.holds, *claim.fails)} == names
    for claim in STUDY.claims:
        setting = ASKED[claim.id][0]
        for case in cases:
            labels = {f"T={c.steps}" for c in case.cells}
            labels |= {c.allocator_name.partition("+")[2] for c in case.cells}
            if claim.expected(case.name):
                assert setting in labels
