"""The one loop: its rows, its resume, and what it refuses."""

import os
import shutil
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.allocators.read.allocator import ReAD
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import Measurement
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells, run_cell, run_cells
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.runs.read_logs import log_paths, read_log
from readsim.runs.rows import FinalRow, RunHeader, SampledReply, read_row
from readsim.simulator import SimBackend
from readsim.stats.metrics import on_target
from readsim.testing.backend_checks import same
from readsim.worlds import load_world
from tests.support.helpers import decisions
from tests.support.interrupted import Interrupted
from tests.support.processes import end, hold, python, wait_for

WORLD = "random:seed=5,capabilities=4,dynamics=flow"


CHATTY = "tests.runs.test_loop:Chatty"
HOLD = "READSIM_TEST_HOLD"  # where this is set, Chatty never gets past its eleventh decision


class Chatty(ReAD):
    """A stateful allocator with a small pool, so that resuming has something to lose."""

    def __init__(self) -> None:
        super().__init__(pool=48)

    def update(self, state: State, transition: Transition) -> State:
        if HOLD in os.environ and transition.context.step == 10:
            hold()
        return super().update(state, transition)


def cell(allocator: str = CHATTY, seeds: tuple[int, ...] = (0, 7), steps: int = 6) -> Cell:
    return Cell(WORLD, "skill_1", 1_000_000, steps, allocator, seeds)


def test_rows_tell_the_whole_run() -> None:
    env = DistillEnv(WORLD, budget=1000, steps=4)
    rows, _ = rollout([env], load_allocator("task-static"), [3])
    assert [row["kind"] for row in rows] == ["start", *["step"] * 4, "final"]
    steps, final = rows[1:-1], rows[-1]
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert [row["spent"] for row in steps] == [250, 500, 750, 1000]
    profile = np.array(rows[0]["profile"])
    for row in steps:
        profile = profile + row["change"]
        assert np.allclose(profile, row["profile"])
    assert final["totals"]["student"] == 1000
    utility = load_world(WORLD).task("skill_0").utility(final["final_profile"])
    assert final["utility"] == pytest.approx(float(utility))
    assert {row["seed"] for row in rows} == {3}


def test_the_environment_is_driven_as_anyone_would() -> None:
    """The loop's rows equal those of a hand-written loop over the environment."""
    rows, _ = rollout([DistillEnv(WORLD)], load_allocator("uniform"), [1])
    env = DistillEnv(WORLD)
    env.reset(seed=1)
    for row in decisions(rows):
        observation, reward, ended, _, info = env.step(np.full(4, 0.25))
        assert row["reward"] == reward
        assert np.array_equal(row["profile"], observation["profile"])
        if row["step"] % 2 == 0:  # a measurement on the dev split belongs to the loop
            assert np.array_equal(row["dev_profile"], env.dev_profile())
    assert ended
    assert rows[-1]["utility"] == info["utility"]


def test_lockstep_runs_of_different_lengths() -> None:
    """Runs that end early leave the others alone."""

    class Charged(Allocator):
        needs = frozenset({"trial"})

        def init(self, setup: Setup) -> State:
            assert setup.trial is not None
            for _ in range(setup.seed):
                setup.trial(np.eye(4)[0], setup.budget // 4, True)
            return {}

        def select(self, state: State, context: Context) -> Array:
            return np.ones(4)

    rows, _ = rollout([DistillEnv(WORLD, steps=8) for _ in "abc"], Charged(), [0, 1, 2])
    counts = [sum(row["seed"] == seed for row in decisions(rows)) for seed in (0, 1, 2)]
    assert counts == [8, 6, 4]
    assert sum(r["kind"] == "final" for r in rows) == 3


def interrupted(path: Path, rounds: int) -> list[bytes]:
    """Run the cell into `path` until it is stopped after so many rounds: the log after each."""
    logs: list[bytes] = []

    def stop(made: int) -> None:
        logs.append(path.read_bytes())
        if len(logs) == rounds:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_cell(cell(), path, durable=True, resume=False, on_step=stop)
    return logs


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_an_interrupted_run_ends_with_the_same_rows(tmp_path: Path, stop_after: int) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    run_cell(cell(), whole, durable=True, resume=False)
    interrupted(broken, stop_after)
    assert len(read_content(broken).rows) == 2 + 2 * stop_after
    run_cell(cell(), broken, durable=True, resume=True)
    assert read_content(broken).rows == read_content(whole).rows
    assert not broken.with_suffix(".state").exists()
    before = broken.read_bytes()
    run_cell(cell(), broken, durable=True, resume=True)  # nothing left to do
    assert broken.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 200, 900, 4000])
