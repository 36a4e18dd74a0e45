"""The transfer study: which runs, each made once, what is made of them."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.backend import Backend
from readsim.errors import CapabilityMissingError, ConfigError, RunLogError
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.log_schema import read_content
from readsim.simulator import SimBackend
from readsim.worlds import World, load_world
from studies.__main__ import main
from studies.transfer_matrix.lab import Lab, sim_lab
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.plan import make_plan, shard_of
from studies.transfer_matrix.run import collect, log_path, missing, run_jobs
from tests.support.hf import NEEDS, char_pair, tiny_run
from tests.support.made_transfer import BUDGETS, NAMES, made, measure, small_world

# --- which runs


def test_the_plan_is_seed_by_seed_and_shards_part_it() -> None:
    jobs = make_plan(NAMES, (300, 100), (4, 2), 3)
    assert [job.seed for job in jobs] == [4] * 10 + [2] * 8
    assert [(j.name, j.budget) for j in jobs[:4]] == [
        *((name, 100) for name in NAMES),
        ("math", 300),
    ]
    assert [j.name for j in jobs if j.budget == 300 and j.name not in NAMES] == [
        *("uniform", "mix-2", "mix-1")
    ]
    for job in jobs:
        assert sum(job.shares) == pytest.approx(1.0, abs=1e-3)
    # the fourth decimal is the last: logs show the shares that were used
    random = {job.shares for job in jobs if job.name.startswith("mix")}
    assert len(random) == 4
    parts = [shard_of(jobs, f"{i}/3") for i in range(3)]
    assert sorted(j.stem for part in parts for j in part) == sorted(j.stem for j in jobs)
    assert make_plan(NAMES, (300, 100), (4, 2), 3) == jobs


@pytest.mark.parametrize("shard", ["2/2", "1", "-1/2", "a/b", "0/0"])
def test_shards_that_do_not_exist(shard: str) -> None:
    with pytest.raises(ConfigError, match=shard):
        shard_of(make_plan(NAMES, (100,), (0,), 0), shard)


@pytest.mark.parametrize(
    ("budgets", "seeds", "mixtures"),
    [((), (0,), 0), ((5, 5), (0,), 0), ((5,), (), 0), ((5,), (0,), -1)],
)
def test_plans_that_are_refused(
    budgets: tuple[int, ...], seeds: tuple[int, ...], mixtures: int
) -> None:
    with pytest.raises(ConfigError):
        make_plan(NAMES, budgets, seeds, mixtures)


# --- each run once


class Counted(SimBackend):
    """Notes the budgets of its runs; is interrupted in the run that `stop` names."""

    started: list[int]
    stop: int

    def run_interval(self, step: int, weights: Array, tokens: int) -> Any:
        self.started.append(tokens)
        if len(self.started) == self.stop:
            raise KeyboardInterrupt
        return super().run_interval(step, weights, tokens)


def counting(world: World, stop: int = -1) -> tuple[Lab, list[int]]:
    started: list[int] = []

    def backend(budget: int) -> Backend:
        made = Counted(world)
        made.started, made.stop = started, stop
        return made

    return replace(sim_lab(world), backend=backend), started


def test_an_interrupted_sweep_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    jobs = make_plan(NAMES, BUDGETS, (0,), 1)
    whole, _ = counting(small_world())
    run_jobs(jobs, whole, tmp_path / "whole")
    lab, started = counting(small_world(), stop=5)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, lab, tmp_path / "parts")
    assert missing(jobs, tmp_path / "parts") == jobs[4:]
    log_path(jobs[4], tmp_path / "parts").with_suffix(".part").write_text("half a li")
    run_jobs(jobs, lab, tmp_path / "parts")
    assert len(started) == len(jobs) + 1
    run_jobs(jobs, lab, tmp_path / "parts")
    assert len(started) == len(jobs) + 1
    assert not list(tmp_path.rglob("*.part"))
    ends = [collect(jobs, whole, tmp_path / where, "")["runs"] for where in ("whole", "parts")]
    assert ends[0] == ends[1]


def test_logs_of_another_world_are_refused(tmp_path: Path) -> None:
    jobs = make_plan(NAMES, (1000,), (0,), 0)
    run_jobs(jobs, sim_lab(small_world()), tmp_path)
    other = sim_lab(small_world().replace(pairing=0.5))
    with pytest.raises(RunLogError, match="world_digest"):
        run_jobs(jobs, other, tmp_path)
    with pytest.raises(RunLogError, match="world_digest"):
        collect(jobs, other, tmp_path, "")


def test_nothing_is_made_of_half_a_sweep(tmp_path: Path) -> None:
    jobs, lab = make_plan(NAMES, (1000,), (0,), 0), sim_lab(small_world())
    run_jobs(jobs[:2], lab, tmp_path)
    with pytest.raises(RunLogError, match="1 of 3 runs"):
        collect(jobs, lab, tmp_path, "")


def test_results_survive_the_file(tmp_path: Path) -> None:
    measured = measure(sim_lab(small_world()), tmp_path)
    measured.save(tmp_path / "m.json")
    again = Measured.load(tmp_path / "m.json")
    assert again.info == measured.info
    np.testing.assert_array_equal(again.change, measured.change)
    again.info["runs"].pop(0)
    with pytest.raises(RunLogError, match="math"):
        Measured.of(again.info)


# --- the matrix


def test_without_noise_the_matrix_is_the_world_s(tmp_path: Path) -> None:
    world = small_world()
    measured = measure(sim_lab(world), tmp_path)
    for b, budget in enumerate(BUDGETS):
        np.testing.assert_allclose(measured.matrix[b], world.transfer_matrix(budget), atol=1e-6)


def test_significance_is_benjamini_hochberg_on_cross_effects() -> None:
    change = np.zeros((1, 3, 1, 3))
    change[0, :, 0, :] = [[0.0, 0.03, 0.1], [-0.021, 0.0, 0.0], [0.004, 0.018, 0.2]]
    measured = made(change, sd=0.01)
    from scipy.stats import norm

    cross = [(i, j) for i in range(3) for j in range(3) if i != j]
    p = {c: 2 * norm.sf(abs(change[0, c[0], 0, c[1]]) / 0.01) for c in cross}
    order = sorted(cross, key=p.__getitem__)
    passed = [n for n, c in enumerate(order, 1) if p[c] <= 0.1 * n / len(cross)]
    expected = set(order[: max(passed)])
    assert 0 < len(expected) < len(cross)
    found = {c for c in cross if measured.significant[0][c]}
    assert found == expected
    assert measured.significant[0].diagonal().tolist() == [False, False, True]


def test_seeds_that_differ_widen_the_error() -> None:
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal((1, 8, 4, 8))
    alike, apart = made(np.zeros((1, 8, 4, 8)), 0.01), made(noise, 0.01)
    np.testing.assert_allclose(alike.error, 0.01)
    np.testing.assert_allclose(apart.error, np.sqrt(0.01**2 + 0.02**2 / 4), rtol=0.1)
    assert made(noise[:, :, :1], 0.01).error == pytest.approx(0.01)


# --- the command


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["transfer_matrix", *words])
    return int(str(end.value.code))


def test_the_command_in_two_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--backend", "sim", "--world", "random:seed=5,capabilities=3"]
    options += ["--budgets", "5M,20M", "--seeds", "2", "--out", str(tmp_path)]
    assert call(*options, "--shard", "0/2") == 0
    assert "runs of other shards are missing" in capsys.readouterr().out
    assert not (tmp_path / "world.toml").exists()
    assert call(*options, "--shard", "1/2") == 0
    with (tmp_path / "matrix.20000000.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    measured = Measured.load(tmp_path / "measured.json")
    assert len(rows) == 9
    assert float(rows[5]["change"]) == pytest.approx(measured.matrix[1, 1, 2], abs=1e-6)
    assert (tmp_path / "matrix.png").read_bytes()[:4] == b"\x89PNG"
    text = str(tmp_path / "world.toml")
    world = load_world(text)
    assert "--shard" not in world.provenance["runs"]
    (cell,) = make_cells(
        text, tasks=["average"], budgets=[10_000_000], allocators=["uniform"], seeds=[0]
    )
    run_cell(cell, tmp_path / "compare.jsonl")
    assert (tmp_path / "compare.jsonl").exists()


def test_refused_settings_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (("--world", "no-such"), ("--world", "hidden-safety"), ("--seeds", "none")):
        assert call("--backend", "sim", "--out", str(tmp_path), *options) == 2
        assert options[1] in capsys.readouterr().err


# --- real models


@pytest.mark.extra(*NEEDS)
def test_a_tiny_pair(tmp_path: Path) -> None:
    from studies.transfer_matrix.hf_lab import lab_of

    parts = tiny_run(pair=char_pair()).components
    lab = lab_of(parts)
    assert lab.backend(120).budget == 120  # type: ignore[attr-defined]  # HFBackend's own
    jobs = [
        job for job in make_plan(lab.sources, (60,), (0,), 1) if job.name in ("math", "uniform")
    ]
    run_jobs(jobs, lab, tmp_path)
    table = collect(jobs, lab, tmp_path, "command")
    assert [run["shares"] for run in table["runs"]] == [np.eye(8)[3].tolist(), [0.125] * 8]
    assert all(len(run["change_sd"]) == 8 for run in table["runs"])
    assert (table["test_items"], table["items"]) == ([5.0] * 8, [4.0] * 8)
    # the scores that the changes are measured from
    final = read_content(log_path(jobs[0], tmp_path)).rows[-1]
    before = np.subtract(final["final_profile"], final["final_change"])
    np.testing.assert_allclose(table["start"], before, atol=1e-6)
    with pytest.raises(CapabilityMissingError, match="test"):
        parts.suite.splits.items(parts.suite.benchmarks[0].name, "test")
