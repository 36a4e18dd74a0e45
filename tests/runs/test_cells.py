"""Cells of objects: worlds in memory, allocator instances, tasks that are tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.bandits.exp3 import Exp3
from readsim.allocators.base import Allocator, Context, State
from readsim.allocators.modifiers import Modified, ModifierConfig
from readsim.allocators.read.allocator import ReAD
from readsim.allocators.registry import load_allocator
from readsim.allocators.static import Uniform
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from readsim.runs.cell import Cell, file_name
from readsim.runs.grid import make_cells, run_cell, run_cells
from readsim.runs.identity import allocator_name, settings_of
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.runs.one import run_one
from readsim.worlds import World, load_world
from readsim.worlds.task import Task

NAME = "random:seed=5,capabilities=4"


@dataclass
class Fixed(Allocator):
    """Shares that are given."""

    shares: tuple[float, ...]

    def select(self, state: State, context: Context) -> Array:
        return np.array(self.shares)


class Leaning(Allocator):
    """No settings() of its own."""

    def __init__(self, source: int = 0) -> None:
        self.source = source

    def select(self, state: State, context: Context) -> Array:
        shares = np.full(4, 0.1)
        shares[self.source] = 0.7
        return shares


def world() -> World:
    return load_world(NAME).replace(start=np.array([0.1, 0.2, 0.3, 0.35]), name="mine")


def grid(**changes: Any) -> list[Cell]:
    settings: dict[str, Any] = {
        "tasks": ["skill_0", {"skill_1": 2.0, "skill_3": 1.0}],
        "budgets": [1_000_000],
        "steps": 3,
        "allocators": [Leaning(2), "uniform", ReAD(pool=32)],
        "seeds": [0, 4],
    }
    return make_cells(world(), **{**settings, **changes})


def rows(folder: Path) -> dict[str, Any]:
    return {path.name: read_content(path)[:2] for path in sorted((folder / "runs").iterdir())}


def test_objects_give_the_same_rows_whatever_the_jobs(tmp_path: Path) -> None:
    class Local(Leaning):
        """One that no import finds: workers get it by value."""

    everything = [Leaning(2), Local(1), "uniform", ReAD(pool=32)]
    for jobs in (1, 2):
        run_cells(grid(allocators=everything), tmp_path / str(jobs), jobs=jobs)
    one, two = rows(tmp_path / "1"), rows(tmp_path / "2")
    assert len(one) == 8
    assert {name: (h["config"], r) for name, (h, r) in one.items()} == {
        name: (h["config"], r) for name, (h, r) in two.items()
    }


def test_the_rows_are_those_of_a_rollout(tmp_path: Path) -> None:
    run_cells(grid(), tmp_path)
    table = {"skill_1": 2.0, "skill_3": 1.0}
    envs = [DistillEnv(world(), table, 1_000_000, steps=3) for _ in (0, 4)]
    expected, _ = rollout(envs, Leaning(2), [0, 4])
    [name] = [n for n in rows(tmp_path) if n.startswith("Leaning-source-2.skill_1-2-skill_3-1")]
    header, found = rows(tmp_path)[name]
    run_cell(Cell(world(), table, 1_000_000, 3, Leaning(2), (0, 4)), tmp_path / "x.jsonl")
    assert found == read_content(tmp_path / "x.jsonl").rows
    assert [row["utility"] for row in found[-2:]] == [row["utility"] for row in expected[-2:]]
    config = header["config"]
    assert config["world"] == "mine"
    assert config["allocator"] == "Leaning+source=2"
    assert config["settings"] == {"class": "Leaning", "source": 2}
    assert config["requirement"] == pytest.approx([0, 2 / 3, 0, 1 / 3])


def test_a_named_world_and_the_world_itself_are_one(tmp_path: Path) -> None:
    for given, where in ((NAME, "text"), (load_world(NAME), "object")):
        cells = make_cells(given, tasks=["skill_0"], budgets=[10**6], allocators=["random"])
        run_cells(cells, tmp_path / where)
    heads = [
        {n: (h["config"], r) for n, (h, r) in rows(tmp_path / w).items()}
        for w in ("text", "object")
    ]
    assert heads[0] == heads[1]


def test_what_instances_are_called() -> None:
    assert allocator_name(Uniform()) == "Uniform"
    assert allocator_name(ReAD(pool=32)) == "ReAD+pool=32"
    assert allocator_name(Leaning(3)) == "Leaning+source=3"
    assert allocator_name(Fixed((0.1, 0.2, 0.3, 0.4))) == "Fixed"
    assert allocator_name(Modified(Uniform(), ModifierConfig(floor=0.05))) == "Uniform+floor=0.05"
    assert allocator_name(Exp3()) == "Exp3"
    assert settings_of(Fixed((0.5, 0.5)))["shares"] == [0.5, 0.5]
    assert settings_of(load_allocator("uniform+floor=0.05"))["floor"] == "0.05"


def test_instances_that_would_share_a_log_are_refused_until_they_have_names(tmp_path: Path) -> None:
    first, second = Fixed((1, 0, 0, 0)), Fixed((0, 1, 0, 0))
    with pytest.raises(ConfigError, match="each may appear once"):
        grid(allocators=[first, second])
    with pytest.raises(ConfigError, match="share one run log"):
        run_cells([*grid(allocators=[first]), *grid(allocators=[second])], tmp_path)
    cells = grid(allocators={"first": first, "second": second, "even": "uniform"})
    run_cells(cells, tmp_path)
    names = {header["config"]["allocator"] for header, _ in rows(tmp_path).values()}
    assert names == {"first", "second", "even"}


def test_a_log_of_another_instance_is_not_taken_for_this_one_s(tmp_path: Path) -> None:
    run_cells(grid(allocators={"it": Leaning(1)}), tmp_path)
    with pytest.raises(RunLogError, match=r"settings.source is 1 in the log, 2 now"):
        run_cells(grid(allocators={"it": Leaning(2)}), tmp_path)


def test_a_task_of_the_same_name_with_other_weights_is_another_run(tmp_path: Path) -> None:
    for weights in ([1.0, 0, 0, 0], [0, 1.0, 0, 0]):
        task = Task("own", np.full(4, 0.25), np.array(weights), "linear")
        cells = grid(tasks=[task], allocators=["uniform"])
        if weights[0]:
            run_cells(cells, tmp_path)
            continue
        with pytest.raises(RunLogError, match="weights"):
            run_cells(cells, tmp_path)


def test_file_names_are_those_of_before() -> None:
    """What older folders hold is found again."""
    assert file_name("read", "math", 20_000_000) == "read.math.20000000.jsonl"
    assert file_name("read", "math", 5, "seed3") == "read.math.5.seed3.jsonl"
    assert file_name("a:B", "math", 5) == "a-B.math.5-f878fb29.jsonl"


@pytest.mark.parametrize("durable", [True, False])
def test_no_environment_is_made_for_a_run_that_is_over(tmp_path: Path, durable: bool) -> None:
    cell, path, made = grid()[0], tmp_path / "run.jsonl", []

    def make() -> DistillEnv:
        made.append(1)
        return cell.make_env(world())

    for _ in range(2):
        header = cell.header(world())
        run_one(make, Leaning(2), header, path, resume=True, durable=durable)
    assert len(made) == len(cell.seeds)
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl"]


def test_what_a_run_is_to_leave_is_made_before_its_state_is_given_up(tmp_path: Path) -> None:
    cell, path, results = grid()[0], tmp_path / "run.jsonl", tmp_path / "run.json"

    def run(conclude: Any) -> None:
        run_one(
            lambda: cell.make_env(world()),
            Leaning(2),
            cell.header(world()),
            path,
            resume=True,
            results=results,
            conclude=conclude,
        )

    def fail() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        run(fail)
    before = path.read_bytes()
    assert path.with_suffix(".state").is_dir()
    run(lambda: results.write_text("{}") and None)
    assert path.read_bytes() == before
    assert not path.with_suffix(".state").exists()
    run(fail)  # nothing is left to do
