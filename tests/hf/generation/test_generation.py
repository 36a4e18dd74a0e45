"""Streams of prompts: the same for the same seed, in the curriculum's mix, within the caps."""

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.errors import ConfigError, UnknownNameError
from readsim.tree_file import load_tree, save_tree
from readsim_hf.generation.calibration import calibrate
from readsim_hf.generation.curriculum import Curriculum, bucket_mix
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.generation.next_source import next_source
from readsim_hf.generation.stream import PromptStream
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Prompt
from tests.support.made_templates import GRADED, MATH, Sum, library, sums

CURRICULA: tuple[Curriculum, ...] = ("on", "off", "reversed")


def texts(prompts: list[Prompt]) -> list[str]:
    return [prompt.text for prompt in prompts]


@pytest.mark.slow
@given(st.integers(0, 2**32), st.lists(st.integers(0, 7), max_size=6), st.booleans())
@settings(max_examples=25)
def test_the_order_and_size_of_calls_do_not_matter(
    seed: int, sizes: list[int], first: bool
) -> None:
    one = PromptStream(MATH, "math", seed).take(sum(sizes), 0.3)
    streams = [PromptStream(MATH, name, seed) for name in ("math", "code")]
    parts: list[Prompt] = []
    for size in sizes:
        if first:
            streams[1].take(3, 0.9)
        parts += streams[0].take(size, 0.3)
    assert parts == one
    # Nor does what else the library holds.
    assert PromptStream(library(math=sums("math")), "math", seed).take(sum(sizes), 0.3) == one


def test_other_seeds_and_capabilities_ask_other_things() -> None:
    same = library(math=sums("x"), code=sums("x"))
    draws = [
        frozenset(texts(PromptStream(same, name, seed).take(100, 0.5)))
        for name in ("math", "code")
        for seed in (0, 1)
    ]
    assert all(len(a & b) < 10 for a in draws for b in draws if a is not b)


def test_runs_share_the_prompts_of_a_bucket() -> None:
    """Same seed, other timing: of each bucket one run's prompts begin with the other's."""
    streams = [PromptStream(MATH, "math", 5) for _ in range(2)]
    early, late = streams[0].take(300, 0.0), streams[1].take(300, 1.0)
    scale = calibrate(MATH.templates["math"])
    for bucket in range(3):
        a, b = (
            [p.text for p in prompts if scale.place(p, p.key)[1] == bucket]
            for prompts in (early, late)
        )
        n = min(len(a), len(b))
        assert n > 20
        assert a[:n] == b[:n]


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(0, 60), st.sampled_from(CURRICULA))
@settings(max_examples=15)
def test_a_restored_stream_goes_on_as_if_nothing_had_happened(
    seed: int, taken: int, curriculum: Curriculum
) -> None:
    # Few distinct prompts and a tight cap, so that every part of the state matters.
    small = library(math=sums("math", 3, below=3))

    def fresh() -> PromptStream:
        return PromptStream(small, "math", seed, curriculum=curriculum, cap=0.4, window=10)

    whole, parts = fresh(), fresh()
    whole.take(taken, 0.2)
    parts.take(taken, 0.2)
    again = fresh()
    again.restore(parts.state())
    assert again.counts == whole.counts
    assert again.take(60, 0.6) == whole.take(60, 0.6)
    assert again.counts == whole.counts


def test_the_state_survives_a_file_and_is_a_copy(tmp_path: Path) -> None:
    stream = PromptStream(MATH, "math", 1)
    stream.take(20, 0.0)
    state = stream.state()
    save_tree(tmp_path / "state", state)
    expected = stream.take(20, 1.0)
    again = PromptStream(MATH, "math", 1)
    again.restore(load_tree(tmp_path / "state"))
    assert again.take(20, 1.0) == expected
    again.restore(state)
    assert again.take(20, 1.0) == expected
    assert state["seen"].dtype == np.uint64
    assert len(state["seen"]) == 20
    with pytest.raises(ConfigError, match=r"\('math', 1\)"):
        PromptStream(MATH, "math", 2).restore(state)


@pytest.mark.parametrize("curriculum", CURRICULA)
def test_the_realised_mix_is_the_curriculum(curriculum: Curriculum) -> None:
    stream = PromptStream(MATH, "math", 0, curriculum=curriculum)
    scale = calibrate(MATH.templates["math"])
    steps = 600
    expected, given_ = np.zeros(3), np.zeros(3)
    for step in range(steps):
        expected += bucket_mix(step / (steps - 1), curriculum)
        (prompt,) = stream.take(1, step / (steps - 1))
        given_[scale.place(prompt, prompt.key)[1]] += 1
        assert np.abs(given_ - expected).max() < 1
    assert stream.counts == {"drawn": steps, "leaked": 0, "repeated": 0, "off_bucket": 0}


