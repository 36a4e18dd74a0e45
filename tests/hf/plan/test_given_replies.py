"""A plan where the data give replies, some or all: what the teacher scores, what the student writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_app import call
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

BUDGET = 6000
SAID = "123"  # three tokens of the character pair, and one that ends the reply


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = [{"prompt": f"plus {n}=", "completion": SAID} for n in range(100, 400)]
    Path("plus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    asks = [{"prompt": f"minus {n}="} for n in range(100, 400)]
    Path("minus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asks))
    for name in ("plus", "minus"):
        items = [{"question": f"{name} {n}?", "answer": "7"} for n in range(100)]
        Path(f"{name}_items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items))


def options(*names: str) -> dict[str, Any]:
    tasks = [
        {"path": f"{name}_items.jsonl", "capability": name, "metric": "exact"} for name in names
    ]
    return {
        "budget": BUDGET,
        "steps": 2,
        "data": {"cache": "", "sources": [{"path": f"{name}.jsonl"} for name in names]},
        "probes": {"probe": 20, "dev": 20, "test": 20, "tasks": tasks},
    }


def planned(*names: str, **more: Any) -> Any:
    from readsim_hf.config import resolve_config
    from readsim_hf.plan.dry_run import dry_run

    return dry_run(resolve_config(None, options(*names) | more))


def work(made: Any) -> dict[str, Any]:
    from readsim_hf.plan.estimate import work_of

    return {one.kind: one for one in work_of(made)}


SEQUENCES = BUDGET / (len(SAID) + 1)  # all of the budget on given replies
PROMPT = 9  # "plus 123=", which the character pair reads as it stands


@pytest.mark.parametrize(
    ("method", "scored", "rolled"),
    [("gkd", 1.0, 0.5), ("logit-kd", 1.0, 0.0), ("opd", 1.0, 1.0), ("resp-sft", 0.0, 0.0)],
)
def test_given_replies_are_scored_and_rollouts_are_written(
    method: str, scored: float, rolled: float
) -> None:
    """By hand: every sequence is scored where distributions are wanted, and none is written by a teacher."""
    made = planned("plus", method=method)
    found, length = work(made), PROMPT + len(SAID) + 1
    shape = made.teachers[0].shape
    tokens = {kind: one.tokens for kind, one in found.items()}
    assert "teacher writes" not in tokens
    assert tokens.get("teacher scores", 0.0) == pytest.approx(scored * SEQUENCES * length)
    assert tokens.get("student rollout reads", 0.0) == pytest.approx(rolled * SEQUENCES * PROMPT)
    wrote = rolled * SEQUENCES * (len(SAID) + 1)
    assert tokens.get("student rollout writes", 0.0) == pytest.approx(wrote)
    kinds = made.spent.kinds
    assert kinds["teacher_scored"] == pytest.approx(tokens.get("teacher scores", 0.0))
    assert kinds["teacher_prompt"] == 0
    assert kinds["student_rollout"] == pytest.approx(wrote)
    if scored:
        least = 2 * shape.body * SEQUENCES * length  # the products of one pass
        assert least < found["teacher scores"].flops < 1.5 * least


def test_a_plan_without_anybody_asked_divides_nothing_by_nothing() -> None:
    """Warnings are errors here: neither shares nor the longest reply are 0 / 0."""
    from readsim_hf.plan.estimate import memory_of
    from readsim_hf.plan.show import plan_headline

    for method, said in (
        ("gkd", "0.866M teacher, "),
        ("resp-sft", "0.866M teacher that is not asked, "),
    ):
        made = planned("plus", method=method)
        first = plan_headline(made)[0]
        assert said in first
        assert "0 %" not in first
        assert memory_of(made).teacher_cache == 0  # it writes nothing
        assert made.spent.fresh == 1.0


def test_some_sources_give_replies_and_some_ask() -> None:
    """Half of the budget each: what is asked is written, what is given is scored."""
    made = planned("plus", "minus", method="logit-kd")
    tokens = {kind: one.tokens for kind, one in work(made).items()}
    given, asked = made.spent.drawn
    [teacher] = made.teachers
    assert given == pytest.approx(SEQUENCES / 2)
    assert (teacher.answers, teacher.scores) == pytest.approx((asked, given))
    assert tokens["teacher writes"] == pytest.approx(asked * teacher.said)
    assert tokens["teacher scores"] == pytest.approx(given * (PROMPT + len(SAID) + 1))
    assert made.spent.kinds["teacher_prompt"] == pytest.approx(tokens["teacher reads"])
    assert made.spent.kinds["teacher_scored"] == pytest.approx(tokens["teacher scores"])
    words = planned("plus", "minus", method="resp-sft")
    assert words.teachers[0].share == pytest.approx(1.0)
    assert "teacher scores" not in work(words)


def test_a_method_that_only_rolls_out_has_no_scores() -> None:
    """grpo grades the student's replies; kdrl has the teacher read them besides."""
    grpo, kdrl = (work(planned(method=method, data={})) for method in ("grpo", "kdrl"))
    assert {"teacher scores", "teacher reads", "teacher writes"} & set(grpo) == set()
    assert "teacher scores" in kdrl
    assert "teacher writes" not in kdrl
    for found in (grpo, kdrl):
        assert found["student rollout writes"].tokens > BUDGET / 2


