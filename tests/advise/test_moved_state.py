"""What an allocator has learned moves between simulator and watcher."""

from pathlib import Path

import numpy as np
import pytest

from readsim import make_env
from readsim.advise import advise
from readsim.allocators.registry import load_allocator
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from readsim.runs.moved_state import moving, read_state
from readsim.runs.read_logs import read_log
from tests.support.watched import advice, losses, put


@pytest.mark.parametrize("name", ["aioli", "read+pool=40", "linucb"])
def test_a_state_moves_from_the_simulator_to_the_watcher_and_back(
    tmp_path: Path, name: str
) -> None:
    world = "random:seed=1"
    names = make_env(world).episode.sources
    env = make_env(world, budget="1M", steps=5)
    kept = tmp_path / "state.npz"
    rollout(env, name, 3, at_end=moving(None, kept, name, env)["at_end"])
    began = read_state(kept)
    put(
        tmp_path,
        [{"tokens": 100 * n, "scores": dict.fromkeys(names, 0.3 + 0.01 * n)} for n in range(11)],
    )
    told = advice(
        tmp_path, sources=names, capabilities=env.episode.visible, allocator=name, began=began,
        keep=tmp_path / "later.npz",
    )  # fmt: skip
    for row in range(3):  # stopped and continued, it starts from the state once
        assert advise(told, once=True).over, row
    fresh = advice(tmp_path, out=tmp_path / "fresh.jsonl", shares=tmp_path / "fresh.json", sources=names,
                   capabilities=env.episode.visible, allocator=name)  # fmt: skip
    if not load_allocator(name).needs:
        advise(fresh, once=True)
        pairs = [
            [r.allocation for r in read_log(tmp_path / f).steps]
            for f in ("run.jsonl", "fresh.jsonl")
        ]
        assert not np.array_equal(pairs[0], pairs[1])  # it knows something
    back = read_state(tmp_path / "later.npz")
    assert back.digest != began.digest
    again = make_env(world, budget="1M", steps=3)
    rows, _ = rollout(again, name, 4, begin=moving(back, None, name, again)["begin"])
    assert rows[-1]["kind"] == "final"


def test_a_state_of_an_unfinished_run_log_and_of_another_allocator(tmp_path: Path) -> None:
    put(tmp_path, losses(5))
    advise(advice(tmp_path), once=True)
    began = read_state(tmp_path / "run.jsonl")
    next_job = tmp_path / "next"
    next_job.mkdir()
    put(next_job, losses(4))
    advise(advice(next_job, began=began), once=True)
    assert read_log(next_job / "run.jsonl").header.extra["began"] == began.digest
    for changed, word in (
        ({"allocator": "uniform"}, "its allocator is exp3"),
        ({"sources": ("code", "math")}, "its sources"),
    ):
        with pytest.raises(ConfigError, match=word):
            advise(advice(next_job, began=began, out=next_job / "b.jsonl", **changed), once=True)
