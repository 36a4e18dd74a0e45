"""Evaluations of the user's: metrics against values worked by hand, splits, refusals, a judge, consent."""

import math
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, ReadsimError, UnknownNameError
from tests.support.hf import NEEDS
from tests.support.made_server import chat, serving
from tests.support.own_evaluations import SUMS, load, write
from tests.support.probe_models import characters, tiny_model

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.mark.parametrize(
    ("metric", "reply", "answers", "score"),
    [
        ("exact", " Paris\n", ["Paris", "paris"], 1.0),
        ("exact", "Paris.", ["Paris"], 0.0),
        ("contains", "It is Paris.", ["Paris"], 1.0),
        ("contains", "It is paris.", ["Paris"], 0.0),
        ("numeric", "so 3 x 24 = $1,072.50.", ["1072.5"], 1.0),
        ("numeric", "5-3", ["3"], 1.0),
        ("numeric", "it is -3", ["3"], 0.0),
        ("numeric", "6/8", ["0.75"], 1.0),
        ("numeric", "none", ["0"], 0.0),
        ("fits_pattern", "a\nb", ["a.b"], 1.0),
        ("fits_pattern", "ab", ["^b"], 0.0),
    ],
)
def test_metrics_by_hand(metric: str, reply: str, answers: list[str], score: float) -> None:
    from readsim_hf.probes.own import metrics

    assert getattr(metrics, metric)(reply, answers) == score


def test_a_pattern_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.probes.own_scoring import follows
    from readsim_hf.prompts import patterns

    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    with pytest.raises(ConfigError, match="takes more than"):
        follows("fullmatch", "(a|aa)+b", "a" * 5000)


def test_probability_of_an_answer_by_hand(tmp_path: Path) -> None:
    import torch

    from readsim_hf.probes.splits import Splits
    from readsim_hf.probes.suite import ProbeSuite

    path = write(tmp_path / "items.jsonl", SUMS)
    ((made, split, words),) = load(path, metric="loglikelihood", delimiter="")
    assert words.endswith("metric loglikelihood")
    model, tokenizer = tiny_model(), characters()
    found = ProbeSuite([made], Splits({made.name: split})).measure(model, tokenizer, "probe")
    for item, score in zip(split.probe, found.scores[made.name], strict=True):
        asked, answer = tokenizer(item.data["question"]).input_ids, item.data["answer"]
        ids = torch.tensor([asked + tokenizer(answer).input_ids])
        with torch.no_grad():
            logp = model(ids).logits.log_softmax(-1)
        each = [float(logp[0, n - 1, ids[0, n]]) for n in range(len(asked), ids.shape[1])]
        assert score == pytest.approx(math.exp(sum(each) / len(each)), rel=1e-4)


@pytest.mark.parametrize("answer", ["B", 1, "no"])
def test_choices_by_letter_number_and_text(answer: Any, tmp_path: Path) -> None:
    rows = [{"question": f"q{n}", "choices": ["yes", "no"], "answer": answer} for n in range(12)]
    ((_, split, words),) = load(write(tmp_path / "mc.jsonl", rows), chance=0.5)
    assert "metric choice (guessed)" in words
    assert {item.data["answer"] for part in split[:3] for item in part} == {1}


def test_splits_hold_still_and_few_items_are_refused(tmp_path: Path) -> None:
    from readsim_hf.probes.splits import Splits

    ((_, one, _),) = load(write(tmp_path / "items.jsonl", SUMS))
    ((_, more, _),) = load(
        write(tmp_path / "items.jsonl", [*SUMS, {"question": "?", "answer": "1"}])
    )
    for before, after in zip(one[:3], more[:3], strict=True):
        assert {i.id for i in before} <= {i.id for i in after}
    ((made, few, _),) = load(write(tmp_path / "items.jsonl", SUMS[:4]))
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        Splits({made.name: few})


def test_three_files_share_no_item(tmp_path: Path) -> None:
    from readsim_hf.probes.splits import Splits

    parts = {"probe": SUMS[:9], "dev": SUMS[8:16], "test": SUMS[16:]}
    files = {name: write(tmp_path / f"{name}.jsonl", rows) for name, rows in parts.items()}
    ((made, split, _),) = load(**files)
    with pytest.raises(ConfigError, match="splits are disjoint"):
        Splits({made.name: split})


