"""The nearest name: what a slip of the hand most likely meant."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.registry import allocator_names
from readsim.errors import edits, nearest, unknown
from readsim.worlds import preset_names

ALLOCATORS, WORLDS = allocator_names(), preset_names()
CAPABILITIES = (
    *("general", "steerability", "reasoning", "math"),
    *("code", "tool_use", "long_context", "multilingual"),
)
PAIRS = ("nano", "smollm2", "smollm2-135m", "smollm2-360m")
FIELDS = ("budget", "steps", "batch", "micro_batch", "learning_rate", "lora", "precision", "probe")
short = st.text("abc", max_size=6)


def naive(one: str, other: str) -> int:
    """The definition, by recursion."""

    @cache
    def d(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        found = [d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (one[i - 1] != other[j - 1])]
        if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            found.append(d(i - 2, j - 2) + 1)
        return min(found)

    return d(len(one), len(other))


@given(short, short)
def test_the_distance_is_the_one_defined(one: str, other: str) -> None:
    assert edits(one, other) == edits(other, one) == naive(one, other)
    assert (edits(one, other) == 0) == (one == other)


@pytest.mark.parametrize(
    ("known", "typed", "meant"),
    [
        (ALLOCATORS, "reed", "read"),
        (ALLOCATORS, "raed", "read"),
        (ALLOCATORS, "red", "read"),
        (ALLOCATORS, "READ ", "read"),
        (ALLOCATORS, "greddy", "greedy"),
        (ALLOCATORS, "gird", "grid"),
        (ALLOCATORS, "unifrom", "uniform"),
        (ALLOCATORS, "task_static", "task-static"),
        (ALLOCATORS, "onehot", "one-hot"),
        (ALLOCATORS, "dormei", "doremi"),
        (ALLOCATORS, "skillit", "skill-it"),
        (ALLOCATORS, "oracle", "oracle-static"),
        (ALLOCATORS, "thomson", "thompson"),
        (ALLOCATORS, "mcp", "mpc"),
        (WORLDS, "gatway", "gateway"),
        (WORLDS, "read8lama", "read8-llama"),
        (WORLDS, "conflit", "conflict"),
        (WORLDS, "nano", "nano-measured"),
        (WORLDS, "safety", "hidden-safety"),
        (CAPABILITIES, "maths", "math"),
        (CAPABILITIES, "coed", "code"),
        (CAPABILITIES, "coding", "code"),
        (CAPABILITIES, "tool", "tool_use"),
        (CAPABILITIES, "longcontext", "long_context"),
        (CAPABILITIES, "genral", "general"),
        (PAIRS, "nanno", "nano"),
        (PAIRS, "smolm2", "smollm2"),
        (PAIRS, "smollm2-136m", "smollm2-135m"),
        (FIELDS, "bacth", "batch"),
        (FIELDS, "microbatch", "micro_batch"),
        (FIELDS, "stesp", "steps"),
        (FIELDS, "zzz", None),
        (ALLOCATORS, "xyzzy", None),
    ],
)
def test_a_typo_finds_its_name(known: tuple[str, ...], typed: str, meant: str | None) -> None:
    assert nearest(typed, known) == (f"; did you mean {meant!r}?" if meant else "")


@pytest.mark.parametrize("known", [ALLOCATORS, WORLDS, CAPABILITIES])
@given(data=st.data())
def test_one_slip_finds_a_name_that_is_as_near(known: tuple[str, ...], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([k for k in known if len(k) > 3]))
    at = data.draw(st.integers(0, len(name) - 2))
    typed = data.draw(
        st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + "z" + name[at:],
                name[:at] + "z" + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            ]
        )
    )
    said = nearest(typed, known).removeprefix("; did you mean '").removesuffix("'?")
    assert edits(typed, said) <= 1


def test_names_that_are_no_text_are_shown() -> None:
    assert "did you mean 10?" in str(unknown("size", "100", (1, 10)))  # type: ignore[arg-type]
