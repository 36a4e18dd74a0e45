"""`repair` is ReAD's word and the guard's number: each goes where it belongs."""

import pytest

from readsim.allocators.modifiers import Modified
from readsim.allocators.read.allocator import ReAD
from readsim.allocators.registry import load_allocator
from readsim.errors import ReadsimError


@pytest.mark.parametrize("word", ["residual", "conformal"])
def test_a_word_is_the_allocator_s_own(word: str) -> None:
    made = load_allocator(f"read+repair={word}")
    assert isinstance(made, ReAD)
    assert made.config.repair == word
    both = load_allocator(f"read+repair={word}+guard=0.1")
    assert isinstance(both, Modified)


def test_a_number_is_the_guard_s() -> None:
    assert isinstance(load_allocator("read+guard=0.1+repair=0.25"), Modified)
    with pytest.raises(ReadsimError, match="repair"):
        load_allocator("uniform+repair=conformal")
