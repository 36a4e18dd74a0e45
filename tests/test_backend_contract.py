"""What every backend promises, whatever it trains: the simulator and real models alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import readsim
from readsim.allocators.registry import load_allocator
from readsim.backend import Backend, DurableBackend, Final
from readsim.checkpoint import load_tree, save_tree
from readsim.env import DistillEnv
from readsim.errors import ReadsimError
from readsim.ledger import KINDS
from readsim.rollout import Row, rollout
from readsim.runlog import RunLog, read_runlog
from readsim.simulator import SimBackend
from readsim.toy import ToyBackend
from readsim.worlds import load_world
from tests.helpers import go_on, same
from tests.hf import NEEDS, tiny_run

BUDGET = 300


def simulated() -> Backend:
    return SimBackend(load_world("random:seed=5,capabilities=8,dynamics=flow"))


BACKENDS = [
    pytest.param(simulated, id="simulated"),
    pytest.param(ToyBackend, id="toy"),
    pytest.param(tiny_run, id="hf", marks=pytest.mark.extra(*NEEDS)),
]
every = pytest.mark.parametrize("make", BACKENDS)
Make = Callable[[], Backend]


def plan(backend: Backend, steps: int = 2) -> list[Any]:
    rng = np.random.default_rng(4)
    return [rng.dirichlet(np.ones(len(backend.sources))) * 50 for _ in range(steps)]


@every
def test_shapes_names_and_charges(make: Make) -> None:
    backend = make()
    k, s = len(backend.capabilities), len(backend.sources)
    v = k - len(backend.hidden)
    assert len(set(backend.capabilities)) == k
    assert set(backend.hidden) <= set(backend.capabilities)
    assert backend.reset(3).shape == (v,)
    outcome = backend.run_interval(0, np.ones(s) / s, 50)
    assert outcome.profile.shape == backend.dev_eval().shape == (v,)
    assert outcome.charges["student"] == 50
    for used in (outcome.charges, backend.drain()):
        assert set(used) <= set(KINDS)
        assert all(type(n) is int and n >= 0 for n in used.values())
    assert not any(backend.drain().values())
    final = backend.final_eval()
    assert isinstance(final, Final)
    for part in final:
        assert part.shape == (k,)
        assert np.isfinite(part).all()
    assert (final.change_sd >= 0).all()


@every
def test_the_same_seed_and_calls_give_the_same_numbers(make: Make) -> None:
    one, other = make(), make()
    other.reset(9)
    other.run_interval(0, plan(other)[0] / 50, 20)
    assert same(one.reset(3), other.reset(3))
    assert same(go_on(one, plan(one)), go_on(other, plan(other)))


@every
def test_a_snapshot_goes_back_to_the_last_bit_and_shares_nothing(
    make: Make, tmp_path: Path
) -> None:
    backend = make()
    backend.reset(3)
    backend.run_interval(0, plan(backend)[0] / 50, 40)
    saved = backend.snapshot()
    save_tree(tmp_path / "run.npz", saved)
    expected = go_on(backend, plan(backend))
    assert same(saved, load_tree(tmp_path / "run.npz"))
    fresh = make()
    fresh.reset(8)
    for other in (backend, fresh):
        other.restore(load_tree(tmp_path / "run.npz"))
        assert same(expected, go_on(other, plan(other)))


@every
def test_a_durable_backend_comes_back_from_its_folder(make: Make, tmp_path: Path) -> None:
    backend = make()
    if not isinstance(backend, DurableBackend):
        pytest.skip("keeps its state in a tree")
    backend.reset(3)
    backend.run_interval(0, plan(backend)[0] / 50, 40)
    backend.save(tmp_path)
    expected = go_on(backend, plan(backend))
    other = make()
    assert isinstance(other, DurableBackend)
    other.load(tmp_path)
    assert same(expected, go_on(other, plan(other)))


@every
def test_the_environment_on_top_passes_gymnasiums_checker(make: Make) -> None:
    assert readsim.ENV_ID in gym.registry
    backend = make()
    task = dict.fromkeys(backend.capabilities, 1.0)
    made = gym.make(readsim.ENV_ID, backend=backend, task=task, budget=BUDGET, steps=3)
    check_env(made.unwrapped, skip_render_check=True)


@every
@pytest.mark.parametrize(
    "allocator", ["task-static", "greedy-last", "grid", "read", "doremi+guard=0.05", "skill-it"]
)
def test_allocators_of_the_simulator_run_unchanged(make: Make, allocator: str) -> None:
    more: dict[str, dict[str, int]] = {"read": {"pool": 12}, "grid": {"top": 2, "divisions": 2}}
    settings = more.get(allocator, {})
    backend = make()
    task = {backend.capabilities[0]: 0.7, backend.capabilities[1]: 0.3}
    env = DistillEnv(backend=backend, task=task, budget=BUDGET, steps=3)
    rows, _ = rollout([env], load_allocator(allocator, settings), [1])
    assert [row["kind"] for row in rows] == ["start", *["step"] * 3, "final"]
    totals = rows[-1]["totals"]
    assert totals["student"] == BUDGET
    assert (totals["search"] > 0) == (allocator in ("grid", "skill-it"))
    assert (totals["offline"] > 0) == (allocator == "read")


@every
def test_an_oracle_needs_a_world(make: Make) -> None:
    backend = make()
    env = DistillEnv(backend=backend, task={backend.capabilities[0]: 1.0}, budget=BUDGET, steps=3)
    if isinstance(backend, SimBackend):
        rollout([env], load_allocator("oracle-static"), [1])
        return
    with pytest.raises(ReadsimError, match="needs 'world'"):
        rollout([env], load_allocator("oracle-static"), [1])


class Interrupted(Exception):
    """Stands for a kill between two decisions."""


@every
def test_an_interrupted_run_ends_with_the_same_rows(make: Make, tmp_path: Path) -> None:
    def run(folder: Path, stop: int) -> list[Row]:
        backend = make()
        task = {backend.capabilities[0]: 0.7, backend.capabilities[1]: 0.3}
        env = DistillEnv(backend=backend, task=task, budget=BUDGET, steps=3)
        path, left = folder / "run.jsonl", stop
        again = path.exists()

        def count(n: int) -> None:
            nonlocal left
            left -= n
            if left == 0:
                raise Interrupted

        opened = (
            RunLog.open(path, config={}) if again else RunLog.create(path, config={}, seeds=[1])
        )
        with opened as log:
            rollout(
                [env],
                load_allocator("read", {"pool": 12}),
                [1],
                log=log,
                checkpoint=folder / "state",
                on_step=count,
            )
        return read_runlog(path)[1]

    expected = run(tmp_path / "whole", 99)
    for stop in (1, 2):
        folder = tmp_path / str(stop)
        with pytest.raises(Interrupted):
            run(folder, stop)
        assert run(folder, 99) == expected
