"""Shares: of templates among recent prompts, of sources among tokens."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.generation.next_source import next_source
from readsim_hf.generation.template_cap import TemplateShares, default_cap


@given(st.integers(1, 12), st.integers(1, 40), st.floats(0.05, 1), st.integers(0, 2**32))
def test_no_full_window_exceeds_the_cap(n: int, window: int, cap: float, seed: int) -> None:
    names = [f"t{i}" for i in range(n)]
    if n * int(cap * window + 1e-9) < window:
        with pytest.raises(ConfigError, match="cannot fill a window"):
            TemplateShares(names, cap, window)
        return
    shares = TemplateShares(names, cap, window)
    rng, given_ = np.random.default_rng(seed), list[str]()
    for step in range(4 * window):
        if step == window:
            again = TemplateShares(names, cap, window)
            again.restore(shares.state())
            shares = again
        # The first that is allowed, as greedy as can be, or any.
        allowed = [name for name in names if shares.allowed(name)]
        assert allowed
        name = allowed[0] if seed % 2 else str(rng.choice(allowed))
        shares.add(name)
        given_.append(name)
    for start in range(len(given_) - window + 1):
        most = Counter(given_[start : start + window]).most_common(1)[0][1]
        assert most <= cap * window + 1e-6


def test_the_default_cap_is_always_feasible() -> None:
    assert default_cap(1) == 1
    assert default_cap(3) == 0.5
    assert default_cap(20) == 0.2
    for n in range(1, 300):
        TemplateShares([str(i) for i in range(n)])


def test_a_template_past_its_cap_is_refused() -> None:
    shares = TemplateShares(["a", "b"], 0.5, 2)
    shares.add("a")
    with pytest.raises(ConfigError, match="'a' has 1 of the last 1"):
        shares.add("a")
    with pytest.raises(UnknownNameError):
        shares.allowed("c")


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda w: sum(w) > 0.01),
    st.lists(st.integers(1, 100), min_size=1, max_size=150),
    st.booleans(),
)
@example([0.6, 0.1, 0.1, 0.1, 0.1], [100] * 100, True)
@example([0.01, 0.495, 0.495], [100, 1] * 50, True)
def test_token_shares_are_within_one_example(
    weights: list[float], lengths: list[int], fixed: bool
) -> None:
    w = np.array(weights)
    share = w / w.sum()
    longest = 100 if fixed else max(lengths)
    spent = np.zeros(len(w))
    for length in lengths:
        source = next_source(w, spent, longest)
        assert w[source] > 0
        spent[source] += length
        assert (np.abs(share * spent.sum() - spent) <= longest + 1e-6).all()


def test_the_longest_deficit_first_falls_further_behind() -> None:
    """Why the rule looks at when a source is due, and not at its deficit alone."""
    w = np.array([0.01, 0.02, 0.03, 0.04, 0.9])
    spent, worst = np.zeros(5), 0.0
    for _ in range(200):
        spent[np.argmax(w * spent.sum() - spent)] += 1
        worst = max(worst, float((w * spent.sum() - spent).max()))
    assert worst > 1.2


def test_equal_sources_take_turns() -> None:
    spent, order = np.zeros(3), []
    for _ in range(9):
        order.append(next_source(np.array([2.0, 2.0, 2.0]), spent, 10))
        spent[order[-1]] += 10
    assert order == [0, 1, 2] * 3


@pytest.mark.parametrize(
    ("weights", "spent", "longest"),
    [
        ([0.0, 0.0], [0, 0], 1),
        ([-1.0, 2.0], [0, 0], 1),
        ([np.nan, 1.0], [0, 0], 1),
        ([1.0], [0, 0], 1),
        ([1.0, 1.0], [0, -1], 1),
        ([1.0, 1.0], [0, 0], 0),
    ],
)
def test_weights_that_are_refused(weights: list[float], spent: list[int], longest: int) -> None:
    with pytest.raises(ConfigError):
        next_source(np.array(weights), np.array(spent, dtype=np.float64), longest)