def test_examples_are_in_no_split_and_braces_are_text(tmp_path: Path) -> None:
    rows = [{**row, "question": row["question"] + " {answer}"} for row in SUMS]
    prompt = 'Q: {question} {"a": {}} ='
    ((made, split, _),) = load(write(tmp_path / "i.jsonl", rows), shots=2, prompt=prompt)
    item = split.probe[0]
    *shots, _asked, _ = made.ask(item.data).replace("=", "=\n\n").split("\n\n")
    assert made.ask(item.data).endswith(f'Q: {item.data["question"]} {{"a": {{}}}} =')
    assert sum(len(part) for part in split[:3]) == len(rows) - 2
    assert all(i.data["question"] not in " ".join(shots) for part in split[:3] for i in part)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"question": "a", "answer": "1"}\n{"question": "b"}\n', "line 2: no column 'answer'"),
        (
            '{"question": "a", "answer": "1"}\n{"question": "", "answer": "1"}\n',
            "line 2, column 'question'",
        ),
        ('{"question": "a", "answer": "1"}\nnot json\n', "line 2"),
        ("", "no rows"),
    ],
)
def test_damaged_items_are_refused_in_one_line(text: str, wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(text)
    with pytest.raises(ReadsimError) as error:
        load(str(path), metric="exact")
    assert wrong in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_evaluation_may_have_the_columns_of_a_source(tmp_path: Path) -> None:
    named = [{"prompt": row["question"], "gold": row["answer"]} for row in SUMS]
    ((_, split, _),) = load(write(tmp_path / "named.jsonl", named))
    ((_, usual, _),) = load(write(tmp_path / "usual.jsonl", SUMS))
    assert [[i.data for i in part] for part in split[:3]] == [
        [i.data for i in part] for part in usual[:3]
    ]
    both = [{**row, "prompt": "another", "gold": "0"} for row in SUMS]
    ((_, split, _),) = load(write(tmp_path / "both.jsonl", both))
    assert "another" not in {item.data["question"] for item in split.probe}


def test_a_judge_grades_is_asked_nothing_twice_and_is_paid_for(tmp_path: Path) -> None:
    from readsim_hf.probes.own.config import JudgeConfig
    from readsim_hf.probes.splits import Splits
    from readsim_hf.probes.suite import ProbeSuite

    path = write(tmp_path / "items.jsonl", SUMS)
    with serving(answer=lambda body: chat("It is close.\nGRADE: 7")) as fake:
        ((made, split, _),) = load(path, metric="judge", judge=JudgeConfig(fake.url))
        suite = ProbeSuite([made], Splits({made.name: split}))
        first = suite.measure(tiny_model(), characters(), "probe")
        again = suite.measure(tiny_model(), characters(), "probe")
    assert set(first.scores[made.name]) == {0.7}
    assert len(fake.asked) == len(split.probe)
    assert {(body["temperature"], body["seed"]) for body in fake.asked} == {(0.0, 1)}
    assert first.token_usage == again.token_usage
    assert first.token_usage["judge"] == 16 * len(split.probe)


@pytest.mark.parametrize("said", ["GRADE: 11", "GRADE: 7 of 10", "7", "GRADE: 7\nbye", ""])
def test_what_is_no_grade(said: str) -> None:
    from readsim_hf.probes.own.judge import read_grade

    assert read_grade(said, 10) is None


def test_a_settings_file_runs_no_evaluation_of_its_own(tmp_path: Path) -> None:
    from readsim_hf.config import resolve_config

    path = tmp_path / "run.toml"
    for entry in ('yaml = "m.yaml"', 'path = "i.jsonl"\nmetric = "os:getpid"'):
        path.write_text(f'[[probes.tasks]]\ncapability = "x"\nshots = 1\n{entry}\n')
        with pytest.raises(ConfigError, match=r"would run code .*--eval x="):
            resolve_config(path, {})
    given = {"probes": {"tasks": [{"capability": "x", "path": "i.jsonl", "metric": "os:getpid"}]}}
    (task,) = resolve_config(path, given).probes.tasks
    assert (task.metric, task.shots) == ("os:getpid", 1)


def test_a_function_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_scores.py").write_text("def bad(reply, item):\n    return item['answer'] * 2\n")
    path = write(tmp_path / "items.jsonl", SUMS)
    ((made, split, _),) = load(path, metric="my_scores:bad")
    with pytest.raises(ConfigError, match="metric 'my_scores:bad': it returned"):
        made.score(split.probe[0].data, "1")


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("m=a.jsonl:numeric", {"capability": "m", "path": "a.jsonl", "metric": "numeric"}),
        (
            "m=d/a.csv:quick_scores:f",
            {"capability": "m", "path": "d/a.csv", "metric": "quick_scores:f"},
        ),
        ("m=a.yaml", {"capability": "m", "yaml": "a.yaml"}),
        ("m=gsm8k", {"capability": "m", "task": "gsm8k"}),
    ],
)
def test_the_quick_form(
    text: str, table: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.cli.evaluations import parse_eval

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "quick_scores.py").write_text("def f(reply, item):\n    return 1.0\n")
    assert parse_eval(text) == table


