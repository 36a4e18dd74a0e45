"""The candidate set: finite, on the simplex, without doubles, stay first."""

from math import comb
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.envs.candidates import CandidateConfig, candidate_set, local_moves, sparse_set
from readsim.errors import ConfigError
from tests.support.strategies import few, shares

CONFIGS = st.builds(
    CandidateConfig,
    grid=st.lists(st.integers(1, 19).map(lambda n: n / 20), min_size=1, max_size=4).map(tuple),
    top=st.integers(1, 5),
    delta=st.integers(1, 20).map(lambda n: n / 20),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, Array, CandidateConfig]:
    s = draw(st.integers(1, 7))
    return draw(shares(s)), draw(shares(s)), draw(CONFIGS)


def holds(rows: Array, row: Array) -> bool:
    return bool((np.abs(rows - row).max(axis=1) < 1e-9).any())


@few
@given(cases())
def test_what_is_in_it(case: tuple[Array, Array, CandidateConfig]) -> None:
    prior, previous, config = case
    s, m = len(prior), min(config.top, len(prior))
    rows = candidate_set(prior, previous, config)
    assert rows.min() >= 0.0
    assert rows.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert rows[0] == pytest.approx(previous, abs=1e-15)  # stay
    assert holds(rows, np.full(s, 1 / s))
    top = sorted(range(s), key=lambda i: (-prior[i], i))[:m]
    for i in top:
        assert holds(rows, np.eye(s)[i])
    for i in sorted(top):
        for j in (j for j in sorted(top) if j > i):
            for w in config.grid:
                assert holds(rows, w * np.eye(s)[i] + (1 - w) * np.eye(s)[j])
    most = 2 + m + comb(m, 2) * len(config.grid) + s * (s - 1)
    assert len(rows) <= most


@few
@given(cases())
def test_no_doubles_and_always_the_same(case: tuple[Array, Array, CandidateConfig]) -> None:
    prior, previous, config = case
    rows = candidate_set(prior, previous, config)
    gaps = np.abs(rows[:, None] - rows[None]).max(axis=2) + np.eye(len(rows))
    assert gaps.min() > 1e-10
    assert np.array_equal(rows, candidate_set(prior.copy(), previous.copy(), config))
    fixed = sparse_set(prior, config)
    assert all(holds(rows, row) for row in fixed)


@few
@given(cases())
def test_every_reachable_local_move(case: tuple[Array, Array, CandidateConfig]) -> None:
    _, previous, config = case
    rows = local_moves(previous, config.delta)
    s = len(previous)
    expected = []
    for giver in range(s):
        mass = min(config.delta, previous[giver])
        for receiver in range(s):
            if previous[giver] > 0 and receiver != giver:
                moved = previous.copy()
                moved[giver] -= mass
                moved[receiver] += mass
                expected.append(moved)
    assert len(rows) == len(expected)
    assert all(holds(rows, row) for row in expected)


@few
@given(cases(), st.randoms(use_true_random=False))
def test_renaming_sources_renames_candidates(
    case: tuple[Array, Array, CandidateConfig], random: Random
) -> None:
    """Up to the order, and to ties in the prior, which the index breaks; `top` of all has none."""
    prior, previous, config = case
    s = len(prior)
    config = CandidateConfig(grid=(0.5,), top=s, delta=config.delta)
    order = list(range(s))
    random.shuffle(order)
    rows = candidate_set(prior, previous, config)
    other = candidate_set(prior[order], previous[order], config)
    assert len(rows) == len(other)
    assert all(holds(other, row[order]) for row in rows)


def test_the_default_set_by_hand() -> None:
    rows = candidate_set(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0]), None)
    by_hand = [
        [0, 0, 1],
        [1 / 3, 1 / 3, 1 / 3],
        [1, 0, 0],
        [0, 1, 0],
        *([w, 1 - w, 0] for w in (0.25, 0.5, 0.75)),
        *([w, 0, 1 - w] for w in (0.25, 0.5, 0.75)),
        *([0, w, 1 - w] for w in (0.25, 0.5, 0.75)),
    ]
    assert rows == pytest.approx(np.array(by_hand), abs=1e-12)


def test_one_source_has_one_candidate() -> None:
    assert candidate_set(np.ones(1), np.ones(1)).tolist() == [[1.0]]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"grid": ()}, "grid"),
    ({"grid": (0.0, 0.5)}, "grid"),
    ({"grid": (0.5, 1.0)}, "grid"),
    ({"grid": (np.nan,)}, "grid"),
    ({"top": 0}, "top = 0"),
    ({"delta": 0.0}, "delta = 0"),
    ({"delta": 1.5}, "delta = 1.5"),
    ({"delta": np.nan}, "delta = nan"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_settings(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CandidateConfig(**arguments)
