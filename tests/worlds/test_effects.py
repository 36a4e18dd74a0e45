"""A table of effects becomes a world that gives the table back."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ReadsimError, WorldError
from readsim.worlds import World, load_world, load_world_file, optimum, save_world
from readsim.worlds.effects import world_from_effects
from readsim.worlds.effects_csv import world_from_csv
from readsim.worlds.gains import gain, tabulated
from tests.support.paths import SHARED
from tests.support.strategies import grids

TOKENS, START, CEILING = 60_000_000, 0.4, 0.9
KNOWN: dict[str, Any] = {"tokens": TOKENS, "start": START, "ceiling": CEILING}
SHARES = {**KNOWN, "unit": "shares"}
RELATIVE = {**KNOWN, "unit": "relative"}
ABOVE = f"# tokens = {TOKENS}\n# start = {START}\n# ceiling = {CEILING}\n"
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
    notes = {"from": "a test"}
    return world_from_effects(
        table, sources, capabilities or names("c", k), **RELATIVE, name="made", provenance=notes
    )


@given(tables())
def test_the_transfer_matrix_is_the_table(table: Array) -> None:
    world = world_of(table)
    matrix = world.transfer_matrix(TOKENS)
    unit = float(world.provenance["unit"].split()[6])
    assert matrix == pytest.approx(unit * table, rel=1e-5, abs=1e-12)
    if table.any():  # the largest effect uses 0.6 of the room, all signs and ratios stay
        room = np.where(matrix > 0, 0.9 - START, START)
        assert np.abs(matrix / room).max() == pytest.approx(0.6)
        largest = np.unravel_index(np.abs(table).argmax(), table.shape)
        assert matrix / matrix[largest] == pytest.approx(table / table[largest], abs=1e-9)
        small = table * unit  # a table that fits comes back as it is, in points or in shares
        for most, word in ((1.0, "shares"), (100.0, "points")):
            known: dict[str, Any] = {
                "tokens": TOKENS,
                "start": most * START,
                "ceiling": most * CEILING,
            }
            own = world_from_effects(
                most * small, names("s", len(table)), names("c", table.shape[1]), **known, unit=word
            )
            assert own.transfer_matrix(TOKENS) == pytest.approx(small, rel=1e-9, abs=1e-12)
            assert "unit" not in own.provenance
    assert world.provenance["from"] == "a test"
    assert (world.help * world.harm == 0.0).all()


def test_a_zero_diagonal_over_equal_names_is_relative() -> None:
    table = np.array([[0.0, 0.5], [-0.25, 0.0]])
    world = world_of(table, names("s", 2))
    matrix = world.transfer_matrix(TOKENS)
    assert matrix / matrix[0, 0] == pytest.approx(np.array([[1.0, 0.5], [-0.25, 1.0]]))
    assert "read as 1" in world.provenance["diagonal"]
    # other names, or a diagonal that says something: nothing is filled in
    assert "diagonal" not in world_of(table).provenance
    assert "diagonal" not in world_of(table + 0.1 * np.eye(2), names("s", 2)).provenance


def test_one_capability() -> None:
    world = world_of(np.zeros((1, 1)), ("s0",))
    assert world.transfer_matrix(TOKENS)[0, 0] == pytest.approx(0.3)  # 0.6 of 0.5
    assert world_of(np.zeros((1, 1))).transfer_matrix(TOKENS)[0, 0] == 0.0


# ----------------------------------------------------------------- CSV


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "effects.csv"
    path.write_bytes(text.encode(encoding))
    return path


@given(table=tables())
def test_csv_reads_what_was_written(table: Array, tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = [ABOVE + "# unit = relative", "source," + ",".join(names("c", table.shape[1]))]
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
    text = [
        *ABOVE.split("\n"),
        "# unit = shares",
        "",
        "Source, math ,code",
        '"a, or b",0.1, -0.2',
        "",
        "c,1e-1,0",
        "",
    ]
    world = load_world(write(tmp_path, newline.join(text), encoding))
    assert world.capabilities == ("math", "code")
    assert world.sources == ("a, or b", "c")
    matrix = world.transfer_matrix(TOKENS)
    assert matrix == pytest.approx(np.array([[0.1, -0.2], [0.1, 0.0]]))


HEAD = "source,math,code\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": the file is empty"),
        ("\n\n", ": the file is empty"),
        ("math,code\n1,2\n", "line 1: header 'math,code': expected `source"),
        ("source\na\n", "line 1: header 'source'"),
        (HEAD, "no rows below the header"),
        (HEAD + "a,1\n", "line 2: 2 cells where the header has 3"),
        (HEAD + "a,1,2\nb,1,2,3\n", "line 3: 4 cells"),
        (HEAD + "a,1,2\n\nb,1,two\n", "line 4, column 'code': 'two' is not a number"),
        (HEAD + "a,1,\n", "line 2, column 'code': '' is missing"),
        (HEAD + "a,nan,1\n", "line 2, column 'math': 'nan' is missing"),
        (HEAD + "a,1,-inf\n", "line 2, column 'code': '-inf' is not a finite number"),
        (HEAD + '"a\nb",1,2\nc,x,1\n', "line 4, column 'math': 'x'"),
        ("source,math,math\na,1,2\n", "line 1: column 'math' appears twice"),
        ("source,math,math.1\na,1,2\n", "'math.1' is how pandas writes a second column 'math'"),
        ("source,math,\na,1,2\n", "line 1: column 3 has no name"),
        (HEAD + "a," + "9" * 200_000 + ",2\n", "line 2, column 'math': .* is not a finite number"),
        (
            "# tokns = 20M\n" + HEAD + "a,1,2\n",
            "line 1: unknown fact 'tokns'; did you mean 'tokens'",
        ),
        ("# tokens = much\n" + HEAD + "a,1,2\n", "line 1: tokens = 'much'"),
        ("# start = 0;4\n" + HEAD + "a,1,2\n", "line 1: '0;4': expected numbers"),
        ("# start =\n" + HEAD + "a,1,2\n", "line 1: expected a number"),
        (
            HEAD + "a,1,2\n",
            r"give tokens \(.*; start \(.*; ceiling \(.*; unit \(.*--tokens \.\.\. --start",
        ),
        (ABOVE + HEAD + "a,1,2\n", r"give unit \(points .*--unit \.\.\. --save"),
        (ABOVE + "# unit = shares\n" + HEAD + "a,1,2\nb,1,2\n", "on math = 1: .* past it"),
        (ABOVE + "# unit = relative\n" + HEAD + "a,1,2\na,1,2\n", "'a' is the source of line 6"),
        (
            ABOVE + "source,math,tokens\na,0.1,30M\n",
            "line 5: tokens = 30000000, and 60000000 elsewhere",
        ),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WorldError, match=message) as caught:
        load_world_file(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}")
    assert "\n" not in str(caught.value)


def test_what_a_table_does_not_say_is_given_or_in_the_file(tmp_path: Path) -> None:
    bare = "source;math;code\na;10,5;-2\nb;0;5\n"  # as a German spreadsheet writes it
    given = {"tokens": "20M", "start": [40, 30], "ceiling": 90, "unit": "points"}
    world = world_from_csv(write(tmp_path, bare, "utf-16"), **given)  # type: ignore[arg-type]
    assert world.start.tolist() == [0.4, 0.3]
    assert world.ceiling.tolist() == [0.9, 0.9]
    expected = np.array([[0.105, -0.02], [0.0, 0.05]])
    assert world.transfer_matrix(20e6) == pytest.approx(expected, abs=1e-12)
    said = "# measured on a 1B student\n# tokens = 20M;;\n# Start = 40, 30;;\n#ceiling=90\n# unit = points\n"
    again = load_world(write(tmp_path, said + bare))
    assert np.array_equal(again.help, world.help)
    column = "source,math,code,tokens\na,10.5,-2,20M\nb,0,5,2e7\n"
    del given["tokens"]
    third = world_from_csv(str(write(tmp_path, column)), **given)  # type: ignore[arg-type]
    assert np.array_equal(third.help, world.help)
    with pytest.raises(WorldError, match="tokens = 10000000, and 20000000 elsewhere"):
        world_from_csv(tmp_path / "effects.csv", **given, tokens="10M")  # type: ignore[arg-type]


def test_a_table_as_people_save_it(tmp_path: Path) -> None:
    path, table = tmp_path / "t.csv", "source,a,b,Tokens\nx,1,2,20M\ny,3,-4,20M\n"
    facts = "# start = 40, 50\n# ceiling = 90\n# unit = points\n"
    path.write_text(facts + table, encoding="utf-8")
    plain = load_world(path)
    assert (plain.capabilities, plain.start.tolist()) == (("a", "b"), [0.4, 0.5])
    quoted = facts.replace("# start = 40, 50\n", '"# start = 40, 50",,,\n') + table
    for text in ((facts + table).replace("\n", "\r"), quoted):
        path.write_bytes(text.encode())
        assert np.array_equal(load_world(path).help, plain.help)
    for text, said in (
        (facts.replace("40, 50", "40,5") + table, "line 1: '40,5': is it one number or two"),
        (
            facts.replace("40, 50", "40,55") + "source;a;b\nx;1,5;2\n",
            "line 1: '# start = 40,55': one",
        ),
        (
            facts + table + "Start,40,50,20M\n",
            "line 7, column 'source': 'Start': a line `# start =",
        ),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WorldError, match=said):
            load_world(path)


def test_names_not_places_say_what_belongs_together() -> None:
    import pandas as pd

    points: dict[str, Any] = {"tokens": "20M", "ceiling": 90, "unit": "points"}
    frame = pd.DataFrame([[8, -2], [3, 5]], index=["x", "y"], columns=["math", "code"])
    want = world_from_effects(frame, **points, start=[40, 50])
    start: Any
    for start in ({"code": 50, "math": 40}, pd.Series([50, 40], index=["code", "math"])):
        assert world_from_effects(frame, **points, start=start).start.tolist() == [0.4, 0.5]
    assert world_from_effects(frame, **points, start=pd.Series([40, 50])).start.tolist() == [
        0.4,
        0.5,
    ]
    with pytest.raises(WorldError, match=r"start is given for math: expected math, code"):
        world_from_effects(frame, **points, start={"math": 40})
    counted = world_from_effects(frame.reset_index(drop=True), **points, start=[40, 50])
    assert counted.sources == ("source_0", "source_1")
    assert np.array_equal(counted.help, want.help)
    square = pd.DataFrame([[0, 0.5], [-0.25, 0]], index=["a", "b"], columns=["a", "b"])
    one, other = (
        world_from_effects(f, **RELATIVE, gain="exponential")
        for f in (square, square.loc[["b", "a"]])
    )
    assert np.array_equal(other.transfer_matrix(TOKENS), one.transfer_matrix(TOKENS)[::-1])


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([["1", "2"], ["3", "4"]], "got str"),
        ([[True, False], [True, True]], "got bool cells"),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), "got masked cells"),
        (np.array([[1j, 0.0]]), "got complex"),
    ],
)
def test_cells_that_are_no_numbers(effects: Any, said: str) -> None:
    with pytest.raises(WorldError, match=said):
        world_from_effects(effects, ["x", "y"][: len(effects)], ["a", "b"], **SHARES)


def test_labels_that_are_no_names() -> None:
    import pandas as pd

    for index in ([None, "x"], pd.to_datetime(["2026-01-01", "2026-01-02"]), [3, 7]):
        frame = pd.DataFrame([[0.1, 0.2], [0.3, 0.4]], index=index, columns=["a", "b"])
        with pytest.raises(WorldError, match="sources: the data frame has the label"):
            world_from_effects(frame, **SHARES)
        assert world_from_effects(frame, ["x", "y"], **SHARES).sources == ("x", "y")


def test_shares_among_points() -> None:
    points: dict[str, Any] = {"tokens": "20M", "ceiling": 90, "unit": "points"}
    with pytest.raises(WorldError, match=r"start = 0\.4: with unit points it is in points too"):
        world_from_effects([[8, 2], [3, 5]], **points, start=0.4)
    with pytest.warns(UserWarning, match=r"largest effect is 0\.08 points: are they shares"):
        world_from_effects([[0.08, -0.02], [0.03, 0.05]], **points, start=40)
    assert world_from_effects([[8, 2], [3, 5]], **points, start=0).start.tolist() == [0, 0]


# ----------------------------------------------------------------- measured by others


@pytest.mark.skipif(not DATA.is_file(), reason="needs ../shared/data/skill-it/ni_top23.csv")
def test_skill_it() -> None:
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    table = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    world = world_from_csv(DATA, **RELATIVE)
    assert world.shape == (23, 23)
    assert world.sources == tuple(rows[0][1:])
    matrix = world.transfer_matrix(TOKENS)
    off = ~np.eye(23, dtype=np.bool_)
    assert np.array_equal(np.sign(matrix[off]), np.sign(table[off]))
    assert (matrix[off] < 0).mean() == pytest.approx(0.55, abs=0.01)
    # own effects are 1 in the table's unit
    assert np.ptp(np.diag(matrix)) < 1e-12
    assert matrix[off] / matrix[0, 0] == pytest.approx(table[off], abs=1e-9)
    task = world.task(world.capabilities[0])
    best = optimum(world, task, TOKENS)
    corners = task.utility(world.static_profile(np.eye(23), TOKENS))
    assert best.utility >= corners.max() - 1e-12


# ----------------------------------------------------------------- from Python


EFFECTS = np.array([[0.2, 0.05], [-0.02, 0.3]])


def test_lists_scalars_and_defaults() -> None:
    world = world_from_effects(
        EFFECTS.tolist(), ["math", "code"], **{**SHARES, "tokens": "20M", "start": [0.3, 0.4]}
    )
    assert world.sources == world.capabilities == ("math", "code")
    assert world.start.tolist() == [0.3, 0.4]
    assert world.transfer_matrix(20e6) == pytest.approx(EFFECTS, abs=1e-12)
    assert world_from_effects(EFFECTS, **SHARES).sources == ("source_0", "source_1")


@pytest.mark.parametrize("family", ["exponential", "log", "hill", "power:0.5"])
def test_a_function_is_a_gain_curve(family: str, tmp_path: Path) -> None:
    curve = gain(family)
    world = world_from_effects(
        EFFECTS, **{**SHARES, "tokens": 2e7}, gain=lambda t: 7.0 * curve.value(t / 2e7) + 3
    )
    assert world.transfer_matrix(2e7) == pytest.approx(EFFECTS, abs=1e-12)
    helped = np.maximum(EFFECTS, 0.0)
    own = world_from_effects(
        helped, **{**SHARES, "tokens": 2e7}, gain=lambda t: curve.value(t / 2e7)
    )
    named = world_from_effects(helped, **{**SHARES, "tokens": 2e7}, gain=family)
    for tokens in (1e5, 1.1e6, 4e7, 4e8):  # straight lines between knots: to 0.3 % of the gain
        expected = named.transfer_matrix(tokens)
        assert own.transfer_matrix(tokens) == pytest.approx(expected, rel=3e-3, abs=1e-6)
    task = {"source_0": 0.5, "source_1": 0.5}
    best, known = optimum(own, task, "20M"), optimum(named, task, "20M")
    assert best.utility == pytest.approx(known.utility, abs=1e-4)
    save_world(own, tmp_path / "own.toml")
    again = load_world(tmp_path / "own.toml")
    assert np.array_equal(again.transfer_matrix(3e6), own.transfer_matrix(3e6))


@pytest.mark.parametrize("family", ["exponential", "power:0.5"])
def test_a_table_of_a_curve_has_its_slope_and_inverse(family: str) -> None:
    table, curve = gain(tabulated(gain(family).value, 1.0)), gain(family)
    scale = (1.0 - np.exp(-1.0)) / float(curve.value(np.array(1.0)))
    x = np.array([0.01, 0.3, 1.01, 5.0])
    assert table.slope(x) == pytest.approx(scale * curve.slope(x), rel=0.06)
    inverse = table.inverse_slope(scale * curve.slope(x))
    assert inverse == pytest.approx(x, rel=0.1)
    assert (table.slope(inverse) <= scale * curve.slope(x) + 1e-12).all()
    far = np.array([100.0, 1000.0])  # the last line goes on
    assert table.slope(far) == pytest.approx(table.slope(np.array(63.0)))
    assert np.diff(table.value(far))[0] == pytest.approx(900.0 * float(table.slope(far[0])))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gain": lambda t: -t}, "must be above 0"),
        ({"gain": lambda t: t**2}, "not concave"),
        ({"gain": lambda t: np.where(t > 1e7, 0.5, t / 1e7)}, "falls"),
        ({"gain": lambda t: 1.0}, "gave shape"),
        ({"gain": ["hill"]}, "1 curves for 2 sources"),
        ({"gain": "broken"}, "cannot be negative"),
        ({"gain": "sine"}, "gain family"),
        ({"sources": ["one"]}, "for 1 sources"),
        ({"effects": [[0.1, 0.2]]}, "capabilities need names"),
        ({"effects": [0.1, 0.2]}, r"expected finite numbers \(S, K\)"),
        ({"tokens": "many"}, "many"),
        ({"tokens": None, "unit": None}, r"give tokens \(.*; unit \(points"),
        ({"unit": "percent"}, "unit = 'percent': expected points"),
        ({"unit": "points"}, "start = 0.4: with unit points"),
        ({"start": 40}, r"start = 40: scores lie between 0 and 1 \(shares\)"),
        ({"start": [0.1, 0.2, 0.3]}, "start = .*: expected one number, or 2"),
        (
            {"start": 0.85},
            "effect of source_0 on source_0 = 0.2: from start 0.85 it leads to the ceiling",
        ),
        ({"start": 0.01}, "leads to the floor 0"),
        ({"effects": [[0.0, 0.1], [0.1, 0.0]]}, "the diagonal is all zero"),
        ({"start": 0.0, "unit": "relative"}, "at 0 cannot fall"),
    ],
)
def test_what_does_not_fit_is_said(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"effects": EFFECTS, **SHARES, **changed}
    with pytest.raises(ReadsimError, match=message):
        world_from_effects(**arguments)