def test_the_teachers_states_are_a_pass_in_training() -> None:
    found = work(planned(method="pkd", data={}))
    assert found["teacher's states"].tokens == found["training"].tokens
    assert found["teacher's states"].part == "train"


def test_several_teachers_score_each_its_own_prompts() -> None:
    made = planned(
        data={},
        method="mopd",
        pair={
            "teacher": "nano/teacher",
            "student": "nano/student",
            "teachers": {"math": "nano/student"},
        },
    )
    read = sum(one.tokens for kind, one in work(made).items() if kind.endswith("scores"))
    assert read == pytest.approx(made.spent.kinds["teacher_scored"])
    assert all(0.0 < teacher.share < 1.0 for teacher in made.teachers)


def test_a_store_of_given_replies_takes_room() -> None:
    from readsim_hf.plan.spending import store_of

    made = planned("plus", method="logit-kd")
    assert made.spent.different == 300  # rows; each stands once in a store
    assert store_of(made, small=False) > 300 * 4 * made.kept


def test_many_epochs_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    from readsim_hf.plan.show import plan_headline

    few = [line for line in plan_headline(planned("plus")) if line.startswith("warning")]
    assert few == []  # 5 epochs
    [line] = [
        line
        for line in plan_headline(planned("plus", budget=120_000_000))
        if line.startswith("warning")
    ]
    assert line.startswith("warning: source plus would be repeated for 100,000 epochs")
    Path("run.toml").write_text(_toml(options("plus") | {"budget": 120_000}))
    code, said, _ = call(capsys, "distill", "--config", "run.toml", "--dry-run", "--out", "out")
    assert code == 0
    assert "warning: source plus would be repeated for 100 epochs" in " ".join(said.split())


def _toml(table: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(table)


@pytest.mark.slow
def test_a_plan_beside_a_run_of_given_replies(capsys: pytest.CaptureFixture[str]) -> None:
    """What is scored is exact but for the student's lengths."""
    from readsim.runs.log_schema import read_content

    Path("run.toml").write_text(_toml(options("plus")))
    given = ("distill", "--config", "run.toml", "--method", "logit-kd", "--cache", "")
    assert call(capsys, *given, "--out", "out")[0] == 0
    [log] = Path("out/runs").glob("*.jsonl")
    totals = read_content(log).rows[-1]["totals"]
    kinds = planned("plus", method="logit-kd").spent.kinds
    assert totals["teacher_generated"] == kinds["teacher_generated"] == 0
    assert totals["teacher_prompt"] == kinds["teacher_prompt"] == 0
    assert totals["teacher_scored"] == pytest.approx(kinds["teacher_scored"], rel=0.1)
    assert np.isfinite(list(kinds.values())).all()
