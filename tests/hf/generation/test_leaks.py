"""Leaks: a planted one is found, whatever its disguise; what is not one passes."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim_hf.generation.leaks import GRAM, LeakFilter, leak_words
from tests.support.paths import ROOT

ITEM = (
    "A train leaves the old station at nine, and a second train follows it forty minutes later. "
    "When does the second train catch up?"
)
CHINESE = "小明有十二个苹果,他把其中的五个分给了他的妹妹,请问小明现在还剩下多少个苹果?"
HINDI = "एक किसान के पास बारह गायें हैं और वह उनमें से पाँच गायें अपने पड़ोसी को बेच देता है"


def sentence(rng: np.random.Generator, length: int) -> str:
    """Words that no two calls share often enough to matter."""
    return " ".join(f"w{n}" for n in rng.integers(0, 10**9, size=length))


@pytest.mark.parametrize("text", [ITEM, CHINESE, HINDI, "17+25", "Déjà vu?"])
@pytest.mark.parametrize(
    "disguise",
    [
        str,
        str.upper,
        lambda text: "  " + text.replace(" ", "\n\t ") + " ",
        lambda text: text.replace("é", "e\u0301").replace("1", "\uff11"),
    ],
    ids=["copy", "case", "spacing", "composition"],
)
def test_the_same_question_is_a_leak(text: str, disguise: Callable[[str], str]) -> None:
    assert LeakFilter(["something else", text]).leaked(disguise(text)) == "hash"


@pytest.mark.parametrize("text", [ITEM, CHINESE, HINDI])
def test_thirteen_words_in_a_row_are_a_leak(text: str) -> None:
    found = leak_words(text.casefold())
    joint = "" if text is CHINESE else " ... "
    held = LeakFilter([text])
    for start in range(len(found) - GRAM + 1):
        shared = found[start : start + GRAM]
        assert held.leaked("X1" + joint + joint.join(shared) + joint + "X2") == "13-gram"
        assert held.leaked("X1" + joint + joint.join(shared[:-1]) + joint + "X2") is None


def test_words_are_whole_in_spaced_scripts_and_characters_in_others() -> None:
    assert leak_words("don_t stop, naïve x2!") == ["don_t", "stop", "naïve", "x2"]
    assert leak_words(HINDI) == HINDI.split()
    assert leak_words("有12个apples吗") == ["有", "12", "个", "apples", "吗"]
    assert leak_words("ขนม") == ["ข", "น", "ม"]
    assert leak_words("مَدْرَسَة كبيرة") == ["مَدْرَسَة", "كبيرة"]


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_agrees_with_a_comparison_of_all_grams(seed: int, a: int, b: int, shared: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different words, so that texts overlap by chance as well.
    left, right, both = (rng.choice(["a", "b"], size=n).tolist() for n in (a, b, shared))
    one, two = left + both, right + both
    expected = {tuple(one[i : i + GRAM]) for i in range(len(one) - GRAM + 1)} & {
        tuple(two[i : i + GRAM]) for i in range(len(two) - GRAM + 1)
    }
    reason = LeakFilter([" ".join(one)]).leaked(" ".join(two))
    assert reason == ("hash" if one == two else "13-gram" if expected else None)


def test_order_matters() -> None:
    forward = "one two three four five six seven eight nine ten eleven twelve thirteen"
    held = LeakFilter([forward])
    assert held.leaked(forward + " more") == "13-gram"
    assert held.leaked(" ".join(reversed(forward.split())) + " more") is None


def test_short_texts_leak_only_as_a_whole() -> None:
    held = LeakFilter(["What is 17 + 25?"])
    assert held.leaked("What is 17 + 25? Reply with the number.") is None
    assert held.leaked("what is  17 + 25?") == "hash"


def test_boilerplate_is_no_leak_but_its_items_are() -> None:
    rule = "Sort the following words in the order of the alphabet and write them on one line: "
    rng = np.random.default_rng(1)
    items = [rule + sentence(rng, 14) for _ in range(11)]
    new = rule + sentence(rng, 14)
    assert LeakFilter(items).leaked(new) is None
    assert LeakFilter(items[:10]).leaked(new) == "13-gram"
    # A text that stands there many times is one text.
    assert LeakFilter(items[:1] * 50).leaked(new) == "13-gram"
    for item in items:
        assert LeakFilter(items).leaked(item) == "hash"
        assert LeakFilter(items).leaked(item.removeprefix(rule) + " please") == "13-gram"


def test_a_planted_leak_in_thousands_of_texts() -> None:
    rng = np.random.default_rng(2)
    held = [sentence(rng, int(n)) for n in rng.integers(1, 60, size=3000)]
    filter_ = LeakFilter(held)
    assert len(filter_) == 3000
    fresh = [sentence(rng, int(n)) for n in rng.integers(5, 60, size=1000)]
    assert [text for text in fresh if filter_.leaked(text)] == []
    assert all(filter_.leaked(text) == "hash" for text in held)
    stored = sum(value.nbytes for value in vars(filter_).values())
    assert stored <= 8 * (len(held) + sum(len(text.split()) for text in held))


def test_hashes_are_the_same_in_every_process() -> None:
    code = (
        "from readsim_hf.generation.leaks import LeakFilter\n"
        f"held = LeakFilter([{ITEM!r}])\n"
        "print(held._texts.tolist(), held._grams.tolist())"
    )
    root = ROOT
    shown = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root / 'adapters'}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) > 100


def test_scaffolds_of_generated_items_do_not_count_but_their_content_does() -> None:
    rule = "You can call these tools in any order that you like, one after the other, please:"
    tail = "and then tell me in one short line what came out of it, without any other word"

    def asked(n: int) -> str:
        inside = " ".join(f"w{n}{chr(97 + at)}" for at in range(14))
        return f"{rule} {inside} {tail}"

    held = [asked(n) for n in range(4)]
    background = [asked(n) for n in range(100, 140)]
    new = asked(7)
    assert LeakFilter(held).leaked(new) == "13-gram"
    assert LeakFilter([], generated=held).leaked(new) == "13-gram"
    filter_ = LeakFilter([], generated=held, background=background)
    assert filter_.leaked(new) is None
    assert filter_.leaked(held[2]) == "hash"
    assert filter_.leaked(held[2].replace(rule, "Now:")) == "13-gram"
    # somebody else's items are protected whole: a template must not repeat them
    assert LeakFilter(held, background=background).leaked(new) == "13-gram"
