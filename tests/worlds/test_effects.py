"""A table of effects becomes a world that gives the table back."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import WorldError
from readsim.worlds import World, load_world, load_world_file, optimum
from readsim.worlds.effects import REFERENCE_TOKENS, START, world_from_effects
from tests.support.paths import SHARED
from tests.support.strategies import grids

DATA = SHARED / "skill-it" / "ni_top23.csv"


@st.composite
def tables(draw: st.DrawFn) -> Array:
    """Up to 5 x 5 effects, from tiny ones to far larger than the score range."""
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return draw(grids(shape, -60, 60)) * 10.0 ** draw(st.integers(-6, 3))


def names(letter: str, count: int) -> tuple[str, ...]:
    return tuple(f"{letter}{n}" for n in range(count))


def world_of(table: Array, capabilities: tuple[str, ...] | None = None) -> World:
    s, k = table.shape
    sources = names("s", s)
    return world_from_effects(
        table, sources, capabilities or names("c", k), name="made", provenance={"from": "a test"}
    )


@given(tables())
def test_the_transfer_matrix_is_the_table(table: Array) -> None:
    world = world_of(table)
    matrix = world.transfer_matrix(REFERENCE_TOKENS)
    unit = float(world.provenance["unit"].split()[6]) if "unit" in world.provenance else 1.0
    assert matrix == pytest.approx(unit * table, rel=1e-5, abs=1e-12)
    if unit == 1.0:
        assert matrix == pytest.approx(table, rel=1e-9, abs=1e-12)
    else:  # the largest effect uses 0.6 of the room, all signs and ratios stay
        room = np.where(matrix > 0, 0.9 - START, START)
        assert np.abs(matrix / room).max() == pytest.approx(0.6)
        largest = np.unravel_index(np.abs(table).argmax(), table.shape)
        assert matrix / matrix[largest] == pytest.approx(table / table[largest], abs=1e-9)
    assert world.provenance["from"] == "a test"
    assert (world.help * world.harm == 0.0).all()


def test_a_zero_diagonal_over_equal_names_is_relative() -> None:
    table = np.array([[0.0, 0.5], [-0.25, 0.0]])
    world = world_of(table, names("s", 2))
    matrix = world.transfer_matrix(REFERENCE_TOKENS)
    assert matrix / matrix[0, 0] == pytest.approx(np.array([[1.0, 0.5], [-0.25, 1.0]]))
    assert "read as 1" in world.provenance["diagonal"]
    # other names, or a diagonal that says something: nothing is filled in
    assert "diagonal" not in world_of(table).provenance
    assert "diagonal" not in world_of(table + 0.1 * np.eye(2), names("s", 2)).provenance


def test_one_capability() -> None:
    world = world_of(np.zeros((1, 1)), ("s0",))
    assert world.transfer_matrix(REFERENCE_TOKENS)[0, 0] == pytest.approx(0.3)  # 0.6 of 0.5
    assert world_of(np.zeros((1, 1))).transfer_matrix(REFERENCE_TOKENS)[0, 0] == 0.0


# ----------------------------------------------------------------- CSV


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "effects.csv"
    path.write_bytes(text.encode(encoding))
    return path


@given(table=tables())
def test_csv_reads_what_was_written(table: Array, tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = ["source," + ",".join(names("c", table.shape[1]))]
    lines += [
        f"{name}," + ",".join(map(repr, row))
        for name, row in zip(names("s", len(table)), table.tolist(), strict=True)
    ]
    world = load_world_file(write(tmp_path_factory.mktemp("csv"), "\n".join(lines)))
    expected = world_of(table)
    assert np.array_equal(world.help, expected.help)
    assert np.array_equal(world.harm, expected.harm)
    assert (world.sources, world.capabilities) == (expected.sources, expected.capabilities)
    assert world.name == "effects"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_other_ways_to_write_a_csv(tmp_path: Path, encoding: str, newline: str) -> None:
    text = ["", "Source, math ,code", '"a, or b",0.1, -0.2', "", "c,1e-1,0", ""]
    world = load_world(write(tmp_path, newline.join(text), encoding))
    assert world.capabilities == ("math", "code")
    assert world.sources == ("a, or b", "c")
    matrix = world.transfer_matrix(REFERENCE_TOKENS)
    assert matrix == pytest.approx(np.array([[0.1, -0.2], [0.1, 0.0]]))


HEAD = "source,math,code\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n,,\n", "the file is empty"),
        ("math,code\n1,2\n", "line 1: header 'math,code'; expected `source"),
        ("source\n", "line 1: header 'source'"),
        (HEAD, "no rows below the header"),
        (HEAD + "a,1\n", "line 2: 2 cells where the header has 3"),
        (HEAD + "a,1,2\nb,1,2,3\n", "line 3: 4 cells"),
        (HEAD + "a,1,2\n\nb,1,two\n", "line 4, column code: 'two' is not a number"),
        (HEAD + "a,1,\n", "line 2, column code: '' is not a number"),
        (HEAD + "a,nan,1\n", "line 2, column math: 'nan' is not finite"),
        (HEAD + "a,1,-inf\n", "line 2, column code: '-inf' is not finite"),
        (HEAD + '"a\nb",1,2\nc,x,1\n', "line 4, column math: 'x'"),
        (HEAD + "a,1,2\na,1,2\n", "sources = 'a': each name may appear once"),
        ("source,math,math\na,1,2\n", "capabilities = 'math': each name may appear once"),
        ("source,math,\na,1,2\n", "names are non-empty"),
        (HEAD + "a," + "9" * 200_000 + ",2\n", "line 2: field larger than"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WorldError, match=message) as caught:
        load_world_file(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}")


def test_a_csv_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="not a readable csv file"):
        load_world_file(write(tmp_path, "source,straße\na,1\n", "utf-16"))


# ----------------------------------------------------------------- measured by others


@pytest.mark.skipif(not DATA.is_file(), reason="needs ../shared/data/skill-it/ni_top23.csv")
def test_skill_it() -> None:
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    table = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    world = load_world(DATA)
    assert world.shape == (23, 23)
    assert world.sources == tuple(rows[0][1:])
    matrix = world.transfer_matrix(REFERENCE_TOKENS)
    off = ~np.eye(23, dtype=np.bool_)
    assert np.array_equal(np.sign(matrix[off]), np.sign(table[off]))
    assert (matrix[off] < 0).mean() == pytest.approx(0.55, abs=0.01)
    # own effects are 1 in the table's unit
    assert np.ptp(np.diag(matrix)) < 1e-12
    assert matrix[off] / matrix[0, 0] == pytest.approx(table[off], abs=1e-9)
    task = world.task(world.capabilities[0])
    best = optimum(world, task, REFERENCE_TOKENS)
    corners = task.utility(world.static_profile(np.eye(23), REFERENCE_TOKENS))
    assert best.utility >= corners.max() - 1e-12
