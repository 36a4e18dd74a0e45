"""What is wrong with a user's files is said before a model is loaded, all of it at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.cli.test_app import call
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS, "datasets")


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import readsim_hf.distill

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(readsim_hf.distill, "pair_of", refuse)
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def write(name: str, rows: list[dict[str, str]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def asked(numbers: range, question: str = "question", answer: str = "answer") -> list[Any]:
    return [{question: f"{n} + {n} =", answer: str(2 * n)} for n in numbers]


def look(sources: list[str], evaluation: str, **more: Any) -> Any:
    from readsim_hf.config import RunConfig
    from readsim_hf.first_look import first_look

    given = {
        "data": {"sources": [{"path": path} for path in sources]},
        "probes": {"tasks": [{"capability": "sums", "path": evaluation}], "test": 64},
    }
    return first_look(RunConfig.of(given, more))


def test_all_that_is_wrong_is_said_at_once_and_before_a_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("items.jsonl", [{"query": "1 + 1 =", "result": "2"}])
    write("odd.jsonl", [{"text": "1 + 1 ="}])
    tables = [f'[[data.sources]]\npath = "{name}.jsonl"\n' for name in ("odd", "none")]
    Path("run.toml").write_text("".join(tables))
    more = ("--eval", "sums=items.jsonl", "--allocator", "gone_module:Follow")
    code, _, err = call(capsys, "distill", "--config", "run.toml", *more)
    assert code == 2
    err = " ".join(err.split())
    assert "4 things are wrong: (1) allocator 'gone_module:Follow'" in err
    assert "(2) items.jsonl, line 1: no column 'question', 'answer'" in err
    assert 'columns = {question = "result"}' in err
    assert "(3) odd.jsonl: no column" in err
    assert "(4) " in err.partition("(3)")[2]
    assert "none.jsonl" in err.partition("(4)")[2]


def test_a_source_of_held_out_rows_alone_names_their_file() -> None:
    write("rows.jsonl", asked(range(40), "prompt", "gold"))
    write("items.jsonl", asked(range(60)))
    wrong = r"'rows': none of its 40 rows .* held-out items of items.jsonl; put other rows .*probes.test = 64"
    with pytest.raises(ConfigError, match=wrong):
        look(["rows.jsonl"], "items.jsonl")


def test_one_row_that_is_left_is_enough() -> None:
    write("items.jsonl", asked(range(60)))
    write("rows.jsonl", asked(range(61), "prompt", "gold"))
    assert type(look(["rows.jsonl"], "items.jsonl", allocator="uniform")).__name__ == "Uniform"


def test_rows_beyond_the_sizes_of_the_splits_may_be_trained_on() -> None:
    write("rows.jsonl", asked(range(60), "prompt", "gold"))
    write("items.jsonl", asked(range(60)))
    sizes = {
        "tasks": [{"capability": "sums", "path": "items.jsonl"}],
        "probe": 4,
        "dev": 4,
        "test": 8,
    }
    look(["rows.jsonl"], "items.jsonl", probes=sizes)