@pytest.mark.parametrize("made", [MATH, GRADED], ids=["alike", "graded"])
def test_streams_keep_the_cap_in_every_full_window(made: Library) -> None:
    window, cap = 40, 0.2
    stream = PromptStream(made, "math", 3, cap=cap, window=window)
    names = [p.template for step in range(400) for p in stream.take(1, step / 399)]
    counts = [Counter(names[i : i + window]) for i in range(len(names) - window + 1)]
    assert max(max(count.values()) for count in counts) <= cap * window
    assert stream.counts["off_bucket"] < (40 if made is GRADED else 1)


def test_a_bucket_out_of_reach_gets_the_nearest() -> None:
    easy, hard = Sum("math/e", "math", (2,)), Sum("math/h", "math", (20,))
    scale = calibrate([easy, hard])
    stream = PromptStream(library(math=(easy,)), "math", 0, calibration=scale)
    scores = np.array([scale.place(p, p.key)[0] for p in stream.take(100, 1.0)])
    assert stream.counts["off_bucket"] >= 50  # half of the items should be hard
    rng = np.random.default_rng(0)
    all_scores = [scale.place(p, p.key)[0] for p in (easy.make(rng) for _ in range(500))]
    assert (scores > np.quantile(all_scores, 0.85)).sum() >= 50


def test_held_out_items_are_never_given() -> None:
    free = texts(PromptStream(MATH, "math", 0).take(200, 0.5))
    held = free[::4]
    stream = PromptStream(MATH, "math", 0, LeakFilter(held))
    kept = texts(stream.take(200, 0.5))
    assert set(kept).isdisjoint(held)
    assert stream.counts["leaked"] >= len(held)
    # One item passed by leaves the others as they were.
    assert len(set(kept) & set(free)) >= 150


def test_templates_that_only_make_held_out_items_are_an_error() -> None:
    one = library(math=(Sum("math/a", "math", (1,), 3),))
    stream = PromptStream(one, "math", 0, LeakFilter([f"math/a {n}" for n in range(3)]))
    with pytest.raises(ConfigError, match=r"'math'.*held-out"):
        stream.take(1, 0.0)


def test_prompts_repeat_only_when_the_bucket_has_no_more() -> None:
    # 36 questions, a third of them in each bucket.
    few = library(math=sums("math", 3, terms=(1,), below=12))
    stream = PromptStream(few, "math", 0)
    stream.take(20, 0.0)
    assert stream.counts["repeated"] == 0
    # 20 of 40 are to be easy: the mix is kept, although there are new questions that are hard.
    stream.take(20, 0.0)
    assert stream.counts == {"drawn": 40, "leaked": 0, "repeated": 12, "off_bucket": 0}
    again = PromptStream(few, "math", 0, curriculum="off")
    shown = texts(again.take(300, 0.0))
    assert set(shown) == {f"math/{t} {n}" for t in range(3) for n in range(12)}
    assert again.counts["repeated"] == 264


def test_streams_refuse() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'math'"):
        PromptStream(MATH, "mth", 0)
    with pytest.raises(UnknownNameError, match="curriculum"):
        PromptStream(MATH, "math", 0, curriculum=cast(Curriculum, "up"))
    with pytest.raises(ConfigError, match="-1"):
        PromptStream(MATH, "math", 0).take(-1, 0.0)
    with pytest.raises(ConfigError, match="each once"):
        PromptStream(library(math=(Sum("a", "math"), Sum("a", "math"))), "math", 0)


@pytest.mark.parametrize("cap", [0.0, -0.1, 1.1, float("nan"), 0.3])
def test_caps_that_are_refused(cap: float) -> None:
    with pytest.raises(ConfigError, match=str(cap)):
        PromptStream(library(math=sums("math", 3)), "math", 0, cap=cap)


def test_the_curriculum_changes_no_allocation() -> None:
    """For an open-loop policy, allocations and token shares are the same for every curriculum.

    Harder prompts are longer here, so the number of prompts does change.
    """
    names, longest, interval = ("math", "code"), 40, 3000
    made = library(math=GRADED.templates["math"], code=sums("code"))
    policy = [np.array(alpha) for alpha in ([0.5, 0.5], [0.9, 0.1], [0.0, 1.0], [0.3, 0.7])]
    mixes, prompts = {}, {}
    for curriculum in CURRICULA:
        streams = [PromptStream(made, name, 7, curriculum=curriculum) for name in names]
        used = []
        for step, alpha in enumerate(policy):
            spent = np.zeros(2)
            while spent.sum() < interval:
                source = next_source(alpha, spent, longest)
                u = (step * interval + spent.sum()) / (len(policy) * interval)
                (prompt,) = streams[source].take(1, u)
                assert prompt.capability == names[source]
                assert len(prompt.text) <= longest + 10
                spent[source] += min(len(prompt.text), longest)
            used.append(spent)
            assert np.abs(spent - alpha * interval).max() <= 2 * longest
            assert np.abs(spent - alpha * spent.sum()).max() <= longest
        mixes[curriculum] = np.array(used)
        prompts[curriculum] = streams[0].counts["drawn"]
    for curriculum in CURRICULA:
        shares = mixes[curriculum] / mixes[curriculum].sum(axis=1, keepdims=True)
        assert np.abs(shares - np.array(policy)).max() <= longest / interval
    assert len(set(prompts.values())) > 1
