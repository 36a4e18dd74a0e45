"""Going back to the best student: when, to which, and what goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Allocator
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.rollback import BestStudent, Rollback
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.runs.log_schema import read_content
from readsim.runs.logs_for_fit import fit_table
from readsim.runs.loop import Row, rollout
from readsim.runs.read_logs import read_log
from readsim.simulator import SimBackend
from readsim.toy.backend import ToyBackend
from readsim.worlds import World, load_world
from readsim.worlds.task import Task
from tests.support.strategies import BUDGET, few, worlds

HALVES = np.array([0.5, 0.5])


def exact(world: World) -> World:
    """Probes show the truth."""
    nothing = np.zeros(len(world.capabilities))
    return world.replace(items=nothing, probe_bias=nothing, probe_slope=nothing + 1.0)


def played(world: World, allocator: str, seed: int = 0, **options: Any) -> list[Row]:
    return rollout([DistillEnv(world, **options)], allocator, [seed])[0]


def steps_of(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["kind"] == "step"]


def falling(allocator: str, seeds: tuple[int, ...]) -> Cell:
    """Runs long enough that something is overtrained."""
    task = load_world("overtraining").task_names[0]
    return Cell("overtraining", task, 150_000_000, 20, allocator, seeds)


class Counted(ToyBackend):
    """Tells which student was put back: `now` is the one that there is."""

    def __init__(self, items: float) -> None:
        super().__init__()
        self.items, self.now, self.back = items, 0, list[int]()

    def probe_items(self) -> Array:
        return np.full(2, self.items)

    def snapshot(self) -> dict[str, Any]:
        return {"student": self.now}

    def put_back(self, saved: dict[str, Any]) -> None:
        self.back.append(saved["student"])


# ------------------------------------------------------------------------------------- when, to which


def test_a_fall_counts_by_its_standard_error_worked_by_hand() -> None:
    # utility .5 p0 + .5 p1; both fall from .5 to .4 with 100 items each: sd .0700 each, .0495 of the mean
    for errors, falls in ((2.0, True), (2.1, False)):
        backend = Counted(100.0)
        rule = Rollback(backend, "linear", errors, BestStudent(0, HALVES, {"student": 0}))
        backend.now = 1
        assert (rule.after(1, HALVES - 0.1, HALVES) is not None) is falls
        assert backend.back == ([0] if falls else [])
        assert rule.kept.step == 0


def test_the_best_student_is_kept_not_the_newest() -> None:
    backend = Counted(100.0)
    rule = Rollback(backend, "linear", 2.0, BestStudent(0, HALVES, {"student": 0}))
    for step, gain in enumerate((0.1, 0.05, 0.02), 1):  # sinking too slowly for a step to be seen
        backend.now = step
        assert rule.after(step, HALVES + gain, HALVES) is None
    assert rule.kept.step == 1
    back = rule.after(4, HALVES - 0.05, HALVES)
    assert back is not None
    assert back.step == 1
    assert backend.back == [1]


def test_exact_probes_see_every_fall() -> None:
    backend = Counted(0.0)
    rule = Rollback(backend, "linear", 9.0, BestStudent(0, HALVES, {"student": 0}))
    assert rule.after(1, HALVES.copy(), HALVES) is None
    assert rule.after(2, HALVES - 1e-6, HALVES) is not None


@few
@given(
    worlds(),
    st.sampled_from(["one-hot", "random", "task-static", "target-last"]),
    st.integers(0, 9),
)
def test_without_noise_a_run_ends_at_the_best_that_it_measured(
    world: World, allocator: str, seed: int
) -> None:
    world = exact(world)
    capability = world.visible[0]
    options = {"task": capability, "budget": int(BUDGET), "steps": 6}
    task = world.task(capability)
    rows = played(world, f"{allocator}+rollback=0", seed, **options)
    shown = [j for j, name in enumerate(world.capabilities) if name in world.visible]
    seen = [float(row["profile"] @ task.requirement) for row in rows[:-1]]
    assert float(rows[-1]["final_profile"][shown] @ task.requirement) == pytest.approx(max(seen))
    for row in steps_of(rows):
        best = max(seen[: row["step"]])
        assert ("rolled_back" in row) == (seen[row["step"]] < best - 1e-12)
        if "rolled_back" in row:
            assert seen[row["rolled_back"]] == best
    assert rows[-1]["totals"]["student"] == int(BUDGET)  # what was undone is paid all the same


@pytest.mark.parametrize("name", ["overtraining", "gateway", "artifact-toy", "read8-llama"])
def test_without_noise_no_run_loses_where_its_allocator_learns_nothing(name: str) -> None:
    world = exact(load_world(name))
    for allocator in ("one-hot", "task-static", "uniform"):
        plain = played(world, allocator, budget="60M")[-1]["utility"]
        assert played(world, f"{allocator}+rollback=0", budget="60M")[-1]["utility"] >= plain - 1e-9


def test_overtraining_is_undone() -> None:
    """A world that it must win, and one in which nothing falls, where it changes nothing."""
    world = exact(load_world("overtraining"))
    plain, back = (
        played(world, f"one-hot{more}", budget="150M")[-1]["utility"]
        for more in ("", "+rollback=0")
    )
    assert back > plain + 0.05
    friendly = exact(load_world("ideal"))
    for row, same in zip(
        played(friendly, "uniform"), played(friendly, "uniform+rollback=0"), strict=True
    ):
        assert row.keys() == same.keys()
        assert all(np.array_equal(row[key], same[key]) for key in row)


# ------------------------------------------------------------------------------------- what goes on


class Watches(Allocator):
    """Uniform shares; remembers what it saw."""

    rollback = 0.0

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def select(self, state: Any, context: Any) -> Array:
        self.seen.append(context.profile)
        return np.ones(len(context.setup.sources))


def test_the_next_decision_sees_the_student_that_is_back() -> None:
    allocator = Watches()
    world = load_world("read8-llama")
    rows = rollout([DistillEnv(world, budget="150M")], allocator, [0])[0]
    measured = [row["profile"] for row in rows[:-1]]
    undone = [row for row in steps_of(rows) if "rolled_back" in row]
    assert len(undone) > 3
    for row in undone:
        if row["step"] < len(allocator.seen):
            assert np.array_equal(allocator.seen[row["step"]], measured[row["rolled_back"]])
    for row in steps_of(rows):  # changes are since what was there
        before = allocator.seen[row["step"] - 1]
        assert row["change"] == pytest.approx(row["profile"] - before)


def test_noise_goes_on_so_no_luck_comes_twice() -> None:
    rows = played(load_world("read8-llama"), "uniform+rollback=0", budget="150M")
    after = [row["profile"].tobytes() for row in steps_of(rows)]
    assert len(set(after)) == len(after)


def test_the_learning_rate_and_the_drift_go_on() -> None:
    for name in ("real-run", "drift"):
        world = load_world(name)
        backend = SimBackend(world, 10_000_000)
        backend.reset(0)
        weights = np.ones(len(world.sources)) / len(world.sources)
        backend.run_interval(0, weights, 1_000_000)
        saved, profile = backend.snapshot(), backend.true_profile()
        backend.run_interval(1, weights, 3_000_000)
        backend.put_back(saved)
        assert np.array_equal(backend.true_profile(), profile)
        state = backend.snapshot()["state"]
        trained = state[0] if name == "real-run" else state[3]
        assert trained.item() == pytest.approx(4_000_000)


def test_a_killed_run_resumes_with_what_it_kept(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(decisions: int) -> None:
        counted.append(decisions)
        if len(counted) == 13:
            raise Stop

    cell = falling("one-hot+rollback=1", (0, 1))
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    run_cell(cell, whole, durable=True, resume=False)
    counted: list[int] = []
    with pytest.raises(Stop):
        run_cell(cell, broken, durable=True, resume=False, on_step=stop)
    assert any("rolled_back" in row for row in read_content(broken).rows)
    run_cell(cell, broken, durable=True, resume=True)
    assert read_content(broken).rows == read_content(whole).rows


def test_the_log_is_read_back_and_fitted_without_what_was_undone(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_cell(falling("random+rollback=0", (0,)), path, durable=False, resume=False)
    rows = steps_of(read_content(path).rows)
    undone = {row["step"]: row["rolled_back"] for row in rows if "rolled_back" in row}
    assert undone
    read = {row.step: row.rolled_back for row in read_log(path).steps}
    assert {step: back for step, back in read.items() if back is not None} == undone
    runs = fit_table(path)
    assert len(runs.tokens) == len({tuple(tokens) for tokens in runs.tokens.tolist()})
    assert len(runs.tokens) <= 1 + len(rows) - len(undone) + 1
    held = [np.zeros(runs.tokens.shape[1])]
    for row in rows:
        held.append(held[-1] + row["tokens"] * np.array(row["allocation"]))
        if row["step"] in undone:
            held[-1] = held[undone[row["step"]]]
    assert runs.tokens[-1] == pytest.approx(held[-1])


# ------------------------------------------------------------------------------------- what is refused


def test_backends_that_cannot_go_back_are_refused_before_the_run() -> None:
    env = DistillEnv(backend=ToyBackend(), task="average", budget=100, steps=2)
    with pytest.raises(CapabilityMissingError, match="ToyBackend has no `put_back"):
        rollout([env], load_allocator("uniform+rollback=2"), [0])


def test_backends_that_do_not_tell_their_items_are_refused() -> None:
    class Silent(ToyBackend):
        def put_back(self, saved: dict[str, Any]) -> None:
            raise NotImplementedError

    env = DistillEnv(backend=Silent(), task="average", budget=100, steps=2)
    with pytest.raises(CapabilityMissingError, match="how many items its probes ask"):
        rollout([env], load_allocator("uniform+rollback=2"), [0])


@pytest.mark.parametrize("value", ["-1", "nan", "word", "true"])
def test_odd_values_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"rollback = .*expected a number >= 0"):
        load_allocator(f"uniform+rollback={value}")


def test_the_smaller_of_two_thresholds_holds() -> None:
    allocator = load_allocator("uniform+rollback=2+floor=0.01")
    assert allocator.rollback == 2.0
    assert load_allocator("uniform+floor=0.01").rollback == np.inf
    assert ("rollback", "2", "set by the user") in allocator.settings()


def test_what_an_allocator_is_told_is_what_its_utility_is_weighed_by() -> None:
    """A task whose weights are not what it requires: the requirement decides."""
    world = exact(load_world("read8-llama"))
    visible = len(world.visible)
    first, last = np.eye(visible)[0], np.eye(len(world.capabilities))[-1]
    rows = played(world, "one-hot+rollback=0", task=Task("odd", first, last), budget="150M")
    seen = [row["profile"][0] for row in rows[:-1]]
    assert rows[-1]["final_profile"][0] == pytest.approx(max(seen))
