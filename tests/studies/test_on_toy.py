"""A study's analysis on rows that no simulator made: a network trained by real gradient descent."""

from pathlib import Path

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout
from readsim.runs.read_logs import read_logs
from readsim.toy import ToyBackend
from studies.common.transfer import transfer_of
from studies.figure1.study import STUDY

SEEDS, BUDGETS = [0, 1], (1_000, 4_000)


def one_hot_runs(folder: Path) -> None:
    """A log of every capability and budget."""
    names = ToyBackend().capabilities
    for task in names:
        for budget in BUDGETS:
            envs = [
                DistillEnv(backend=ToyBackend(), task=task, budget=budget, steps=1) for _ in SEEDS
            ]
            config = {
                "world": "toy",
                "world_digest": "toy",
                "task": task,
                "budget": budget,
                "steps": 1,
                "allocator": "one-hot",
                "sources": names,
                "capabilities": names,
                "hidden": [],
                "requirement": envs[0].episode.task.requirement.tolist(),
                "seeds": SEEDS,
            }
            with RunLog.create(
                folder / "runs" / f"{task}.{budget}.jsonl", config=config, seeds=SEEDS
            ) as log:
                rollout(envs, load_allocator("one-hot"), SEEDS, log=log)


def test_figure_1_of_a_trained_network(tmp_path: Path) -> None:
    one_hot_runs(tmp_path)
    transfer = transfer_of(read_logs(tmp_path))
    backend = ToyBackend()
    target = transfer.names[0]
    start = backend.reset(0).profile
    shares = np.eye(len(backend.sources))[backend.sources.index(target)]
    end = backend.run_interval(0, shares, BUDGETS[0]).profile
    at = backend.capabilities.index(target)
    # the log has the test split, the backend shows the probe split
    assert transfer.change[0, 0, 0, 0] == pytest.approx(100 * (end[at] - start[at]), rel=0.2)
    findings = STUDY.findings({"toy": read_logs(tmp_path)})
    assert {case for _, case in findings.effects} == {"toy"}
    assert np.all(np.asarray(findings.effects["sharper-target", "toy"]) > 0)
    assert list(findings.figures) == ["transfer-toy"]
