"""A student without a teacher: all replies are given."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from tests.cli.test_app import call
from tests.support.chat_models import FAMILIES, chat_folder
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS, "datasets")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("alone") / "student"
    return str(chat_folder(folder, FAMILIES["phi-4"], instruct=True, seed=1))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(12)]
    files = {
        "given.jsonl": given,
        "asked.jsonl": [{"prompt": f"What is {n}?"} for n in range(4)],
        "items.jsonl": [{"question": f"How much is {n}?", "answer": str(n)} for n in range(30)],
    }
    for name, rows in files.items():
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def settings(student: str, **pair: Any) -> dict[str, Any]:
    return {
        "pair": {"student": student, "context": 128, **pair},
        "method": "resp-sft",
        "budget": 120,
        "steps": 2,
        "training": {"batch": 4},
        "data": {"sources": [{"path": "given.jsonl", "name": "given"}]},
        "probes": {
            "tasks": [{"capability": "much", "path": "items.jsonl", "metric": "numeric"}],
            "probe": 4,
            "dev": 4,
            "test": 6,
            "max_new_tokens": 4,
        },
    }


def test_it_trains_as_beside_a_teacher_that_nobody_asks(student: str) -> None:
    from readsim_hf import make_backend

    ends = []
    for pair in ({}, {"teacher": student, "teacher_precision": "fp32"}):
        backend = make_backend(**settings(student, **pair))
        backend.reset(3)
        measured = backend.run_interval(0, np.ones(1), 60)
        assert measured.token_usage["teacher_prompt"] == 0
        ends.append((backend.student.weights(), backend.trained))
    (alone, trained), (beside, others) = ends
    assert all((alone[name] == beside[name]).all() for name in alone)
    assert trained == others


def test_it_has_no_scores_of_a_teacher(student: str) -> None:
    from readsim_hf import make_backend

    backend = make_backend(**settings(student))
    backend.reset(0)
    with pytest.raises(CapabilityMissingError, match="its replies are given"):
        backend.teacher_profile()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": {"sources": [{"path": "asked.jsonl"}]}},
            "there is no teacher to give the replies of asked",
        ),
        ({"data": {}}, "there is no teacher to give the replies of general, steerability"),
        (
            {"method": "logit-kd"},
            "there is no teacher to give distributions, which the method needs",
        ),
        ({"on_policy": 0.5, "method": "", "signal": "resp", "objective": "fkl"}, "distributions"),
    ],
)
def test_what_somebody_would_have_to_say_is_refused(
    student: str, change: dict[str, Any], message: str
) -> None:
    from readsim_hf import make_backend

    with pytest.raises(ConfigError, match=message):
        make_backend(**settings(student) | change)


def test_the_commands_say_that_there_is_no_teacher(
    student: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import tomli_w

    Path("run.toml").write_text(tomli_w.dumps(settings(student)))
    code, said, _ = call(capsys, "plan", "--config", "run.toml")
    assert code == 0
    assert "no teacher" in said
    code, said, _ = call(capsys, "distill", "--config", "run.toml", "--out", "o", "--check")
    assert code == 0
    assert "the teacher is not asked: all replies are given" in said
    code, _, err = call(capsys, "teach", "--config", "run.toml", "--out", "s", "--prompts", "4")
    assert code == 2
    assert "`teach` asks a teacher; name one" in " ".join(err.split())


def test_what_a_modifier_cannot_do_is_said_before_a_run(
    student: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import tomli_w

    table = {**settings(student), "allocator": "uniform+stop=2"}
    table["data"]["sources"][0]["name"] = "[red]given[/red]"
    Path("run.toml").write_text(tomli_w.dumps(table))
    code, _, err = call(capsys, "distill", "--config", "run.toml", "--out", "o", "--check")
    assert code == 2
    assert "no source has the name of a visible capability" in " ".join(err.split())
    table["allocator"] = "uniform"
    Path("run.toml").write_text(tomli_w.dumps(table))
    code, said, _ = call(capsys, "distill", "--config", "run.toml", "--out", "o", "--check")
    assert code == 0
    assert "[red]given[/red]#0 (answer)" in said


@pytest.mark.usefixtures("right_by_chance")
def test_it_may_learn_from_its_own_right_replies(student: str) -> None:
    """Nobody else is asked by own-right, of rows with gold answers."""
    from readsim_hf import make_backend

    rows = [{"prompt": f"What is {n}?", "answer": str(n)} for n in range(12)]
    Path("gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"sources": [{"path": "gold.jsonl", "name": "gold"}]}
    decoding = {"max_new_tokens": 8}
    own = {"method": "own-right", "data": data, "decoding": decoding}
    backend = make_backend(**(settings(student) | own))
    backend.reset(0)
    used = backend.run_interval(0, np.ones(1), 30).token_usage
    assert used["student"] == 30
    assert used["student_rollout"] > 0
    assert not any(used[kind] for kind in ("teacher_prompt", "teacher_generated", "teacher_scored"))
