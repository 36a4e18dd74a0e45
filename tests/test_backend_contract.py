"""What every backend promises, whatever it trains: the simulator and real models alike."""

from collections.abc import Callable
from pathlib import Path

import pytest

from readsim.allocators.registry import load_allocator
from readsim.backend import Backend
from readsim.envs.env import DistillEnv
from readsim.errors import ReadsimError
from readsim.runs.loop import rollout
from readsim.simulator import SimBackend
from readsim.testing import check_backend
from readsim.toy import ToyBackend
from readsim.worlds import load_world
from tests.support.hf import NEEDS, tiny_run
from tests.support.interrupted import check_interrupted
from tests.support.sklearn_backend import SklearnBackend

BUDGET = 300


def simulated() -> Backend:
    return SimBackend(load_world("random:seed=5,capabilities=8,dynamics=flow"))


BACKENDS = [
    pytest.param(simulated, id="simulated"),
    pytest.param(ToyBackend, id="toy"),
    pytest.param(SklearnBackend, id="sklearn", marks=pytest.mark.extra("sklearn")),
    pytest.param(tiny_run, id="hf", marks=pytest.mark.extra(*NEEDS)),
]
every = pytest.mark.parametrize("make", BACKENDS)
Make = Callable[[], Backend]


@every
def test_what_every_backend_promises(make: Make) -> None:
    assert {o.status for o in check_backend(make)} <= {"passed", "skipped"}


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


@pytest.mark.extra("sklearn")
@pytest.mark.parametrize("name", ["read+pool=64", "task-static", "doremi"])
def test_a_foreign_backend_is_charged_for_what_it_used(name: str) -> None:
    """By hand: 64 rows are 22 runs of 3 steps of 100 tokens, without the last two steps."""
    env = DistillEnv(backend=SklearnBackend(), task="average", budget=BUDGET, steps=3)
    rows, _ = rollout([env], load_allocator(name), [1])
    probes = 3 * 50  # three visible groups; the fourth is hidden until the end
    used = {
        "student": BUDGET,
        "probe": (1 + 3 + 3) * probes + 2 * 4 * 100,  # start, steps, dev split, test split twice
    }
    if name == "read+pool=64":
        used |= {"offline": 64 * 100, "probe": used["probe"] + (22 + 64) * probes}
    elif name == "doremi":
        used["probe"] += probes  # the teacher's reference scores
    assert {kind: n for kind, n in rows[-1]["totals"].items() if n} == used


@every
def test_an_oracle_needs_a_world(make: Make) -> None:
    backend = make()
    env = DistillEnv(backend=backend, task={backend.capabilities[0]: 1.0}, budget=BUDGET, steps=3)
    if isinstance(backend, SimBackend):
        rollout([env], load_allocator("oracle-static"), [1])
        return
    with pytest.raises(ReadsimError, match="needs 'world'"):
        rollout([env], load_allocator("oracle-static"), [1])


@every
def test_an_interrupted_run_ends_with_the_same_rows(make: Make, tmp_path: Path) -> None:
    def env() -> DistillEnv:
        backend = make()
        task = {backend.capabilities[0]: 0.7, backend.capabilities[1]: 0.3}
        return DistillEnv(backend=backend, task=task, budget=BUDGET, steps=3)

    check_interrupted(
        tmp_path, env, lambda: load_allocator("read", {"pool": 12}), seed=1, stops=(1, 2)
    )
