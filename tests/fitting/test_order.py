"""Order: paths read from rows, the law of pulls, an average that tells two orders of one mixture apart."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from readsim.arrays import Array
from readsim.fitting.averaged import Fit, fit_average
from readsim.fitting.laws.pulls import _Problem, pulls, skills
from readsim.fitting.paths import changes, padded, paths_of
from readsim.fitting.predict import forecast
from readsim.fitting.sealed import beside, load_average, save_average
from readsim.fitting.table import Options, read_run_table
from readsim.streams import generator

SOURCES = ("a", "b", "c")
RATE = np.log([[9.0, 2.0], [1.0, 8.0], [3.0, 1.0]])
TARGET = np.array([[1.0, 0.1], [-0.2, 1.0], [0.3, 0.4]])
EFFECT = np.array([[0.4, -0.1], [0.05, 0.3]])


def drawn(n: int, seed: int) -> tuple[Array, Array]:
    """Paths (n, 4, 3), every third of constant shares, and what pulls make of them (n, 2)."""
    rng = generator(seed, "data")
    one, other = rng.dirichlet(np.ones(3), (2, n))
    other[::3] = one[::3]
    path = np.stack([one, one, other, other], axis=1) * rng.uniform(0.05, 0.25, n)[:, None, None]
    return path, 0.3 + skills(path, RATE, TARGET)[:, -1] @ EFFECT


def test_constant_shares_come_to_the_same_in_one_decision_as_in_many() -> None:
    path, _ = drawn(6, 0)
    row = path[:1, :1]
    many = skills(np.tile(row / 5.0, (1, 5, 1)), RATE, TARGET)[:, -1]
    np.testing.assert_allclose(many, skills(row, RATE, TARGET)[:, -1], rtol=1e-12)
    padded_ = np.concatenate([row, np.zeros((1, 3, 3))], axis=1)
    np.testing.assert_array_equal(
        skills(padded_, RATE, TARGET)[:, -1], skills(row, RATE, TARGET)[:, -1]
    )


def test_where_every_source_pulls_to_one_place_order_makes_no_difference() -> None:
    path, _ = drawn(6, 1)
    ones = np.ones_like(TARGET)
    forward, backward = (skills(p, RATE, ones)[:, -1] for p in (path, path[:, ::-1]))
    np.testing.assert_allclose(forward, backward, rtol=1e-12)
    np.testing.assert_allclose(forward, 1.0 - np.exp(-path.sum(axis=1) @ np.exp(RATE)), rtol=1e-12)
    there = skills(np.array([[[1e3, 0.0, 0.0], [0.0, 1e3, 0.0]]]), RATE, TARGET)[0]
    np.testing.assert_allclose(there[1:], TARGET[:2])  # much of one source leads where it pulls


def test_its_gradient_is_that_of_differences() -> None:
    path, wanted = drawn(8, 2)
    wanted[0, 1] = np.nan
    problem = _Problem(path, wanted, np.ones_like(wanted))
    at = problem.first() + 0.2 * generator(3, "data").standard_normal(len(problem.first()))
    found = problem.value(at)[1]

    def value(v: Array) -> float:
        return problem.value(v)[0]

    wanted_ = approx_fprime(at, value, 1e-6)
    np.testing.assert_allclose(found, wanted_, atol=2e-5)


def test_the_law_learns_the_order_that_made_the_runs() -> None:
    (path, wanted), (other, truth) = drawn(60, 4), drawn(40, 5)
    predict = pulls(path, wanted, np.ones_like(wanted))
    error = np.sqrt(np.mean((predict(other) - truth) ** 2))
    swapped = np.sqrt(np.mean((predict(other[:, ::-1]) - truth) ** 2))
    assert error < 0.15 * truth.std()
    assert swapped > 3.0 * error  # the same tokens the other way round come to something else


def rows_of(path: Array, profiles: Array, columns: tuple[str, ...]) -> str:
    """A table with one row at the middle and one at the end of each run: tokens so far."""
    out = ["run," + ",".join(f"tokens:{s}" for s in SOURCES) + "," + ",".join(columns)]
    for n, run in enumerate(path):
        for place, row in ((2, profiles[n, 0]), (4, profiles[n, 1])):
            cells = [*(1e6 * run[:place].sum(axis=0)), *row]
            out.append(f"r{n}," + ",".join(f"{cell:.9g}" for cell in cells))
    return "\n".join(out) + "\n"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 runs measured at half and at their end."""
    path, _ = drawn(24, 6)
    z = skills(path, RATE, TARGET)[:, [2, 4]]
    file = tmp_path_factory.mktemp("order") / "runs.csv"
    file.write_text(rows_of(path, 0.3 + z @ EFFECT, ("score:x", "score:y")))
    return file


