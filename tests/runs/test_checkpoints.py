"""Checkpoints in folders: the last two are kept, a damaged one gives way to the one before."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from readsim.allocators.base import Allocator
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import DurableBackend, Final, Measurement
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from readsim.runs.checkpoints import has_checkpoint, load_checkpoint, save_checkpoint
from readsim.runs.log_schema import read_content
from readsim.runs.loop import Row
from readsim.runs.setups import setup_for
from readsim.simulator import SimBackend
from readsim.tree_file import load_tree, save_tree
from readsim.worlds import load_world
from tests.support.helpers import FakeBackend
from tests.support.interrupted import Interrupted, run_in

WORLD = "random:seed=5,capabilities=4,dynamics=flow"


class Stored(SimBackend):
    """A simulator that writes its own state to a folder."""

    def save(self, folder: Path) -> None:
        save_tree(folder / "state.npz", self.snapshot())

    def load(self, folder: Path) -> None:
        self.restore(load_tree(folder / "state.npz"))


def run(folder: Path, backend: SimBackend, stop_after: int | None = None) -> list[Row]:
    """One run of greedy grid search, with its log and checkpoints in `folder`."""
    env = DistillEnv(backend=backend, task={"skill_0": 1.0}, budget=1000, steps=6)
    return run_in(folder, env, load_allocator("grid"), seed=3, stop=stop_after)


@pytest.mark.parametrize("backend", [SimBackend, Stored])
@pytest.mark.parametrize("damage", ["none", "run.npz", "all of it"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, backend: type[SimBackend], damage: str
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    world = load_world(WORLD)
    expected = run(whole, backend(world))
    with pytest.raises(Interrupted):
        run(broken, backend(world), stop_after=4)
    kept = sorted((broken / "state").iterdir())
    assert len(kept) == 2
    before = len(read_content(broken / "run.jsonl").rows)
    if damage == "run.npz":
        content = (kept[-1] / "run.npz").read_bytes()
        (kept[-1] / "run.npz").write_bytes(content[: len(content) // 2])
    elif damage == "all of it":
        for file in kept[-1].rglob("*"):
            if file.is_file():
                file.unlink()
    said = nullcontext() if damage == "none" else pytest.warns(UserWarning, match="is ignored")
    with said:
        rows = run(broken, backend(world))
    assert rows == expected
    cut = broken / "run.jsonl.cut"
    assert cut.exists() == (damage != "none")
    if cut.exists():
        assert before == 5  # start and four steps; the fourth was made again
        assert len(cut.read_bytes().splitlines()) == 1


def test_no_whole_checkpoint_is_said(tmp_path: Path) -> None:
    backend = SimBackend(load_world(WORLD))
    assert not has_checkpoint(tmp_path)
    with pytest.raises(RunLogError, match="no checkpoint"):
        load_checkpoint(tmp_path, [backend])
    save_checkpoint(tmp_path, 1, {"a": np.ones(2)}, [backend])
    (tmp_path / "000001" / "run.npz").write_bytes(b"PK")
    with pytest.raises(RunLogError, match="damaged"):
        load_checkpoint(tmp_path, [backend])


def test_a_backend_that_fails_while_saving_leaves_the_earlier_one(tmp_path: Path) -> None:
    class Full(Stored):
        def save(self, folder: Path) -> None:
            raise OSError(28, "No space left on device")

    world = load_world(WORLD)
    good = Stored(world)
    good.reset(0)
    save_checkpoint(tmp_path, 1, {"rows": 1}, [good])
    with pytest.raises(RunLogError, match="No space left"):
        save_checkpoint(tmp_path, 2, {"rows": 2}, [Full(world)])
    tree, problems = load_checkpoint(tmp_path, [good])
    assert tree == {"rows": 1}
    assert not problems


def test_which_backends_are_durable() -> None:
    world = load_world(WORLD)
    assert isinstance(Stored(world), DurableBackend)
    for plain in (SimBackend(world), FakeBackend()):
        assert not isinstance(plain, DurableBackend)


def test_a_backend_with_a_planned_budget_is_asked_for_no_other() -> None:
    class Planned(SimBackend):
        budget = 500

    backend = Planned(load_world(WORLD))
    assert DistillEnv(backend=backend, task={"skill_0": 1.0}).episode.budget == 500
    with pytest.raises(ConfigError, match="500 tokens"):
        DistillEnv(backend=backend, task={"skill_0": 1.0}, budget=400)


def test_measurements_are_charged() -> None:
    class Counting(SimBackend):
        def reset(self, seed: int | None) -> Measurement:
            return super().reset(seed)._replace(token_usage={"probe": 7})

        def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
            used = {"teacher_generated": 2, "student": tokens}
            return super().run_interval(step, weights, tokens)._replace(token_usage=used)

        def dev_eval(self) -> Measurement:
            return super().dev_eval()._replace(token_usage={"probe": 5})

        def final_eval(self) -> Final:
            return super().final_eval()._replace(token_usage={"probe": 11})

        def teacher_profile(self) -> Measurement:
            return super().teacher_profile()._replace(token_usage={"probe": 3})

        def alignment(self) -> tuple[Array, Mapping[str, int]]:
            return super().alignment()[0], {"identifier": 4}

    env = DistillEnv(
        backend=Counting(load_world(WORLD)), task={"skill_0": 1.0}, budget=100, steps=1
    )
    env.reset(seed=0)
    asking = Allocator()
    asking.needs = frozenset({"teacher", "alignment"})
    setup = setup_for(env, asking, 0)
    assert setup.teacher is not None
    assert setup.alignment is not None
    setup.teacher()
    setup.alignment()
    env.trial(np.eye(4)[0], 10, charge=False)
    env.dev_profile()
    env.step(np.ones(4))
    assert env.ledger.entries == [
        {"probe": 7},
        {"probe": 3},
        {"identifier": 4},
        {"search": 10, "teacher_generated": 2},
        {"probe": 10},
        {"probe": 5},
        {"teacher_generated": 2, "student": 100},
        {"probe": 11},
    ]
