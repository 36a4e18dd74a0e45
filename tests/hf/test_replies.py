"""`readsim replies`: what a file of teacher replies holds, of local teachers and of servers."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import call
from tests.support.hf import NEEDS
from tests.support.hf_runs import small
from tests.support.made_server import served, serving

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)


def local(path: str) -> Any:
    """A teacher whose replies to a few prompts are in the file; what it was told and what was kept."""
    from readsim_hf.check.answers import first_prompts

    parts = small(method="resp-sft", data={"cache": path, "group": 4}).components
    parts.open_cache()
    prompts = [p for some in first_prompts(parts, 0, 5).values() for p in some]
    records = parts.teacher.ask(prompts)
    return parts.teacher, prompts, records


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = call(capsys, "replies", *arguments, "--json")
    assert (code, err) == (0, "")
    (one,) = json.loads(out)["files"]
    return dict(one)


def test_replies_of_a_local_teacher(capsys: pytest.CaptureFixture[str]) -> None:
    teacher, prompts, records = local("t.sqlite")
    whole = document(capsys, ".", "--show", "1000")
    assert whole["replies"] == teacher.counts.generated == len(whole["examples"])
    assert whole["reply_tokens"] == teacher.counts.generated_tokens
    assert whole["prompt_tokens"] == teacher.counts.prompt_tokens
    assert sum(whole["rejected"].values()) == teacher.counts.rejected
    assert (whole["without_text"], whole["damaged"]) == (0, 0)
    trained = {e["prompt"]: e for e in whole["examples"] if e["kept"]}
    for prompt, record in zip(prompts, records, strict=True):
        if record is not None:
            shown = trained[prompt.text]
            first, end = record.span
            assert shown["supervised"] == teacher.text(record.completion_ids[first:end])
            assert shown["gold"] == prompt.answer
    math = document(capsys, "t.sqlite", "--capability", "math", "--rejected", "--show", "99")
    assert {e["capability"] for e in math["examples"]} <= {"math"}
    assert not any(e["kept"] for e in math["examples"])
    code, out, _ = call(capsys, "replies", "t.sqlite", "--show", "1")
    assert code == 0
    assert f"prompt:  {whole['examples'][0]['prompt']!r}" in out
    code, _, err = call(capsys, "replies", "t.sqlite", "--capability", "mat")
    assert code != 0
    assert "did you mean 'math'?" in err


@pytest.mark.extra("openai")
def test_replies_of_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    from readsim_hf.prompts.prompt import Prompt

    asked = [Prompt("math", "made/up", f"{n}+1", "43", checker="number") for n in range(3)]
    with serving() as fake:
        teacher = served(fake.url, "t.sqlite")
        teacher.ask(asked)
    found = document(capsys, "t.sqlite", "--show", "9")
    assert found["replies"] == 3
    assert found["finish"] == {"stop": 3}
    assert [found["prompt_tokens"], found["reply_tokens"]] == fake.usage
    assert found["teachers"] == ["server:m"]
    assert {e["prompt"] for e in found["examples"]} == {p.text for p in asked}


@pytest.mark.extra("openai")
def test_a_data_set_is_one_row_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """However many rows it has; the examples say which."""
    from readsim_hf.prompts.prompt import Prompt

    rows = [Prompt("sums", f"sums#{n}", f"{n}+1", str(n + 1), checker="number") for n in range(4)]
    with serving() as fake:
        served(fake.url, "t.sqlite").ask([*rows, Prompt("sums", "made/up", "9+1", "10")])
    found = document(capsys, "t.sqlite", "--show", "9")
    assert [(t["template"], t["replies"]) for t in found["templates"]] == [
        ("(rows)", 4),
        ("made/up", 1),
    ]
    assert {e["template"] for e in found["examples"]} == {*(r.template for r in rows), "made/up"}


def test_what_a_server_says_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither markup nor what commands a terminal, in the table or in an example."""
    local("t.sqlite")
    code, out, _ = call(capsys, "replies", "t.sqlite", "--show", "99")
    assert code == 0
    assert "\x1b" not in out


def test_an_older_file_gets_its_text_when_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    teacher, prompts, _ = local("t.sqlite")
    with sqlite3.connect("t.sqlite") as connection:
        connection.execute("DROP TABLE heard")
    connection.close()
    older = document(capsys, "t.sqlite")
    assert older["replies"] == 0
    assert older["without_text"] == teacher.counts.generated
    teacher.ask(prompts)
    newer = document(capsys, "t.sqlite")
    assert (newer["replies"], newer["without_text"]) == (older["without_text"], 0)


def test_damage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    local("t.sqlite")
    before = document(capsys, "t.sqlite")["replies"]
    with sqlite3.connect("t.sqlite") as connection:
        row = "(SELECT rowid FROM heard LIMIT 1)"
        connection.execute(f"UPDATE heard SET value = x'00' WHERE rowid = {row}")
    connection.close()
    found = document(capsys, "t.sqlite")
    assert (found["replies"], found["damaged"]) == (before - 1, 1)
    Path("empty.sqlite").touch()
    Path("text.sqlite").write_text("no database at all " * 99)
    for name, words in (
        ("empty.sqlite", "is empty"),
        ("text.sqlite", "is damaged"),
        ("none.sqlite", "no such file"),
    ):
        code, _, err = call(capsys, "replies", name)
        assert code != 0
        assert words in err
        assert len(err.splitlines()) == 1
    assert not Path("none.sqlite").exists()
    assert Path("empty.sqlite").read_bytes() == b""
    code, out, err = call(capsys, "replies", ".")
    assert code == 0
    assert "t.sqlite:" in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["warning"] * 2
    Path("nothing").mkdir()
    code, _, err = call(capsys, "replies", "nothing")
    assert "no file of teacher replies" in err
