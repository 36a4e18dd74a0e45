"""Going back to the best student on the real backend."""

from pathlib import Path

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.loop import Row, rollout
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)


def test_the_student_that_is_back_is_the_old_one_and_its_prompts_go_on() -> None:
    backend, shares = small(budget=240), np.array([0.5, 0.5])
    backend.reset(1)
    backend.run_interval(0, shares, TOKENS)
    saved, first = backend.snapshot(), dict(backend.prompt_counts["math"])
    scores = backend.last.profile
    backend.run_interval(1, shares, TOKENS)
    seen = dict(backend.prompt_counts["math"])
    backend.put_back(saved)
    for found, kept in (
        (backend.student.weights(), "weights"),
        (backend.student.moments(), "moments"),
    ):
        assert found.keys() == saved[kept].keys()
        assert all(np.array_equal(found[name].numpy(), saved[kept][name]) for name in found)
    assert np.array_equal(backend.measure("probe").profile, scores)
    assert seen["drawn"] > first["drawn"]
    assert dict(backend.prompt_counts["math"]) == seen
    assert backend._spent == 2 * TOKENS  # where the schedule of the learning rate is
    backend.run_interval(2, shares, TOKENS)
    fresh = {name: tensor.clone() for name, tensor in backend.student.weights().items()}
    backend.restore(saved)
    backend.run_interval(1, shares, TOKENS)
    again = backend.student.weights()
    assert any(not bool((again[name] == fresh[name]).all()) for name in fresh)


@pytest.mark.slow
def test_a_real_run_that_destroys_its_student_ends_with_the_best_one(tmp_path: Path) -> None:
    """The pair nano at a learning rate that is far too high: killed on the way, it ends the same."""
    from readsim_hf import make_backend

    def play(folder: Path, rule: str, stop: int = 99) -> tuple[list[Row], float]:
        folder.mkdir(exist_ok=True)
        backend = make_backend(
            budget=6_000,
            steps=4,
            probes={"probe": 16, "dev": 4, "test": 32, "max_new_tokens": 12},
            decoding={"max_new_tokens": 24, "batch_size": 64},
            training={"learning_rate": 0.03, "batch": 16},
            data={"group": 32},
        )
        env = DistillEnv(backend=backend, task="average", steps=4)
        path = folder / "run.jsonl"
        log = RunLog.open(path, config={}) if path.exists() else None
        count = iter(range(1, 99))

        def note(_: int) -> None:
            if next(count) == stop:
                raise KeyboardInterrupt

        with log or RunLog.create(path, config={}, seeds=[1]) as log:
            allocator = load_allocator(rule)
            rollout([env], allocator, [1], log=log, checkpoint=folder / "state", on_step=note)
        assert backend.measure("probe").profile == pytest.approx(env.profile)
        rows = read_content(path).rows
        return rows, float(rows[-1]["utility"])

    _, plain = play(tmp_path / "plain", "uniform")
    whole, back = play(tmp_path / "whole", "uniform+rollback=0")
    undone = [row["step"] for row in whole if "rolled_back" in row]
    seen = [float(np.mean(row["profile"])) for row in whole[:-1]]
    assert undone
    assert back > plain
    assert whole[-1]["totals"]["student"] == 6_000
    kept = max(range(len(seen)), key=seen.__getitem__)
    assert all(row.get("rolled_back", kept) <= kept for row in whole)
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path / "killed", "uniform+rollback=0", 2)
    assert play(tmp_path / "killed", "uniform+rollback=0")[0] == whole