def test_a_log_cut_behind_its_checkpoint_is_mended(tmp_path: Path, cut: int) -> None:
    """A kill between checkpoint and append, or in the middle of an append."""
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    run_cell(cell(), whole, durable=True, resume=False)
    _, kept, complete = interrupted(broken, 3)
    broken.write_bytes(complete[: max(len(kept), len(complete) - cut)])
    run_cell(cell(), broken, durable=True, resume=True)
    assert read_content(broken).rows == read_content(whole).rows


@pytest.mark.slow
def test_kill_nine_and_resume(tmp_path: Path) -> None:
    """A real process, killed while it runs."""
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    command = [
        "-m", "readsim", "run", "--world", WORLD, "--task", "skill_1", "--allocator", CHATTY,
        "--budget", "1M", "--steps", "12", "--seeds", "0,7", "--out", str(killed),
    ]  # fmt: skip
    with python(*command, env={HOLD: "1"}) as process:
        wait_for(lambda: killed.exists() and killed.stat().st_size > 3_000, process)
        end(process)
    unfinished = read_content(killed).rows
    assert unfinished
    assert not any(row["kind"] == "final" for row in unfinished)
    with python(*command, stderr=PIPE) as refused:
        assert "exists" in refused.communicate()[1]
    assert refused.returncode == 2
    with python(*command, "--resume") as resumed:
        assert resumed.wait() == 0
    run_cell(cell(steps=12), whole, durable=True, resume=False)
    assert read_content(killed).rows == read_content(whole).rows


def test_a_run_of_another_setting_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_cell(cell("uniform"), path, durable=True, resume=False)
    with pytest.raises(RunLogError, match="allocator"):
        run_cell(cell("random"), path, durable=True, resume=True)
    with pytest.raises(RunLogError, match="seeds"):
        run_cell(cell("uniform", seeds=(0, 1)), path, durable=True, resume=True)


def test_a_lost_checkpoint_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    interrupted(path, 1)
    shutil.rmtree(path.with_suffix(".state"))
    with pytest.raises(RunLogError, match="no final row for seeds"):
        run_cell(cell(), path, durable=True, resume=True)


# --------------------------------------------------------------------------------- the grid


def small_grid(**changes: Any) -> list[Cell]:
    settings: dict[str, Any] = {
        "tasks": ["skill_0", "skill_2"],
        "budgets": [1_000_000, 3_000_000],
        "steps": 4,
        "allocators": ["uniform", "greedy-last", CHATTY],
        "seeds": [0, 1],
    }
    return make_cells(WORLD, **{**settings, **changes})


def logged(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes().split(b"\n", 1)[1] for p in (folder / "runs").iterdir()}


def test_rows_do_not_depend_on_the_number_of_jobs(tmp_path: Path) -> None:
    for jobs in (1, 2):
        run_cells(small_grid(), tmp_path / str(jobs), jobs=jobs)
    assert logged(tmp_path / "1") == logged(tmp_path / "2")
    assert len(logged(tmp_path / "1")) == 12


def test_finished_cells_are_kept_and_missing_ones_made(tmp_path: Path) -> None:
    run_cells(small_grid(), tmp_path)
    before = logged(tmp_path)
    victim = sorted((tmp_path / "runs").iterdir())[3]
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir() if p != victim}
    victim.rename(victim.with_suffix(".part"))  # as a kill in the middle of a cell leaves it
    run_cells(small_grid(), tmp_path)
    assert logged(tmp_path) == before
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items())


def test_same_seeds_are_common_random_numbers() -> None:
    """Two allocators that do the same thing get the same numbers: noise belongs to the seed."""
    world = load_world("random:capabilities=1")
    first, second = (
        rollout([DistillEnv(world)], load_allocator(name), [5])[0]
        for name in ("uniform", "one-hot")
    )
    assert same(first, second)