@pytest.mark.parametrize(
    ("metric", "near"),
    [("numerc", "numeric"), ("quick_scores:g", "f"), ("no_such_scores:f", "no_such_scores")],
)
def test_a_misspelt_metric_is_refused_with_the_options(
    metric: str, near: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything heavy is loaded, and before the file is looked for."""
    from readsim_hf.cli.evaluations import parse_eval

    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick_scores.py").write_text("def f(reply, item):\n    return 1.0\n")
    with pytest.raises(UnknownNameError) as error:
        parse_eval(f"m=nowhere.jsonl:{metric}")
    assert near in str(error.value)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_number_is_a_place_where_choices_are_texts(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mmlu{suffix}"
    rows = [
        {"question": f"q{n}", "choices": ["1", "2", "3", "4"], "answer": n % 4} for n in range(12)
    ]
    if suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        write(path, rows)
    ((_, split, words),) = load(str(path))
    assert "metric choice" in words
    items = [item for part in split[:3] for item in part]
    assert {item.data["answer"] == int(item.data["question"][1:]) % 4 for item in items} == {True}


ODD: list[tuple[str, dict[str, Any], str]] = [
    ("a.csv", {}, "line 2, column 'answer': '0' could be several of the 2 choices"),
    ("some.jsonl", {}, "line 2: no column 'choices'"),
    ("nan.parquet", {"metric": "numeric"}, "column 'answer': 'nan': expected a number"),
    ("twice.parquet", {}, "column 'question' appears twice"),
    ("sums.jsonl", {"prompt": "{question} {answer}"}, "shows the gold answer, {answer}"),
    (
        "sums.jsonl",
        {"prompt": "{question} {q}", "columns": {"question": "q"}},
        "prompt names {q}, which is {question}",
    ),
    ("sums.jsonl", {"stop": ("\n", "")}, "stop has an empty text"),
    ("few.jsonl", {}, "probe items; at least 2 .*differ, in all: [123]"),
]


@pytest.mark.parametrize(("name", "settings", "said"), ODD)
def test_odd_items_are_refused(
    name: str, settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    from readsim_hf.probes.splits import Splits

    (tmp_path / "a.csv").write_text('question,choices,answer\nq,"[""1"", ""0""]",0\n')
    write(tmp_path / "some.jsonl", [{"question": "q", "choices": ["a", "b"], "answer": 0}, SUMS[0]])
    write(tmp_path / "sums.jsonl", [{**row, "q": row["question"]} for row in SUMS])
    write(tmp_path / "few.jsonl", SUMS[:3])
    table = pa.table({"question": ["q"], "answer": [float("nan")]})
    parquet.write_table(table, tmp_path / "nan.parquet")
    twice = pa.Table.from_arrays([pa.array(["q"])] * 3, names=["question", "question", "answer"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(ReadsimError, match=said) as refused:
        Splits({made.name: split for made, split, _ in load(str(tmp_path / name), **settings)})
    assert "\n" not in str(refused.value)
