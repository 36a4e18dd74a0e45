"""Rows to look at are named: doubled ones, missing cells, cells far from their prediction."""

import numpy as np

from readsim.fitting.odd_rows import far_rows, notes_of
from readsim.fitting.units import Scale


def test_doubled_rows_and_missing_cells_are_said() -> None:
    tokens = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 2.0]])
    profiles = np.array([[0.1, 0.2], [0.3, np.nan], [0.1, 0.2], [0.5, 0.6]])
    said = list(notes_of(["a", "b", "a", "b"], True, tokens, profiles, ["x", "y"]))
    assert said[0].startswith("a: several rows under one name with the same tokens")
    assert said[1].startswith("b: several rows under one name are read as one run")
    assert "a and a have the same tokens and the same measurements" in said[2]
    assert said[3] == "1 cells are missing and left out: y 1"
    assert not list(notes_of(["a", "b"], True, tokens[:2], profiles[[0, 3]], ["x", "y"]))


def test_one_far_cell_is_named_and_ordinary_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    held_out = rng.uniform(0.2, 0.6, (30, 2))
    profiles = held_out + 0.01 * rng.standard_normal((30, 2))
    label, scale = [f"r{n}" for n in range(30)], Scale("scores", ())
    assert far_rows(label, held_out, profiles, ["x", "y"], scale) == []
    profiles[10, 0] = 0.98
    [said] = far_rows(label, held_out, profiles, ["x", "y"], scale)
    assert said.startswith("r10: x is 0.98")
