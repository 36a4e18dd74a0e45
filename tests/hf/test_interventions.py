"""Interventions: short trainings that leave no trace, kept on disk, shared by identifier and pool."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small, stop_at_second

pytestmark = pytest.mark.extra(*NEEDS)


def started(**settings: Any) -> Any:
    backend = small(**settings)
    backend.reset(3)
    return backend


def test_they_leave_the_student_as_it_was_and_are_counted_exactly() -> None:
    """Parameters and optimiser are the same to the last bit; the cost is a kind of its own."""
    from readsim_hf.interventions import intervene
    from readsim_hf.training.student import checksum

    backend = started()
    before = checksum(backend.student.weights()), checksum(backend.student.moments())
    done = intervene(backend, TOKENS, 3, 3)
    assert (checksum(backend.student.weights()), checksum(backend.student.moments())) == before
    assert len(done.rows) == 4
    assert done.token_usage["offline"] == 3 * TOKENS
    assert "student" not in done.token_usage
    assert done.token_usage["probe"] > 0
    assert done.token_usage["teacher_prompt"] > 0
    change, dev = done.changes(backend.components.suite)
    assert change.shape == dev.shape == (3, 2)
    again = intervene(backend, TOKENS, 3, 3)
    assert all(a.plain() == b.plain() for a, b in zip(done.rows, again.rows, strict=True))


def test_what_is_on_disk_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed after one of them ends with the same ones; damaged files are named."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.interventions import intervene

    whole = intervene(started(), TOKENS, 3, 3)
    backend = started()
    backend.workbench = tmp_path / "bench"
    calls = stop_at_second(monkeypatch, HFBackend, "run_interval")
    with pytest.raises(KeyboardInterrupt):
        intervene(backend, TOKENS, 3, 3)
    (path,) = backend.workbench.iterdir()
    assert len(json.loads(path.read_text())["rows"]) == 2
    fresh = started()
    fresh.workbench = backend.workbench
    done = intervene(fresh, TOKENS, 3, 3)
    assert len(calls) == 4  # one before, the one that was cut, two more
    assert [r.plain() for r in done.rows] == [r.plain() for r in whole.rows]
    assert intervene(fresh, TOKENS, 3, 3).token_usage == whole.token_usage
    assert len(calls) == 4
    whole_text = path.read_text()
    odd: tuple[Any, ...] = (3, {}, "a")
    for damaged in (
        whole_text[:-20],
        whole_text.replace("0.", "1.", 1),  # one digit of a share or a score
        *(json.dumps({**json.loads(whole_text), "rows": [row]}) for row in odd),
    ):
        path.write_text(damaged)
        with pytest.raises(RunLogError, match=path.name):
            intervene(fresh, TOKENS, 3, 3)
    table = {k: v for k, v in json.loads(whole_text).items() if k != "sha256"}
    for field, value in (("weights", "odd"), ("charges", 3), ("probe", [1]), ("dev", {"a": "b"})):
        rows = [{**table["rows"][0], field: value}, *table["rows"][1:]]
        path.write_text(json.dumps({**table, "rows": rows}))  # without its digest
        with pytest.raises(RunLogError, match=path.name):
            intervene(fresh, TOKENS, 3, 3)
    path.write_text(whole_text[:-20])
    with pytest.raises(RunLogError, match=path.name):
        intervene(fresh, TOKENS, 3, 3)


def test_a_pool_row_has_its_training_as_parent() -> None:
    """Replicates differ from their parent by the items alone."""
    backend = started(pool_runs=3)
    env = DistillEnv(backend=backend, task={"general": 0.5, "math": 0.5}, steps=2)
    pool, token_usage = backend.transitions(env.episode, 30, 3)
    assert token_usage["offline"] == 3 * TOKENS
    assert pool.parent is not None
    assert np.array_equal(pool.parent, np.arange(30) % 3)
    for parent in range(3):
        rows = pool.allocation[pool.parent == parent]
        assert (rows == rows[0]).all()
    assert (pool.tokens == TOKENS).all()
    few, _ = backend.transitions(env.episode, 2, 3)
    assert np.array_equal(few.parent, [0, 1])


def test_whole_runs_as_a_pool_have_a_row_a_step_and_what_came_before_it(tmp_path: Path) -> None:
    """Each keeps its allocation; its first interval is the short training, to the last bit."""
    from readsim_hf.interventions import intervene

    whole = {"budget": 3 * TOKENS, "steps": 3}
    short = intervene(started(**whole), TOKENS, 2, 3)
    backend = started(pool_runs=2, pool_steps=3, **whole)
    backend.workbench = tmp_path
    env = DistillEnv(
        backend=backend, task={"general": 0.5, "math": 0.5}, budget=3 * TOKENS, steps=3
    )
    pool, usage = backend.transitions(env.episode, 15, 3)
    assert usage["offline"] == 2 * 3 * TOKENS
    assert pool.run is not None
    assert pool.run.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert pool.parent is not None
    assert pool.parent.tolist() == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3 + [0] * 3
    assert pool.budget_left == pytest.approx(np.tile([1.0, 2 / 3, 1 / 3], 5))
    assert pool.profile[1:3] == pytest.approx((pool.profile + pool.change)[0:2])
    _, trained = pool.since_start()
    assert trained[2] == pytest.approx(2 * TOKENS * pool.allocation[0])
    width = env.episode.width
    assert (pool.history[0] == 0).all()
    assert pool.history[2][: len(backend.sources)] == pytest.approx(pool.allocation[0])
    assert pool.history[2][width - 1] == pool.history[2][2 * width - 1] == 1.0
    suite = backend.components.suite
    for run in range(2):
        first = suite.profile_of(short.rows[run + 1].probe)
        assert (pool.profile + pool.change)[3 * run] == pytest.approx(first, abs=1e-12)
    asked = started(pool_runs=2, **whole)  # each a whole run, whatever pool_steps says
    asked.workbench = tmp_path
    wanted, used = asked.transitions(env.episode, 6, 3, persistent=True)
    assert used == usage
    assert np.array_equal(wanted.change, pool.change[:6])
    with pytest.raises(ConfigError, match=r"pool of 3 whole runs of .* give pool_runs = 3"):
        asked.transitions(env.episode, 9, 3, persistent=True)
    again = intervene(backend, TOKENS, 2, 3, 3)  # read from the workbench
    assert len(again.rows[1].earlier) == 2
    assert again.token_usage == usage


def test_identified_interventions_are_charged_once_to_every_run() -> None:
    from readsim.allocators.read.allocator import ReAD
    from readsim.allocators.static import TaskStatic
    from readsim.runs.loop import rollout
    from readsim_hf.interventions import intervene

    totals = {}
    for name, allocator in (("read", ReAD(pool=20)), ("static", TaskStatic())):
        backend = started(pool_runs=2)
        backend.identified = intervene(backend, TOKENS, 2, 3)
        env = DistillEnv(backend=backend, task={"general": 0.5, "math": 0.5}, steps=2)
        rows, _ = rollout([env], allocator, [3])
        totals[name] = rows[-1]["totals"]
        assert totals[name]["student"] == 2 * TOKENS
    assert totals["read"]["offline"] == totals["static"]["offline"] == 2 * TOKENS
    assert totals["read"]["probe"] == totals["static"]["probe"]


def test_a_clock_that_jumps_changes_nothing_but_the_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    from readsim_hf.interventions import intervene

    whole = intervene(started(), TOKENS, 1, 3)
    jumps = iter(np.random.default_rng(0).normal(scale=1e9, size=100_000).tolist())
    for name in ("time", "perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: next(jumps))
    done = intervene(started(), TOKENS, 1, 3)
    assert [r.plain() for r in done.rows] == [r.plain() for r in whole.rows]


@pytest.mark.slow
def test_a_mended_rule_learns_from_whole_runs_and_a_short_pool_does_not_blind_the_papers() -> None:
    from readsim.allocators.read.allocator import ReAD
    from readsim.runs.loop import rollout

    states: list[Any] = []
    for read, steps in ((ReAD("mended", pool=4), 2), (ReAD(pool=12), 1)):  # 4 are two whole runs
        env = DistillEnv(
            backend=small(pool_runs=2),
            task={"general": 0.5, "math": 0.5},
            steps=2,
        )
        rows, _ = rollout([env], read, [3], at_end=states.extend)
        assert rows[-1]["totals"]["offline"] == 2 * steps * TOKENS
    mended, plain = (state["ensemble"] for state in states)
    assert not mended["anew"]
    assert plain["anew"]
    assert plain["rows"] == 12 + 2
    budget = 2  # r (V) and the profile (V) come before it in the context
    assert (
        plain["x_scale"][2 * budget] > 0
    )  # what is left of the budget counts, since own rows came