def test_cells_with_odd_names_have_their_own_files() -> None:
    names = {
        Cell(WORLD, task, 1, 1, allocator, (0,)).file_name
        for task in ("a/b", "a-b", "a b")
        for allocator in ("x:Y", "x-Y")
    }
    assert len(names) == 6
    assert all("/" not in name and ":" not in name for name in names)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"tasks": []}, "tasks: at least one"),
        ({"seeds": [1, 1]}, "each may appear once"),
        ({"allocators": ["uniform", "unifrom"]}, "did you mean 'uniform'"),
        ({"tasks": ["skill_9"]}, "unknown task 'skill_9'"),
        ({"budgets": [0]}, "budget = 0"),
        ({"steps": 0}, "steps = 0"),
    ],
)
def test_a_bad_grid_is_refused_before_anything_runs(changes: dict[str, Any], fragment: str) -> None:
    with pytest.raises((ConfigError, KeyError), match=fragment):
        small_grid(**changes)


def test_jobs_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="jobs = 0"):
        run_cells(small_grid(), tmp_path, jobs=0)


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="no run logs"):
        log_paths(tmp_path)


def test_the_header_holds_what_the_analysis_needs(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_cell(cell("uniform"), path)
    content = read_content(path)
    config, rows = content.header["config"], content.rows
    assert config == cell("uniform").header(load_world(WORLD))
    assert config["requirement"][1] == pytest.approx(0.6)
    target = np.array(config["requirement"]) == max(config["requirement"])
    assert np.isfinite(on_target(np.array(rows[-1]["final_change"]), target))


def test_the_final_profile_is_noise_free_and_the_change_is_measured() -> None:
    world = load_world(WORLD).replace(process_sd=np.zeros(4))
    env = DistillEnv(world, budget=1_000_000, steps=4)
    assert isinstance(env.backend, SimBackend)
    final = rollout([env], load_allocator("uniform"), [0])[0][-1]
    exact = world.static_profile(np.full(4, 0.25), 1_000_000, 4)
    assert np.allclose(final["final_profile"], exact, atol=1e-12)
    assert not np.allclose(final["final_change"], exact - world.start, atol=1e-6)
    error = np.abs(final["final_change"] - (exact - world.start))
    assert (error < 6 * final["final_change_sd"]).all()


class Talking(SimBackend):
    """A simulator that says how often it was probed."""

    def reset(self, seed: int | None) -> Measurement:
        self.probes = 1
        return super().reset(seed)

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        self.probes += 1
        return super().run_interval(step, weights, tokens)

    def probe_samples(self) -> list[SampledReply]:
        return [SampledReply("skill_0", "a1", "asked\x00", "gold", f"probe {self.probes}", 0.5)]


def test_what_the_probes_heard_is_in_the_row_of_its_decision(tmp_path: Path) -> None:
    """The start is the student's before an offline pool trained anything; without samples no field."""
    env = DistillEnv(backend=Talking(load_world(WORLD)), task="skill_1", budget=1000, steps=3)
    path = tmp_path / "run.jsonl"
    with RunLog.create(path, config={}, seeds=[3]) as log:
        rollout([env], load_allocator(CHATTY), [3], log=log, checkpoint=tmp_path / "state")
    read = read_log(path).rows
    said = [row.samples[0] for row in read if not isinstance(row, FinalRow) and row.samples]
    assert said[0] == SampledReply("skill_0", "a1", "asked\x00", "gold", "probe 1", 0.5)
    assert len(said) == 4
    numbers = [int(sample.reply.split()[1]) for sample in said]
    assert numbers == sorted(set(numbers))
    plain, _ = rollout([DistillEnv(WORLD, budget=1000, steps=2)], "uniform", 3)
    assert not any("samples" in row for row in plain)


@pytest.mark.parametrize(
    "samples",
    [{}, [1], [{"reply": "x"}], [{**dict.fromkeys(SampledReply._fields, ""), "score": "one"}]],
)
def test_samples_that_are_none_are_refused(samples: Any) -> None:
    row = {"kind": "start", "seed": 0, "profile": [0.5], "samples": samples}
    with pytest.raises(RunLogError, match=r"seed 0, start row: (samples holds|score is)"):
        read_row(row, RunHeader(), "a.jsonl")
