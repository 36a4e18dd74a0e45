"""What methods make of rows: given replies, gold answers, room, which turns are compared and shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.chat_models import FAMILIES, chat_folder
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)

SUMS: list[dict[str, Any]] = [
    {"prompt": f"{n}+{n}", "completion": f" it is {2 * n}", "gold": str(2 * n)}
    for n in range(3, 40)
]


def backend_of(rows: list[dict[str, Any]], pair: Any = None, **more: Any) -> Any:
    """A run on these rows alone, in the folder of the test; `more` goes over its settings."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig

    table = settings_of(rows)
    config = RunConfig.of(table, more)
    return HFBackend(build_components(config, pair or char_pair()), config.budget)


def settings_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = [
        {"question": f"{n} apples and {n} more?", "answer": f"#### {2 * n}"} for n in range(40)
    ]
    Path("gsm.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    source = {"path": "rows.jsonl"} | ({"answer": "gold"} if "gold" in rows[0] else {})
    return {
        "budget": 400,
        "steps": 2,
        "probes": {
            "probe": 2,
            "dev": 2,
            "test": 2,
            "max_new_tokens": 2,
            "benchmarks": [{"name": "gsm8k", "path": "gsm.jsonl", "max_new_tokens": 2}],
        },
        "decoding": {"max_new_tokens": 8},
        "training": {"batch": 8, "learning_rate": 0.01},
        "data": {"group": 4, "keep_cut": True, "templates": "none", "sources": [source]},
    }


def trained(backend: Any, tokens: int = 200) -> list[Any]:
    """The records that one interval trains on."""
    seen: list[Any] = []
    backend.reset(0)
    train = backend.student.train_window

    def note(some: Any, spent: float) -> Any:
        seen.extend(e.record for e in some)
        return train(some, spent)

    backend.student.train_window = note
    backend.run_interval(0, np.ones(len(backend.sources)) / len(backend.sources), tokens)
    return seen


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from readsim_hf.models.pairs import load_pair

    folder = tmp_path_factory.mktemp("pair")
    ends = [
        chat_folder(folder / n, FAMILIES["phi-4"], instruct=True, seed=k)
        for k, n in enumerate("ab")
    ]
    return load_pair(teacher=ends[0], student=ends[1], teacher_precision="fp32", context=512)


@pytest.mark.parametrize("method", ["own-right", "critique", "answer-shown", "several-traces"])
def test_a_signal_that_asks_does_not_pass_over_given_replies(method: str) -> None:
    """It would train on them as they stand, under another name."""
    from readsim_hf.config import RunConfig
    from readsim_hf.first_look import first_look

    said = rf"'rows' has given replies, and signal '{method}' asks .* say replies = 'ask'"
    with pytest.raises(ConfigError, match=said):
        backend_of(SUMS, method=method)
    server = {"teacher": "http://127.0.0.1:9/v1", "student": "x"}  # which writes prose
    with pytest.raises(ConfigError, match=said):
        first_look(RunConfig.of(settings_of(SUMS), {"method": method, "pair": server}))


def test_a_column_of_replies_can_be_what_is_shown() -> None:
    """The advice: asked, with the column of replies as answers, the student writes every text itself."""
    source = {"path": "rows.jsonl", "replies": "ask", "answer": "completion"}
    backend = backend_of(SUMS, method="answer-shown", soft={"k": 5}, data={"sources": [source]})
    records = trained(backend)
    assert all(record.own and record.soft is not None for record in records)
    assert backend._feed.tokens["teacher_generated"] == 0


@pytest.mark.parametrize("known", [1, 36])
def test_a_reward_by_gold_answers_needs_one_in_every_row(known: int) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.first_look import first_look

    rows = [{"prompt": row["prompt"], "gold": row["gold"]} for row in SUMS]
    some = [row | ({} if n < known else {"gold": None}) for n, row in enumerate(rows)]
    said = rf"{known} of 37 rows of data.sources 'rows' have a gold answer; .* use reward = 'judge'"
    for method in ("grpo", "kdrl"):
        with pytest.raises(ConfigError, match=said):
            backend_of(some, method=method)
        with pytest.raises(ConfigError, match=said):
            first_look(RunConfig.of(settings_of(some), {"method": method}))
    backend_of(rows, method="grpo")


def test_answers_are_counted_for_each_source_of_a_file() -> None:
    rows = [
        {"prompt": f"{n}?", "gold": str(n) if n < 12 else None, "topic": "ab"[n % 2]}
        for n in range(20)
    ]
    parted = {"path": "rows.jsonl", "answer": "gold", "by": "topic"}
    with pytest.raises(ConfigError, match=r"6 of 10 rows of data\.sources 'a' have a gold answer"):
        backend_of(rows, method="grpo", data={"sources": [parted]})


def test_lessons_of_rows_with_a_gold_answer_need_some() -> None:
    """Wherever they stand: a row without one gives no lesson, and is no reason to refuse the others."""
    from readsim_hf.config import RunConfig
    from readsim_hf.first_look import first_look

    rows = [{"prompt": row["prompt"], "gold": row["gold"]} for row in SUMS]
    first_look(
        RunConfig.of(settings_of([rows[0] | {"gold": None}, *rows]), {"method": "own-right"})
    )
    none = [row | {"gold": None} for row in rows]
    with pytest.raises(ConfigError, match=r"needs gold answers, and data\.sources 'rows' has none"):
        first_look(RunConfig.of(settings_of(none), {"method": "own-right"}))


def test_groups_beside_given_replies_leave_the_student_room() -> None:
    """Rows whose reply fits the context, and behind whose prompt the student's would not, are passed by."""
    rows = [
        {"prompt": "x" * (90 if n % 3 else 122) + str(n), "completion": "ok"} for n in range(20)
    ]
    records = trained(backend_of(rows, method="dpo"))
    assert {len(r.prompt_ids) > 100 for r in records} == {False}
    longer = trained(backend_of(rows, method="resp-sft"), 100)
    assert any(len(r.prompt_ids) > 100 for r in longer)


def test_replies_that_are_compared_answer_the_same_prompt(chat: Any) -> None:
    """Earlier turns of a given conversation are read, and no part of the better reply."""
    said = ("user", "Say {}"), ("assistant", "{}"), ("user", "Again"), ("assistant", "{}!")
    rows = [
        {"messages": [{"role": role, "content": text.format(n)} for role, text in said]}
        for n in range(12)
    ]
    backend = backend_of(rows, chat, method="dpo")
    records, decode = trained(backend), chat.tokenizer.decode
    for record in records:
        if record.group[0] == 0:
            prompt = record.prompt_ids.tolist()
            assert decode(record.completion_ids[record.places]).startswith(f"{record.row}!")
        assert record.prompt_ids.tolist() == prompt
    (source,) = backend.components.datasets
    assert source.words.endswith("replies are given, the last turn")
    alone = trained(backend_of(rows, chat, method="resp-sft"))
    assert all(decode(r.completion_ids).startswith(f"{r.row}<") for r in alone)


def test_what_the_student_is_shown_is_its_conversation(chat: Any) -> None:
    """All turns of it, with the right reply in the last user turn; the last has no more than that."""
    turns = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Say 5"},
        {"role": "assistant", "content": "5"},
        {"role": "user", "content": "And 6"},
    ]
    backend = backend_of(
        [{"messages": turns, "gold": "6"}] * 3, chat, method="answer-shown", soft={"k": 5}
    )
    from readsim_hf.elicitation.answer_shown import SHOW

    backend.reset(0)
    elicited = backend._feed.teacher
    prompts = backend._feed.streams[0].take(1, 0.0)
    ((lesson,),) = elicited.signal.lessons(prompts, elicited)
    with_reply = SHOW.format(question="And 6", reply="Answer: 6", suffix="")
    shown = [*turns[:-1], {"role": "user", "content": with_reply}]
    tokenizer = chat.tokenizer
    wanted = tokenizer.apply_chat_template(shown, tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(elicited._asked_ids(lesson.shown, lesson.form)) == wanted
    read = tokenizer.decode(elicited._asked_ids(lesson.asked, lesson.form))
    assert read == tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def test_more_of_the_students_distribution_than_there_is_is_refused_at_once() -> None:
    rows = [{"prompt": row["prompt"], "gold": row["gold"]} for row in SUMS]
    with pytest.raises(ConfigError, match="k is 5000: it must be at most the vocabulary"):
        backend_of(rows, method="answer-shown", soft={"k": 5000})
