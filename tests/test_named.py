"""What users name: a module that cannot be imported is one sentence, and so is a setting of another kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.errors import ConfigError, ReadsimError
from readsim.named import build, find


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def x(:\n", r"broken\.py, line 1: invalid syntax: def x\(:"),
        ("\n\tx = 1\n  y = 2\n", r"broken\.py, line [23]: "),
        ("import math\n\nmath.sqrt(-1)\n", r"broken\.py, line 3: ValueError: "),
        ("x = 'a\0b'\n", "null bytes"),
        ("import sys\nsys.exit(3)\n", "ends Python when it is imported"),
        ("import nothing_of_this_name\n", "cannot import 'broken'"),
    ],
)
def test_a_module_that_fails_is_one_sentence(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ReadsimError, match=said) as refused:
        find("broken:Thing")
    assert "\n" not in str(refused.value)


def test_a_missing_module_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReadsimError, match="looked for in") as refused:
        find("nothing_of_this_name:Thing")
    assert str(tmp_path) in str(refused.value)
    (tmp_path / "mine_imports.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(ReadsimError, match="nothing_of_this_name") as refused:
        find("mine_imports:Thing")
    assert "looked for" not in str(refused.value)


@pytest.mark.parametrize(
    "target", ["./ts.py:Thompson", "ts.py:Thompson", "some/where/ts.py:Thompson"]
)
def test_a_file_is_no_module_and_the_message_shows_what_is(target: str) -> None:
    with pytest.raises(ConfigError, match=r"such as ts:Thompson, in the folder of ts\.py"):
        find(target)


class Annotated:
    def __init__(self, decay: float = 0.9, many: int = 3, on: bool = True, word: str = "") -> None:
        self.all = (decay, many, on, word)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"decay": "abc"}, "decay = 'abc': expected a number"),
        ({"decay": True}, "decay = True: expected a number"),
        ({"many": 2.5}, "many = 2.5: expected a whole number"),
        ({"on": 1}, "on = 1: expected true or false"),
    ],
)
def test_values_are_what_the_annotation_says(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=f"^allocator 'ts:Rule': {words}$"):
        build("ts:Rule", Annotated, settings, "allocator")


class Bare(Allocator):
    """No annotations: the defaults are of a kind."""

    def __init__(self, gamma=0.9, many=2, on=True, word="a", free=None):  # type: ignore[no-untyped-def]
        self.all = gamma * 1.0, many, on, word, free

    def select(self, state: Any, context: Context) -> Array:
        return np.ones(len(context.setup.sources))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gamma=abc", "gamma = 'abc': expected a number"),  # the constructor fails with it
        ("many=abc", "many = 'abc': expected a number"),
        ("on=abc", "on = 'abc': expected true or false"),
    ],
)
def test_values_are_of_the_default_s_kind(setting: str, words: str) -> None:
    spec = f"tests.test_named:Bare+{setting}"
    with pytest.raises(ConfigError) as refused:
        load_allocator(spec)
    assert str(refused.value) == f"allocator {spec!r}: {words}"
    made = load_allocator("tests.test_named:Bare+gamma=1+many=2.5+on=false+word=1+free=x")
    assert made.__dict__["all"] == (1.0, 2.5, False, 1, "x")


def test_the_settings_of_every_allocator_are_said_to_be_accepted() -> None:
    with pytest.raises(ConfigError, match=r"of every one: average, anchor, .*rollback") as refused:
        load_allocator("tests.test_named:Bare+zeta=1")
    assert "allocator 'tests.test_named:Bare+zeta=1': " in str(refused.value)


def test_values_that_fit_the_annotation_pass() -> None:
    made = build("x", Annotated, {"decay": 1, "many": np.int64(2), "on": False, "word": "a"}, "x")
    assert made.all == (1, 2, False, "a")


@pytest.mark.parametrize(
    ("spec", "near"), [("uniform+flor=0.1", "floor"), ("tests.test_named:Rule+deca=1", "decay")]
)
def test_the_nearest_setting_comes_before_what_is_accepted(spec: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{near}'.; accepted: ") as refused:
        load_allocator(spec)
    assert str(refused.value).count("did you mean") == 1


class Rule(Allocator):
    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay

    def select(self, state: Any, context: Context) -> Array:
        return np.ones(len(context.setup.sources))


def test_a_misspelt_allocator_is_told_of_allocators_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.py").write_text(
        "import readsim\n\nLIMIT = 3\n\n\ndef helper():\n    return 1\n\n\nclass Settings:\n    pass\n\n\n"
        "class PenalisedGreedy(readsim.Allocator):\n    def select(self, state, context):\n"
        "        return context.previous\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ReadsimError, match=r"'Penalised'.*PenalisedGreedy") as refused:
        load_allocator("rules:Penalised")
    assert "helper" not in str(refused.value)
    assert "Settings" not in str(refused.value)
    with pytest.raises(
        ReadsimError, match="helper"
    ):  # what else is found by name may be a function
        find("rules:help", "metric")
