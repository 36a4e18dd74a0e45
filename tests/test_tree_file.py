"""Checkpoints: a tree comes back the same to the bit, and a file is whole or not there."""

import io
import json
import os
import zipfile
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from readsim import tree_file as checkpoint
from readsim.errors import ReadsimError, RunLogError, SchemaError
from readsim.tree_file import (
    decode_tree,
    encode_tree,
    load_facts,
    load_tree,
    save_facts,
    save_tree,
)
from tests.support.processes import end, python

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
NUMPY_NUMBERS = DTYPES.map(lambda dtype: dtype.newbyteorder("=")).flatmap(
    lambda dtype: hnp.arrays(dtype, 1).map(lambda array: array[0])
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(),
    st.text(),
    NUMPY_NUMBERS,
    ARRAYS,
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(one: Any, two: Any) -> bool:
    """Equal in type, structure, order of keys, dtype, shape and bits; nan equals nan."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return repr(one) == repr(two)


@given(TREES)
def test_a_tree_comes_back_the_same(tree: object) -> None:
    data = encode_tree(tree)
    assert same(decode_tree(data), tree)
    assert encode_tree(tree) == data


def test_through_a_file(tmp_path: Path) -> None:
    tree = {
        "rng": np.random.default_rng(5).bit_generator.state,
        "mt": np.random.MT19937(5).state,
        "layers": [(np.ones((2, 3)), np.zeros(0)), (np.asfortranarray(np.eye(3)), None)],
        "strided": np.arange(10)[::-3],
        "huge": 10**5000,
    }
    path = tmp_path / "new folder" / "état.npz"
    save_tree(path, tree)
    # repr cannot show an integer of that size.
    back = load_tree(path)
    assert back.pop("huge") == tree.pop("huge")
    assert same(back, tree)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    back["strided"][0] = 1  # what comes back can be written to


def test_a_generator_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rng.normal(size=3)
    save_tree(tmp_path / "a.npz", rng.bit_generator.state)
    other = np.random.default_rng(6)
    other.bit_generator.state = load_tree(tmp_path / "a.npz")
    np.testing.assert_array_equal(other.normal(size=5), rng.normal(size=5))


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (np.random.default_rng(0), "is a numpy.random.*Generator"),
        (len, "is a builtins.builtin_function_or_method"),
        ({1}, "is a builtins.set"),
        (b"x", "is a builtins.bytes"),
        (1j, "is a builtins.complex"),
        (Pair(1, 2), "is a .*Pair"),
        (np.ma.masked_array([1], [True]), "is a .*MaskedArray"),
        (np.array([object()]), "has dtype object"),
        (np.array(["x"]), "has dtype <U1"),
        (np.array([(1,)], dtype=[("a", "i4")]), "has dtype"),
        (np.datetime64("2020-01-01"), "has dtype datetime64"),
        ({1: 2}, "has the key 1"),
        ({np.str_("a"): 2}, "has the key"),
    ],
)
def test_an_unknown_object_is_named_by_its_place(tmp_path: Path, node: object, said: str) -> None:
    path = tmp_path / "a.npz"
    tree = {"state": {"ensemble": [1, 2, {"rng": node}], "a b": (node,)}}
    with pytest.raises(RunLogError, match=rf"^state\.ensemble\[2\]\.rng {said}"):
        save_tree(path, tree)
    del tree["state"]["ensemble"]
    with pytest.raises(RunLogError, match=rf"^state\['a b'\]\[0\] {said}"):
        save_tree(path, tree)
    with pytest.raises(RunLogError, match=rf"^the tree {said}"):
        save_tree(path, node)
    assert not list(tmp_path.iterdir())


def test_a_tree_that_contains_itself() -> None:
    tree: list[object] = []
    tree.append(tree)
    with pytest.raises(RunLogError, match="contains itself"):
        encode_tree(tree)


@given(st.data())
@settings(max_examples=300)
def test_damage_is_an_error_or_harmless(data: st.DataObject) -> None:
    tree = {"a": np.arange(20.0), "b": [1, 2**100], "c": np.float32(2)}
    whole = encode_tree(tree)
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    bit = data.draw(st.integers(0, 7))
    flipped = whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
    damaged = whole[:place] if cut else flipped
    path = Path("damaged.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_file", lambda _: True)
        patch.setattr(Path, "read_bytes", lambda _: damaged)
        try:
            back = load_tree(path)
        except RunLogError:
            return
    # Some bytes of a zip (dates, attributes) mean nothing to the content.
    assert not cut
    assert same(back, tree)


def test_a_smaller_shape_is_noticed(tmp_path: Path) -> None:
    # Half of the numbers would be a plausible array, and the checksum is at the end of the other.
    whole = encode_tree(np.arange(2000.0))
    assert b"(2000,)" in whole
    (tmp_path / "a.npz").write_bytes(whole.replace(b"(2000,)", b"(1000,)"))
    with pytest.raises(RunLogError, match="damaged"):
        load_tree(tmp_path / "a.npz")


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def structure(text: str) -> bytes:
    return npz(structure=np.frombuffer(text.encode(), dtype=np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        npz(a=np.ones(3)),
        npz(structure=np.array([{"pickled": 1}], dtype=object)),
        structure("[1]"),
        structure('{"schema": 1}'),
        structure('{"schema": 1, "tree": {"array": 0}}'),
        structure('{"schema": 1, "tree": {"eval": "1"}}'),
        structure('{"schema": 1, "tree": {"int": "0x1", "float": "1"}}'),
    ],
)
def test_a_foreign_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    with pytest.raises(RunLogError, match=r"a\.npz is damaged or not a readsim checkpoint"):
        load_tree(path)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.npz"):
        with pytest.raises(RunLogError, match="is not a file"):
            load_tree(path)
    with pytest.raises(RunLogError, match="cannot write"):
        save_tree(tmp_path, [])
    (tmp_path / "file").touch()
    with pytest.raises(RunLogError, match="cannot write"):
        save_tree(tmp_path / "file" / "a.npz", [])


def test_a_newer_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "SCHEMA", 7)
        save_tree(path, [])
    with pytest.raises(SchemaError, match=r"a\.npz.* schema 7.* up to 1"):
        load_tree(path)


def test_there_is_no_pickle_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(encode_tree([np.ones(2), "x"]))) as archive:
        for name in archive.namelist():
            np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    call: str,
    error: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "a.npz"
    save_tree(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(owner, call, fail)
        with pytest.raises((ReadsimError, KeyboardInterrupt)) as caught:
            save_tree(path, "new")
    assert isinstance(caught.value, RunLogError) is isinstance(error, OSError)
    assert load_tree(path) == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


SAVE_FOR_EVER = """
import itertools, sys
import numpy as np
from readsim.tree_file import save_tree
for i in itertools.count():
    save_tree(sys.argv[1], {"i": i, "arrays": [np.full(5000 * (1 + i % 7), i)] * 3})
    print(i, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("acknowledged", [1, 30])
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "a.npz"
    with python("-W", "error", "-c", SAVE_FOR_EVER, path, stdout=PIPE) as process:
        assert process.stdout is not None
        for _ in range(acknowledged):
            assert process.stdout.readline()
        end(process)
    tree = load_tree(path)
    assert tree["i"] >= acknowledged - 1
    expected = np.full(5000 * (1 + tree["i"] % 7), tree["i"])
    assert same(tree["arrays"], [expected] * 3)
    # A temporary file that the kill left is no obstacle.
    save_tree(path, "next")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


FACTS = {"about": {"seed": 3, "text": "\u00e9"}, "rows": [0.1, 1e-300, None, True], "nan": 2.5}


def test_facts_come_back_and_older_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    save_facts(path, FACTS)
    assert load_facts(path) == FACTS
    path.write_text(json.dumps(FACTS))  # as they were written before there was a digest
    assert load_facts(path) == FACTS


@given(at=st.floats(0, 0.999), byte=st.integers(32, 126), cut=st.booleans())
def test_a_damaged_table_of_facts_is_named_or_says_the_same(
    at: float, byte: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("facts") / "f.json"
    save_facts(path, FACTS)
    data = bytearray(path.read_bytes())
    place = int(at * len(data))
    if cut:
        del data[place:]
    else:
        data[place] = byte
    path.write_bytes(data)
    try:
        found = load_facts(path)
    except RunLogError as error:
        said = str(error)
    else:
        said = str(path)
        assert {key: found[key] for key in FACTS} == FACTS
    assert str(path) in said
    assert "\n" not in said
