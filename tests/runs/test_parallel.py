"""joblib's backends: the same rows whatever runs the cells."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim.runs import parallel
from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.log_schema import read_content
from readsim.runs.parallel import in_order, use_backend
from tests.cli.test_app import call


def grid() -> list[Cell]:
    return make_cells(
        "random:seed=5,capabilities=4",
        tasks=["skill_0", "skill_1"],
        budgets=[1_000_000],
        steps=3,
        allocators=["uniform", "random", "oracle-static", "one-hot", "task-static"],
        seeds=[0, 1],
    )


def rows(folder: Path) -> dict[str, object]:
    return {path.name: read_content(path).rows for path in sorted((folder / "runs").iterdir())}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The rows of one process."""
    folder = tmp_path_factory.mktemp("alone")
    run_cells(grid(), folder)
    return rows(folder)


def check(folder: Path, alone: dict[str, object]) -> None:
    """Run on the active backend: rows, order of reports, and nothing run twice."""
    seen: list[Cell] = []
    cells = grid()
    spent = run_cells(cells, folder, jobs=2, on_cell=lambda cell, _: seen.append(cell))
    assert seen == cells == list(spent)
    assert rows(folder) == alone
    assert set(run_cells(cells, folder, jobs=2).values()) == {0.0}


@pytest.mark.parametrize(
    "backend",
    [
        "threading",
        pytest.param("loky", marks=pytest.mark.slow),
        pytest.param("multiprocessing", marks=pytest.mark.slow),
    ],
)
def test_local_backends(backend: str, tmp_path: Path, alone: dict[str, object]) -> None:
    from joblib import parallel_config

    with parallel_config(backend=backend):
        check(tmp_path, alone)


@contextmanager
def ray_cluster() -> Iterator[None]:
    from joblib.pool import PicklingPool

    ray = import_module("ray")
    bases = PicklingPool.__bases__  # Ray puts its own pool there, for good
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
        PicklingPool.__bases__ = bases


@pytest.mark.extra("ray")
@pytest.mark.slow
def test_ray(tmp_path: Path, alone: dict[str, object]) -> None:
    from joblib import parallel_config

    import_module("ray.util.joblib").register_ray()
    with ray_cluster():
        with parallel_config(backend="ray"):
            check(tmp_path / "active", alone)
        # a cluster that is there is used, and left running
        with use_backend("ray", 2):
            check(tmp_path / "named", alone)
        assert import_module("ray").is_initialized()


@pytest.mark.extra("distributed")
@pytest.mark.slow
def test_dask(tmp_path: Path, alone: dict[str, object]) -> None:
    from joblib import parallel_config

    distributed = import_module("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        check(tmp_path, alone)


def test_an_error_in_a_cell_is_raised(tmp_path: Path) -> None:
    cells = make_cells(
        "gateway",
        tasks=["math"],
        budgets=[1_000_000],
        steps=2,
        allocators=["uniform", "tests.support.made_allocators:Broken"],
        seeds=[0],
    )
    with pytest.raises(ZeroDivisionError, match="nothing left"):
        run_cells(cells, tmp_path, jobs=2)


def test_calls_come_back_in_order() -> None:
    from joblib import parallel_config

    arguments = [(n, 2) for n in range(25)]
    for jobs in (1, 3):
        for backend in ("threading", "multiprocessing"):  # with results one by one, and without
            with parallel_config(backend=backend):
                assert list(in_order(pow, arguments, jobs)) == [n**2 for n in range(25)]
    with pytest.raises(ConfigError, match="jobs = 0"):
        list(in_order(pow, arguments, 0))


def test_backends_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ray'"), use_backend("rai", 2):
        pass
    monkeypatch.setattr(parallel, "find_spec", lambda _: None)
    for name, extra in (("ray", r"readsim\[ray\]"), ("dask", r"readsim\[dask\]")):
        with pytest.raises(CapabilityMissingError, match=extra), use_backend(name, 2):
            pass
    with use_backend("loky", 2):
        pass


def test_the_command_knows_backends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("compare", "--world", "random", "--allocators", "uniform,one-hot", "--jobs", "1")
    code, _, err = call(capsys, *command, "--backend", "rai")
    assert code == 2
    assert "did you mean 'ray'" in err
    assert list(tmp_path.iterdir()) == []
