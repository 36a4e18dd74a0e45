"""What a method needs of teachers and data is said before a model is loaded, in plans and dry runs too."""

import json
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.cli.test_app import call
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

INSTRUCT = {
    "teacher": "meta-llama/Llama-3.3-70B-Instruct",
    "student": "meta-llama/Llama-3.1-8B-Instruct",
}


def checked(method: str, *rows: dict[str, str], **table: Any) -> None:
    """Refused by the first look at a run's settings, which loads nothing."""
    from readsim_hf.config import resolve_config
    from readsim_hf.first_look import first_look

    if rows:
        Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        table["data"] = {"cache": "", "templates": "none", "sources": [{"path": "rows.jsonl"}]}
        if "gold" in rows[0]:
            table["data"]["sources"][0]["answer"] = "gold"
    given = {"decoding": {"temperature": 0.7}, "method": method} | table
    first_look(resolve_config(None, given))


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_says_what_the_signals_say() -> None:
    """`needs` in words, and what is checked."""
    from readsim_hf.elicitation.base import Elicitation, ElicitationConfig
    from readsim_hf.elicitation.catalogue import make_signal
    from readsim_hf.methods.table import METHODS

    for name, method in METHODS.items():
        signal = make_signal(method.signal, ElicitationConfig()) if method.signal else None
        if isinstance(signal, Elicitation):
            assert signal.prose is ("prose" in method.needs), name
            assert not signal.gold or "gold" in method.needs, name


@pytest.mark.parametrize("pair", ["nano", "micro"])
@pytest.mark.parametrize("method", ["peer-review", "critique", "new-prompts", "corrected"])
def test_the_shipped_pairs_write_no_prose(method: str, pair: str) -> None:
    message = f"method '{method}' needs a teacher that writes prose, and '{pair}/teacher' writes"
    with pytest.raises(ConfigError, match=message):
        checked(method, pair={"name": pair})
    checked(method, pair=INSTRUCT)
    with pytest.raises(ConfigError, match="needs a teacher that writes prose"):
        checked(method, pair=INSTRUCT | {"teachers": {"math": f"{pair}/teacher"}})


@pytest.mark.parametrize("command", [("plan",), ("distill", "--dry-run"), ("teach", "--dry-run")])
def test_every_command_refuses(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = call(capsys, *command, "--method", "peer-review")
    assert code == 2
    assert "needs a teacher that writes prose" in " ".join(error.split())


def test_methods_of_text_run_on_the_shipped_pairs() -> None:
    for method in ("step-by-step", "several-traces", "own-right", "own-words", "grpo"):
        checked(method)


@pytest.mark.parametrize("method", ["own-right", "corrected", "errors-varied", "guided-prompts"])
def test_gold_answers_are_needed_where_nothing_is_learned_without(method: str) -> None:
    rows = {"prompt": "What is 1 + 1?"}
    with pytest.raises(ConfigError, match=r"needs gold answers, and data.sources 'rows' has none"):
        checked(method, rows, pair=INSTRUCT)
    checked(method, rows | {"gold": "2"}, pair=INSTRUCT)
    checked("several-traces", rows, pair=INSTRUCT)  # keeps the first trace


def test_a_judge_that_grades_has_an_address() -> None:
    with pytest.raises(ConfigError, match=r"'judge' with method 'grpo': there is no judge; name"):
        checked("grpo", sampling={"reward": "judge"})
    judge = {"judge": {"address": "http://127.0.0.1:9/v1"}}
    checked("grpo", sampling={"reward": "judge"}, probes=judge)


def test_hidden_states_are_those_of_one_teacher_here() -> None:
    message = r"method 'pkd' reads the hidden states of one teacher in this process"
    server = "http://127.0.0.1:9/v1"
    for more in ({"teacher": server}, {"teachers": {"math": server}}):
        with pytest.raises(ConfigError, match=message):
            checked("pkd", pair=INSTRUCT | more)
    checked("pkd", pair=INSTRUCT)
