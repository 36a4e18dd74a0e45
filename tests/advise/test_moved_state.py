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
from tests.cli.test_app import call
from tests.support.hf import NEEDS, tiny_run
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


def test_the_run_command_keeps_a_state_and_starts_from_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    words = (
        "run",
        "--world",
        "random:seed=1",
        "--budget",
        "1M",
        "--steps",
        "9",
        "--allocator",
        "greedy-last",
    )
    assert call(capsys, *words, "--out", "one.jsonl", "--keep-state", "one.npz")[0] == 0
    assert call(capsys, *words, "--out", "two.jsonl", "--from", "one.npz")[0] == 0
    one, two = (read_log(Path(name)) for name in ("one.jsonl", "two.jsonl"))
    assert two.header.extra["began"] == read_state(Path("one.npz")).digest
    assert "began" not in one.header.extra
    np.testing.assert_array_equal(one.starts[0].profile, two.starts[0].profile)
    assert not np.array_equal(one.steps[0].allocation, two.steps[0].allocation)
    for more, said in (
        (("--from", "one.jsonl"), "has no one.state"),
        (("--from", "none.npz"), "none.npz is not a file"),
        (("--keep-state", "x.npz", "--seeds", "2"), "2 runs have a state each"),
        (
            ("--from", "one.npz", "--allocator", "uniform"),
            "its allocator is greedy-last, this run's is uniform",
        ),
        (("--from", "one.npz", "--world", "gateway"), "its sources is"),
    ):
        code, _, err = call(capsys, *words, "--out", "three.jsonl", *more)
        assert (code, said in err) == (2, True), err


@pytest.mark.slow
@pytest.mark.extra(*NEEDS)
def test_a_state_moves_between_the_adapter_and_the_watcher(tmp_path: Path) -> None:
    backend = tiny_run()
    env = make_env(backend=backend, task="average", budget=300, steps=3)
    kept = tmp_path / "real.npz"
    rollout(env, "aioli", 3, at_end=moving(None, kept, "aioli", env)["at_end"])
    names = {"sources": env.episode.sources, "capabilities": env.episode.visible}
    put(
        tmp_path,
        [
            {"tokens": 100 * n, "scores": dict.fromkeys(names["capabilities"], 0.3)}
            for n in range(11)
        ],
    )
    told = advice(
        tmp_path, allocator="aioli", began=read_state(kept), keep=tmp_path / "back.npz", **names
    )
    assert advise(told, once=True).over
    began = moving(read_state(tmp_path / "back.npz"), None, "aioli", env)["begin"]
    rows, _ = rollout(env, "aioli", 4, begin=began)
    assert rows[-1]["kind"] == "final"
