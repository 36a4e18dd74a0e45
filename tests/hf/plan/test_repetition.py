"""A plan with data of the user's: how often rows come again, and how long their replies are known to be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

ROWS = {"plus": 40, "minus": 400}
BUDGET = 6000


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, many in ROWS.items():
        lines = [{"prompt": f"{name} {n}="} for n in range(many)]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        items = [{"question": f"{name} {n}?", "answer": "7"} for n in range(30)]
        Path(f"{name}_items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items))


def planned(cache: str = "t.sqlite", **more: Any) -> Any:
    from readsim_hf.config import resolve_config
    from readsim_hf.plan.dry_run import dry_run

    options = {
        "budget": BUDGET,
        "steps": 2,
        "data": {
            "cache": cache,
            "sources": [{"path": f"{name}.jsonl", "name": name} for name in ROWS],
        },
        "probes": {
            "probe": 8,
            "dev": 8,
            "test": 8,
            "tasks": [
                {"path": f"{name}_items.jsonl", "capability": name, "metric": "exact"}
                for name in ROWS
            ],
        },
    }
    return dry_run(resolve_config(None, options), **more)


def heard(name: str, reply: str, many: int) -> None:
    """Replies that an earlier run left in the cache."""
    from readsim_hf.teachers.cache import SignalCache
    from readsim_hf.teachers.heard import Heard, tell

    one: dict[str, Any] = {
        "teacher": "t",
        "capability": name,
        "template": name,
        "prompt": "p",
        "gold": None,
        "signal": "logit",
        "reply": reply,
        "supervised": reply,
        "finish": "stop",
        "prompt_tokens": 3,
        "reply_tokens": 4,
        "reason": None,
        "right": None,
    }
    keys = [f"{name}{reply}{n}".encode() for n in range(many)]
    tell({key: Heard(**one) for key in keys}, SignalCache("t.sqlite"), None)


def test_rows_come_to_an_end_and_are_answered_once() -> None:
    from readsim_hf.plan.estimate import work_of
    from readsim_hf.plan.show import assumptions, plan_headline

    made = planned()
    said = made.config.decoding.max_new_tokens / 2
    drawn = BUDGET / 2 / said
    assert made.spent.drawn == pytest.approx([drawn, drawn])
    assert made.spent.epochs == pytest.approx([drawn / many for many in ROWS.values()])
    fresh = sum(min(drawn, many) for many in ROWS.values()) / (2 * drawn)
    assert made.spent.fresh == pytest.approx(fresh)
    assert fresh < 1
    again = planned(cache="")
    assert again.spent.fresh == 1.0
    written, anew = (
        sum(w.tokens for w in work_of(plan) if w.part == "teacher") for plan in (made, again)
    )
    assert written == pytest.approx(fresh * anew)
    assert made.spent.kinds == again.spent.kinds  # the account has each time
    lines = " ".join([*plan_headline(made), *assumptions(made, 0.4, 0.5)])
    assert f"{drawn / 40:.3g} epochs: each row comes that often" in lines
    assert "a guess" in lines
    assert "gold" not in lines


def test_measured_lengths_take_the_place_of_the_guess() -> None:
    from readsim_hf.plan.show import assumptions

    heard("plus", "12", 5)
    one = planned()
    assert one.spent.known == ("measured", "guess")
    heard("minus", "1234", 5)
    both = planned()
    assert both.spent.known == ("measured", "measured")
    assert both.spent.drawn == pytest.approx([BUDGET / 2 / 3, BUDGET / 2 / 5])  # with an end token
    lines = " ".join(assumptions(both, 0.4, 0.5))
    assert "as measured in an earlier run or check" in lines
    assert "a guess" not in lines
    assert planned(measured=False).spent.known == ("guess", "guess")


def test_few_and_other_replies_measure_nothing() -> None:
    heard("plus", "12", 3)
    heard("other", "12", 50)
    assert planned().spent.known == ("guess", "guess")
    assert np.isfinite(planned().spent.epochs).all()
