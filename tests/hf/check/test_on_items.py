"""What `--check` says of a teacher whose prompts have no gold answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.hf import NEEDS
from tests.support.made_server import chat, serving

pytestmark = pytest.mark.extra(*NEEDS, "openai")

MANY = 4


def told(body: dict[str, Any]) -> Any:
    """Right on sums whose first number is even; the same words to all else."""
    text = body["messages"][-1]["content"]
    if "+" not in text:
        return chat("<b>words</b>")
    first, second = map(int, text.rstrip("=?").split("+"))
    return chat(str(first + second) if first % 2 == 0 else "0")


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """What a check of two sources writes and says; `sums` alone has an evaluation."""
    from readsim_hf.distill import distill

    for name, lines in {
        "sums": [{"prompt": f"{n}+{n + 1}="} for n in range(40)],
        "tales": [{"prompt": f"tale {n}"} for n in range(40)],
        "items": [{"question": f"{n}+{2 * n}?", "answer": str(3 * n)} for n in range(100, 160)],
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serving(answer=told) as fake:
        settings = {
            "pair": {"teacher": fake.url, "teacher_model": "m", "student": "nano/student"},
            "method": "resp-sft",
            "budget": 600,
            "steps": 2,
            "decoding": {"max_new_tokens": 24},
            "data": {
                "sources": [
                    {"name": n, "path": str(folder / f"{n}.jsonl")} for n in ("sums", "tales")
                ]
            },
            "probes": {
                "probe": 6,
                "dev": 6,
                "test": 6,
                "tasks": [
                    {
                        "capability": "sums",
                        "path": str(folder / "items.jsonl"),
                        "metric": "exact",
                    }
                ],
            },
        }
        assert distill(None, settings, folder / "out", check=MANY)
    (path,) = (folder / "out" / "runs").glob("*.check.json")
    read: dict[str, Any] = json.loads(path.read_text())
    return read["teacher"], capsys.readouterr().out


def test_the_teacher_is_scored_by_the_evaluation_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.benchmark_factory import own_evaluations
    from readsim_hf.config import ProbeConfig
    from readsim_hf.probes.own.config import TaskConfig

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERMINAL_WIDTH", "300")
    found, said = checked(tmp_path, capsys)
    ((name, one),) = found["evaluations"].items()
    task = TaskConfig("sums", path=str(tmp_path / "items.jsonl"), metric="exact")
    ((_, split, _),) = own_evaluations(ProbeConfig(probe=6, dev=6, test=6), task)
    items = [item.data for item in split.probe[:MANY]]
    right = [int(str(item["question"]).partition("+")[0]) % 2 == 0 for item in items]
    assert (one["items"], one["capability"]) == (len(items), "sums")
    assert one["score"] == pytest.approx(sum(right) / len(right))
    assert f"on {len(items)} items of {name}: {100 * one['score']:.1f} of 100 by exact" in said
    for source in ("sums", "tales"):
        kept = found["accuracy"][source]["kept"]
        assert len(kept) == 3
        assert said.count(f"reply ({source}): ") == 3
    assert "<b>words</b>" in said
    (line,) = [w for w in found["warnings"] if "nothing says" in w]
    assert "tales" in line
