"""The study of misalignment against a recomputation, and what it must refuse."""

from pathlib import Path

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs
from readsim.worlds import load_world
from studies.misalignment.losses import honest_world
from studies.misalignment.study import STUDY
from studies.misalignment.sweep import biased, bottleneck
from tests.support.made_logs import final_row, write_log

SEEDS, TASKS = (0, 1, 2), ("math", "code")
Values = dict[tuple[str, str, str], list[float]]  # utilities by allocator, way and task


def logs_of(folder: Path, ways: tuple[str, ...]) -> tuple[list[Log], Values]:
    """A folder per way, as in the store; `biased` is another world."""
    rng = np.random.default_rng(2)
    logs: list[Log] = []
    values: Values = {}
    for way in ways:
        for allocator in ("read", "task-static"):
            for task in TASKS:
                drawn = values[allocator, way, task] = rng.random(len(SEEDS)).tolist()
                rows = [final_row(s, u, [0.5] * 3) for s, u in zip(SEEDS, drawn, strict=True)]
                about = {"allocator": allocator, "task": task, "budget": 30, "seeds": list(SEEDS)}
                if way == "biased":
                    about["world"] = "made-bias-1"
                elif way != "true":
                    about["told"] = way
                write_log(folder / way.replace(":", "-"), rows, **about)
        logs += read_logs(folder / way.replace(":", "-"))
    return logs, values


def lost(values: Values, allocator: str, way: str) -> Array:
    losses = [np.subtract(values[allocator, "true", t], values[allocator, way, t]) for t in TASKS]
    out: Array = 100.0 * np.mean(losses, axis=0)
    return out


def test_losses_by_hand(tmp_path: Path) -> None:
    logs, values = logs_of(
        tmp_path, ("true", "stale", "noisy:50", "noisy:2", "uniform", "permuted")
    )
    effects = STUDY.findings({"made": logs[::-1]}).effects
    wanted = {
        "permuted-read": lost(values, "read", "permuted"),
        "permuted-static": lost(values, "task-static", "permuted"),
        "uniform-costs": lost(values, "read", "uniform"),
        "stale-costs": lost(values, "read", "stale"),
        "noise-costs": lost(values, "read", "noisy:2") - lost(values, "read", "noisy:50"),
    }
    wanted["more-for-read"] = wanted["permuted-read"] - wanted["permuted-static"]
    assert {claim for claim, _ in effects} == set(wanted)
    for claim, numbers in wanted.items():
        np.testing.assert_allclose(np.asarray(effects[claim, "made"]), numbers)


def test_biased_probes_by_hand(tmp_path: Path) -> None:
    logs, values = logs_of(tmp_path, ("true", "biased"))
    effects = STUDY.findings({"made": logs}).effects
    np.testing.assert_allclose(
        np.asarray(effects["bias-costs", "made"]), lost(values, "read", "biased")
    )
    static = lost(values, "task-static", "biased")
    np.testing.assert_allclose(np.asarray(effects["bias-costs-static", "made"]), static)


def test_what_is_not_a_pair_is_refused(tmp_path: Path) -> None:
    logs, _ = logs_of(tmp_path / "a", ("true", "permuted"))
    with pytest.raises(RunLogError, match="with another"):
        STUDY.findings({"made": logs[:4]})
    with pytest.raises(RunLogError, match=r"read, permuted: no pair of .*'math'"):
        STUDY.findings({"made": [log for log in logs if log.path != logs[5].path]})
    with pytest.raises(RunLogError, match="two runs of"):
        STUDY.findings({"made": [*logs, logs[0]]})
    other = logs[0].with_header(world="elsewhere")
    with pytest.raises(RunLogError, match="elsewhere"):
        honest_world([*logs, other])


def test_made_worlds() -> None:
    honest, like = load_world("read8-llama"), load_world("biased-probe")
    same = biased(honest, like, 1.0)
    np.testing.assert_allclose(same.probe_slope, like.probe_slope)
    np.testing.assert_allclose(same.probe_bias, like.probe_bias)
    half = biased(honest, like, 0.5)
    np.testing.assert_allclose(half.probe_slope, (1.0 + like.probe_slope) / 2.0)
    narrow = bottleneck(honest)
    assert [narrow.task(name).kind for name in narrow.task_names] == ["ces:-2", "ces:-2"]
