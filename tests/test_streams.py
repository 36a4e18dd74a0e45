"""Random streams: every run has its own numbers, whatever runs beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.streams import CAUSES, BlockStream, generator, seed_sequence

CAUSE = st.sampled_from(CAUSES)
seeds = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4, unique=True)


def rows_of(seed: int, count: int, width: int, cause: str = "probe", block: int = 8) -> Array:
    """The first rows of one run on its own."""
    stream = BlockStream([seed], cause, width, block)
    return np.array([stream.take()[0] for _ in range(count)])


def popcounts(seed: int, cause: str, rows: int, width: int) -> Array:
    """Those rows straight from the bits: two deviates from each 64-bit word, a whole word a row."""
    words = -(-width // 2)
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(CAUSES.index(cause),)))
    out = np.empty((rows, 2 * words))
    for row in range(rows):
        for n in range(words):
            word = int(bits.random_raw())
            halves = (word & 0xFFFFFFFF, word >> 32)
            out[row, 2 * n : 2 * n + 2] = [(h.bit_count() - 16) / np.sqrt(8) for h in halves]
    return out[:, :width]


@given(st.integers(0, 2**32), CAUSE, st.integers(1, 5))
def test_standardised_popcounts(seed: int, cause: str, width: int) -> None:
    shown = rows_of(seed, 5, width, cause, block=3)
    assert shown == pytest.approx(popcounts(seed, cause, 5, width), abs=1e-15)


@given(seeds, CAUSE, st.integers(1, 5), st.integers(1, 9), st.integers(1, 20))
def test_other_runs_and_the_block_size_do_not_matter(
    many: list[int], cause: str, width: int, block: int, count: int
) -> None:
    stream = BlockStream(many, cause, width, block)
    shown = np.array([stream.take() for _ in range(count)])
    assert shown.shape == (count, len(many), width)
    for n, seed in enumerate(many):
        assert np.array_equal(shown[:, n], rows_of(seed, count, width, cause, block=5))


@given(seeds, st.integers(1, 5), st.data())
def test_any_mix_of_take_take_some_and_restore(
    many: list[int], block: int, data: st.DataObject
) -> None:
    """The model: each run has a list of rows and a place in it."""
    lists = [rows_of(seed, 40, 3) for seed in many]
    place = np.zeros(len(many), dtype=np.int64)
    stream = BlockStream(many, "probe", 3, block)
    everyone = np.arange(len(many))
    saved = [(stream.state(), place.copy())]
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(["take", "some", "save", "restore", "new"]))
        if what == "save":
            saved.append((stream.state(), place.copy()))
        elif what in ("restore", "new"):
            if what == "new":  # as in a new process, with other seeds to begin with
                stream = BlockStream([0] * len(many), "probe", 3, block)
            state, old = data.draw(st.sampled_from(saved))
            stream.restore(state)
            place = old.copy()
        else:
            chosen = data.draw(st.lists(st.booleans(), min_size=len(many), max_size=len(many)))
            runs = everyone if what == "take" else everyone[np.array(chosen)]
            shown = stream.take() if what == "take" else stream.take_some(runs)
            expected = [lists[n][place[n]] for n in runs.tolist()]
            assert np.array_equal(shown, np.array(expected).reshape(len(runs), 3))
            place[runs] += 1


def test_what_was_handed_out_stays() -> None:
    stream = BlockStream([1, 2], "items", 4, 2)
    first = stream.take()
    copy = first.copy()
    for _ in range(5):
        stream.take()
    assert np.array_equal(first, copy)
    state = stream.state()
    state["taken"][:] = 0
    assert stream.state()["taken"].tolist() == [6, 6]


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_moments(seed: int) -> None:
    """Binomial(32, 1/2), standardised: mean 0, variance 1, no skew, excess kurtosis -1/16."""
    draws = rows_of(seed, 20_000, 4, block=512)
    n = draws.size
    assert abs(draws.mean()) < 5 / np.sqrt(n)
    assert draws.var() == pytest.approx(1.0, abs=5 * np.sqrt(2 / n))
    assert (draws**3).mean() == pytest.approx(0.0, abs=5 * np.sqrt(15 / n))
    assert (draws**4).mean() == pytest.approx(3 - 1 / 16, abs=5 * np.sqrt(96 / n))
    assert np.abs(draws).max() <= 16 / np.sqrt(8)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_causes_seeds_rows_and_columns_are_uncorrelated(seed: int) -> None:
    series = [rows_of(seed, 2000, 3, cause, block=256) for cause in CAUSES]
    series += [rows_of(seed + 1, 2000, 3, block=256)]
    columns = np.concatenate([*series, np.roll(series[0], 1, axis=0)], axis=1)
    matrix = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(matrix).max() < 6 / np.sqrt(2000)


def test_named_children() -> None:
    numbers = {
        cause: generator(3, cause, *path).random() for cause in ("probe", "data") for path in [()]
    }
    assert numbers["probe"] != numbers["data"]
    assert generator(3, "data", 1, 2).random() == generator(3, "data", 1, 2).random()
    distinct = {generator(s, "data", *p).random() for s in (0, 1) for p in [(), (0,), (0, 1), (1,)]}
    assert len(distinct) == 8
    assert seed_sequence(7, "world").spawn_key == (CAUSES.index("world"),)


def test_an_unknown_cause_is_no_stream() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        seed_sequence(0, "luck")