@pytest.fixture(scope="module")
def fit(table: Path) -> Fit:
    """Of that table."""
    runs = read_run_table(table, None, Options())
    return fit_average(
        runs.tokens,
        runs.profiles,
        sources=runs.sources,
        capabilities=runs.capabilities,
        scores=True,
        groups=runs.groups,
        path=runs.path,
        members=1,
        folds=3,
    )


def test_rows_of_one_run_are_read_as_a_path(table: Path) -> None:
    runs = read_run_table(table, None, Options())
    path, _ = drawn(24, 6)
    assert runs.path is not None
    assert runs.path.shape == (48, 2, 3)
    halves = 1e6 * np.stack([path[:, :2].sum(axis=1), path[:, 2:].sum(axis=1)], axis=1)
    np.testing.assert_allclose(runs.path[1::2], halves, rtol=1e-7)
    np.testing.assert_allclose(runs.path[0::2, 0], halves[:, 0], rtol=1e-7)
    assert not runs.path[0::2, 1].any()


def test_paths_are_there_only_where_shares_change_and_tokens_never_fall() -> None:
    steady = np.array([[1.0, 1.0], [2.0, 2.0], [5.0, 1.0]])
    assert paths_of(["r", "r", "s"], steady) is None
    assert paths_of(["r", "r", "r"], steady) is None  # the second source's tokens fall: no one run
    turned = np.array([[3.0, 2.0], [3.0, 0.0], [0.0, 0.0], [3.0, 2.0]])
    found = paths_of(["r", "r", "r", "r"], turned)
    assert found is not None
    np.testing.assert_array_equal(
        found,
        [[[3, 0], [0, 2]], [[3, 0], [0, 0]], [[0, 0], [0, 0]], [[3, 0], [0, 2]]],
    )
    np.testing.assert_array_equal(changes(found), [True, False, False, True])
    assert padded([[], []], 2).shape == (2, 1, 2)


def test_seeds_that_share_a_name_differ_by_rounding() -> None:
    one = np.array([[3000.0, 0.0], [3000.0, 2000.0]])
    other = one + np.array([[-3.0, 0.0], [2.0, -4.0]])
    found = paths_of(["r"] * 4, np.vstack([one, other]))
    assert found is not None
    for n, end in enumerate(np.vstack([one, other])):
        np.testing.assert_allclose(found[n].sum(axis=0), end, atol=8.0)
        np.testing.assert_allclose(
            skills(found[n : n + 1] / 5e3, RATE[:2], TARGET[:2])[:, -1],
            skills(
                np.diff(one[: 1 + n % 2], axis=0, prepend=np.zeros((1, 2)))[None] / 5e3,
                RATE[:2],
                TARGET[:2],
            )[:, -1],
            atol=0.01,
        )
    steady = np.array([[1000.0, 1000.0], [1001.0, 998.0], [2002.0, 2000.0]])
    assert paths_of(["s"] * 3, steady) is None


@pytest.mark.slow
def test_the_average_tells_two_orders_apart_and_is_saved_with_them(
    fit: Fit, tmp_path: Path
) -> None:
    average = fit.average
    assert "pulls" in average.names
    assert average.weights[average.names.index("pulls")].mean() > 0.3
    path, truth = drawn(40, 7)
    told = average.forecast(1e6 * path)
    assert np.corrcoef(told.mean.ravel(), truth.ravel())[0, 1] > 0.95
    assert (
        np.abs(told.mean - truth).mean()
        < np.abs(average.predict(1e6 * path[:, ::-1]) - truth).mean()
    )
    steady = 1e6 * path[::3]
    np.testing.assert_allclose(average.predict(steady), average.predict(steady.sum(axis=1)))
    where = beside(tmp_path / "w.toml")
    save_average(average, where)
    again = load_average(average.world, where)
    np.testing.assert_allclose(again.predict(1e6 * path), average.predict(1e6 * path), rtol=1e-9)


@pytest.mark.slow
def test_a_forecast_takes_rows_of_one_name_for_one_run(
    fit: Fit, table: Path, tmp_path: Path
) -> None:
    world = fit.average.world
    text = "run,a,b,c\nahead,2e5,0,0\nahead,2e5,0,2e5\nback,0,0,2e5\nback,2e5,0,2e5\n"
    mixtures = tmp_path / "mixtures.csv"
    mixtures.write_text(text)
    made = forecast(world, mixtures, average=fit.average)
    a, b = np.eye(3)[[0, 2]] * 2e5
    wanted = fit.average.predict(np.array([[a, b], [b, a]]))
    np.testing.assert_allclose(made.cells[[1, 3]], wanted)
    assert np.abs(made.cells[1] - made.cells[3]).max() > 0.01
    mixtures.write_text(text.replace("ahead", "back"))  # one name, tokens that fall: four mixtures
    alone = forecast(world, mixtures, average=fit.average)
    np.testing.assert_allclose(alone.cells[1], alone.cells[3])
