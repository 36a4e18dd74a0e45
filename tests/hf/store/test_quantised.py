"""Distributions in few bytes: what they take, and how far they are off."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

if TYPE_CHECKING:
    from readsim_hf.teachers.record import Soft

pytestmark = pytest.mark.extra("torch", "transformers", "pyarrow")


def drawn(rows: int, vocabulary: int, k: int, seed: int, sharp: float = 3.0) -> "Soft":
    """Top-k records of random distributions, even ones and sure ones."""
    from readsim_hf.teachers.record import Soft

    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, vocabulary)) * rng.uniform(0.0, sharp, size=(rows, 1))
    logits[::3, 0] += 12.0 * sharp
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    top = np.argsort(-logp, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(logp, top, axis=1)
    return Soft("topk", top.astype(np.int32), found.astype(np.float32))


def by_id(soft: "Soft") -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    order = np.argsort(soft.ids, axis=1)
    ids = np.take_along_axis(soft.ids, order, axis=1)
    return ids, np.take_along_axis(soft.logp, order, axis=1).astype(np.float64)


@given(
    vocabulary=st.integers(1, 500),
    share=st.floats(0, 1),
    rows=st.integers(0, 7),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_ids_come_back_and_log_probabilities_within_the_bound(
    vocabulary: int, share: float, rows: int, seed: int
) -> None:
    from readsim_hf.store.quantised import (
        id_bytes,
        log_probability_bound,
        position_bytes,
        quantise,
        restored,
    )

    k = max(1, round(share * vocabulary))
    soft = drawn(rows, vocabulary, k, seed)
    made = quantise(soft, vocabulary)
    assert made.ids.shape == (rows, id_bytes(vocabulary, k))
    assert sum(part.nbytes for part in made) == rows * position_bytes(vocabulary, k)
    back = restored(made, vocabulary)
    (ids, logp), (ids_back, logp_back) = by_id(soft), by_id(back)
    np.testing.assert_array_equal(ids, ids_back)
    bound = log_probability_bound(made.scale[:, 0].astype(np.float64))
    assert (np.abs(logp - logp_back).max(axis=1, initial=0.0) <= bound + 1e-6).all()
    assert (np.diff(back.logp, axis=1) <= 0).all(), "the likeliest entry first"
    tail, tail_back = (1 - np.exp(x).sum(axis=1) for x in (logp, logp_back))
    np.testing.assert_allclose(tail, tail_back, atol=2e-6)


def test_losses_are_off_by_what_the_bound_allows() -> None:
    """Cross-entropy and KL with the tail bucket, each position against a random student."""
    from readsim_hf.store.quantised import log_probability_bound, quantise, restored

    vocabulary, k = 3000, 64
    soft = drawn(200, vocabulary, k, 5)
    made = quantise(soft, vocabulary)
    (_, p), (_, p_back) = by_id(soft), by_id(restored(made, vocabulary))
    bound = log_probability_bound(made.scale[:, 0].astype(np.float64))
    student = by_id(drawn(200, vocabulary, k, 6))[1]
    head = (np.exp(p) * -student).sum(axis=1)
    off = np.abs((np.exp(p_back) * -student).sum(axis=1) - head)
    assert (off <= np.expm1(bound) * head + 1e-5).all()
    tails = [np.maximum(1 - np.exp(x).sum(axis=1), 0.0) for x in (p, p_back)]
    kl = (np.exp(p) * (p - p_back)).sum(axis=1)
    assert np.abs(tails[0] - tails[1]).max() < 1e-5
    square = (np.exp(p) * (p - p_back) ** 2).sum(axis=1)
    assert (kl <= 0.5 * np.exp(bound) * square + 1e-5).all()
    assert kl.mean() < 5e-5, "what the documentation says of usual distributions"


def test_bytes_of_large_vocabularies_are_below_200() -> None:
    from readsim_hf.store.quantised import position_bytes

    assert position_bytes(151_936, 64) == 178
    assert max(position_bytes(v, 64) for v in (32_000, 49_152, 128_256, 151_936, 262_144)) <= 186


def test_a_sure_teacher_and_one_entry() -> None:
    """A position whose tail is rounding error, and positions with one entry, have no division by 0."""
    from readsim_hf.store.quantised import quantise, restored
    from readsim_hf.teachers.record import Soft

    for logp in ([[0.0]], [[math.log(0.25)]], [[-1e-9]]):
        soft = Soft("topk", np.array([[7]], np.int32), np.array(logp, np.float32))
        back = restored(quantise(soft, 9), 9)
        np.testing.assert_allclose(back.logp, soft.logp, atol=1e-6)
        assert back.ids.tolist() == [[7]]


@pytest.mark.parametrize("vocabulary", [49_152, 151_936])
def test_a_shard_takes_at_most_200_bytes_a_token(vocabulary: int) -> None:
    """Everything in it: text and ids of prompts, replies of 64 tokens, distributions at k = 64."""
    from readsim_hf.store.shards import StoredPrompt, to_parquet
    from readsim_hf.teachers.record import Soft, TeacherRecord
    from tests.support.stores import facts

    rng = np.random.default_rng(2)
    prompts = []
    for n in range(4):
        logp = np.log(-np.sort(-rng.dirichlet(np.full(65, 0.3), 64))[:, :64] + 1e-9)
        top = np.stack([rng.choice(vocabulary, 64, replace=False) for _ in range(64)])
        soft = Soft("topk", top.astype(np.int32), logp.astype(np.float32))
        ids = rng.integers(vocabulary, size=(2, 64)).astype(np.int32)
        words = " ".join(rng.permutation(list("abcdefghij")).tolist() * 12)
        record = TeacherRecord("s", ids[0], ids[1], (0, 64), soft)
        prompts.append(StoredPrompt("s", "s/t", words, answer=str(n), records=(record,)))
    small, exact = (
        len(to_parquet(prompts, facts(vocabulary, 64, precision))) / (4 * 64)
        for precision in ("small", "exact")
    )
    assert small <= 200 < exact
