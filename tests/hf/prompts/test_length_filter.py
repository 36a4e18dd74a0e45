"""Prompts for models with a short context, and letters that a tokenizer does not have."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS, char_pair, tiny_run


def library(**templates: Any) -> Any:
    from readsim_hf.prompts.library import NANO, Library

    return Library("made", NANO, {"math": tuple(templates.values())})


class Lengths:
    """A template whose prompts have a random number of letters."""

    capability = "math"

    def __init__(self, name: str, low: int, high: int) -> None:
        self.id, self.low, self.high = f"math/{name}", low, high

    def make(self, rng: np.random.Generator) -> Any:
        from readsim_hf.prompts.prompt import Prompt

        return Prompt("math", self.id, "x" * int(rng.integers(self.low, self.high + 1)))


def short(prompt: Any) -> bool:
    return len(prompt.text) <= 10


def test_prompts_that_do_not_fit_are_drawn_again_and_the_others_stay() -> None:
    from readsim_hf.prompts.length_filter import filter_by_length

    small, mixed, large = Lengths("s", 1, 9), Lengths("m", 1, 30), Lengths("l", 11, 30)
    kept, left_out = filter_by_length(library(small=small, mixed=mixed, large=large), short)
    assert left_out == ["math/l"]
    first, second = kept.templates["math"]
    for seed in range(50):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        assert first.make(rng) == small.make(same)
        assert short(second.make(np.random.default_rng(seed)))
    with pytest.raises(ConfigError, match="no template of 'math'"):
        filter_by_length(library(large=large), short)


@pytest.mark.extra(*NEEDS)
def test_templates_that_no_context_holds_are_left_out_of_a_run() -> None:
    """Everything that is trained on or probed then fits."""
    room = 40
    pair = char_pair()
    object.__setattr__(pair, "context", room + 8)
    backend = tiny_run(pair=pair, probes={"probe": 3, "dev": 2, "test": 2, "max_new_tokens": 4})
    parts = backend.components
    asked = parts.suite.splits.questions(generated=True)
    assert max(map(len, asked)) + 1 <= room
    rng = np.random.default_rng(0)
    for templates in parts.library.templates.values():
        assert max(len(t.make(rng).text) for t in templates for _ in range(20)) + 1 <= room
    backend.reset(0)
    backend.run_interval(0, np.ones(8) / 8, 60)


@pytest.mark.extra(*NEEDS)
def test_a_template_that_the_teacher_cannot_read_is_refused(tmp_path: Path) -> None:
    line = {
        "id": "math/euro",
        "capability": "math",
        "text": "H\u00e9: {n}\u20ac",
        "slots": {"n": {"type": "integer", "low": 1, "high": 99}},
        "expression": "n",
        "checker": "number",
    }
    (tmp_path / "mine.jsonl").write_text(json.dumps(line))
    with pytest.raises(ConfigError, match=r"math/euro.*no tokens"):
        tiny_run(data={"templates": [str(tmp_path / "mine.jsonl")]})
