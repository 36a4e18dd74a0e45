"""The studies' store of rows: shared, resumable, the same wherever it is filled."""

from pathlib import Path

import pytest

from readsim.errors import CapabilityMissingError, ConfigError, RunLogError
from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.runs.log_schema import read_content
from studies.common.slurm import portions, run_array, run_portion
from studies.common.store import folder_of, jobs_of, read_case, run_jobs
from studies.common.study import Case
from tests.support.paths import ROOT


def cells(requirement: str | None = None, steps: int = 2) -> list[Cell]:
    return make_cells(
        "random:seed=5,capabilities=4",
        tasks=["skill_0", "skill_1"],
        budgets=[1_000_000],
        steps=steps,
        allocators=["uniform", "random", "task-static"],
        seeds=[0, 1],
        requirement=requirement,
    )


def rows(todo: list[tuple[Cell, Path]], store: Path) -> dict[str, object]:
    return {str(path.relative_to(store.absolute())): read_content(path).rows for _, path in todo}


def test_what_two_cases_need_is_run_once(tmp_path: Path) -> None:
    first, second = Case("one", tuple(cells()[:4])), Case("two", tuple(cells()[2:]))
    todo = jobs_of([first, second], tmp_path)
    assert len(todo) == len(cells()) == len({path for _, path in todo})
    told = jobs_of([first, Case("other", tuple(cells("noisy:20")))], tmp_path)
    assert len(told) == 4 + len(cells())
    assert len({folder_of(cell) for cell, _ in told}) == 2
    assert folder_of(cells()[0]) != folder_of(cells(steps=3)[0])


def test_a_case_has_its_own_runs_alone(tmp_path: Path) -> None:
    case = Case("one", tuple(cells()[:4]))
    run_jobs(jobs_of([Case("all", tuple(cells()))], tmp_path), jobs=1)
    logs = read_case(case, tmp_path)
    assert {(log.header.task, log.header.allocator) for log in logs} == {
        (cell.task_name, cell.allocator_name) for cell in case.cells
    }
    jobs_of([case], tmp_path)[0][1].unlink()
    with pytest.raises(RunLogError, match=case.cells[0].file_name):
        read_case(case, tmp_path)


def test_finished_runs_are_not_run_again(tmp_path: Path) -> None:
    todo = jobs_of([Case("all", tuple(cells()))], tmp_path)
    run_jobs(todo[:3], jobs=1)
    kept = [path.stat().st_mtime_ns for _, path in todo[:3]]
    seen: list[int] = []
    run_jobs(todo, jobs=1, on_cell=lambda: seen.append(1))
    assert [path.stat().st_mtime_ns for _, path in todo[:3]] == kept
    assert len(seen) == len(todo)


@pytest.mark.parametrize("tasks", [1, 2, 5, 100])
def test_an_array_gets_what_is_missing_once(tasks: int, tmp_path: Path) -> None:
    todo = jobs_of([Case("all", tuple(cells()))], tmp_path)
    run_portion(todo[1:3])
    shares = portions(todo, tasks)
    assert len(shares) == min(tasks, 4)
    dealt = [path for share in shares for _, path in share]
    assert sorted(dealt) == sorted(path for n, (_, path) in enumerate(todo) if n not in (1, 2))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_no_array_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        portions([], 0)
    monkeypatch.setattr("studies.common.slurm.which", lambda _: None)
    monkeypatch.setattr("studies.common.slurm.find_spec", lambda _: object())
    with pytest.raises(CapabilityMissingError, match="sbatch"):
        run_array([], 2, tmp_path)
    monkeypatch.setattr("studies.common.slurm.find_spec", lambda _: None)
    with pytest.raises(CapabilityMissingError, match=r"readsim\[slurm\]"):
        run_array([], 2, tmp_path)


@pytest.mark.slow
@pytest.mark.extra("submitit")
def test_an_array_leaves_the_rows_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit's own executor of local processes; finished runs are not repeated."""
    root = ROOT
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'adapters'}")
    case = Case("all", tuple(cells()))
    here, there = jobs_of([case], tmp_path / "here"), jobs_of([case], tmp_path / "there")
    run_jobs(here, jobs=1)
    run_array(there[:2], 2, tmp_path / "slurm", cluster="local")
    kept = [path.stat().st_mtime_ns for _, path in there[:2]]
    run_array(there, 2, tmp_path / "slurm", cluster="local")
    assert [path.stat().st_mtime_ns for _, path in there[:2]] == kept
    assert rows(there, tmp_path / "there") == rows(here, tmp_path / "here")
    run_array(there, 2, tmp_path / "slurm", cluster="local")  # nothing is left to do
