"""Evaluations of the user's: metrics against values worked by hand, splits, refusals, a judge, consent."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.support.hf import NEEDS
from tests.support.made_server import chat, serving
from tests.support.probe_models import characters, tiny_model

pytestmark = pytest.mark.extra(*NEEDS)
SUMS = [{"question": f"{n}+{n + 1}", "answer": str(2 * n + 1)} for n in range(40)]
YAML = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: items.jsonl, train: train.jsonl}}}}
test_split: test
fewshot_split: train
"""
GSM = (
    YAML.format(name="mine")
    + r"""
output_type: generate_until
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
generation_kwargs: {until: ["\n"], max_gen_toks: 4}
num_fewshot: 2
filter_list:
  - name: strict
    filter: [{function: regex, regex_pattern: "(-?[0-9]+)"}, {function: take_first}]
"""
)


def write(path: Path, rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(path: str = "", **settings: Any) -> Any:
    from readsim_hf.probes.own.config import JudgeConfig, TaskConfig
    from readsim_hf.probes.own.load import load_task
    from readsim_hf.probes.splits import Sizes

    judge = settings.pop("judge", JudgeConfig())
    sizes = settings.pop("sizes", Sizes(64, 64, 256))
    return load_task(TaskConfig("x", path=path, **settings), judge, sizes, 8)


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


def test_a_yaml_file_is_measured_and_repeats(tmp_path: Path) -> None:
    from readsim_hf.probes.splits import Splits
    from readsim_hf.probes.suite import ProbeSuite

    write(tmp_path / "items.jsonl", SUMS)
    write(
        tmp_path / "train.jsonl", [{"question": f"{n}-1", "answer": str(n - 1)} for n in range(9)]
    )
    (tmp_path / "base.yaml").write_text(GSM)
    (tmp_path / "top.yaml").write_text("include: base.yaml\ntask: top\n")
    ((made, split, words),) = load(yaml=str(tmp_path / "top.yaml"))
    assert "exact_match (filter strict), 2 examples" in words
    suite = ProbeSuite([made], Splits({made.name: split}))
    one, two = (suite.measure(tiny_model(), characters(), "probe") for _ in range(2))
    assert one.tokens == two.tokens
    assert one.ids == two.ids
    assert made.raw({"filter": "strict", "exact_match": 1.0}) == 1.0


def test_a_choice_yaml(tmp_path: Path) -> None:
    from readsim_hf.probes.splits import Splits
    from readsim_hf.probes.suite import ProbeSuite

    rows = [
        {
            "question": f"q{n}",
            "choices": {"text": ["a", "b"], "label": ["1", "2"]},
            "answerKey": "2",
        }
        for n in range(30)
    ]
    write(tmp_path / "items.jsonl", rows)
    write(tmp_path / "train.jsonl", rows[:3])
    (tmp_path / "arc.yaml").write_text(
        YAML.format(name="arc_mine")
        + """output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
    )
    ((made, split, _),) = load(yaml=str(tmp_path / "arc.yaml"))
    found = ProbeSuite([made], Splits({made.name: split})).measure(
        tiny_model(), characters(), "probe"
    )
    assert set(found.scores[made.name]) <= {0.0, 1.0}


WRITTEN = """dataset_path: json
    dataset_kwargs: {{data_files: {{test: {data}}}}}
    test_split: test
    output_type: generate_until
    doc_to_text: "{{{{question}}}}"
    doc_to_target: "{{{{answer}}}}"
    generation_kwargs: {{until: ["\\n"], max_gen_toks: 4}}
    metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def test_a_group_is_one_capability(tmp_path: Path) -> None:
    write(tmp_path / "items.jsonl", SUMS)
    write(tmp_path / "more.jsonl", [{"question": f"Say {n}", "answer": str(n)} for n in range(30)])
    tasks = [WRITTEN.format(data=data) for data in ("items.jsonl", "more.jsonl")]
    (tmp_path / "group.yaml").write_text(
        "group: both\ntask:\n"
        + "".join(f"  - task: part_{n}\n    {text}" for n, text in enumerate(tasks))
        + "aggregate_metric_list: [{metric: exact_match}]\n"
    )
    found = load(yaml=str(tmp_path / "group.yaml"))
    assert len(found) == 2
    assert len({made.name for made, _, _ in found}) == 2
    assert len({(made.capability, made.family) for made, _, _ in found}) == 1


def test_functions_and_likelihoods_of_a_yaml(tmp_path: Path) -> None:
    write(tmp_path / "items.jsonl", SUMS)
    (tmp_path / "asking.py").write_text('def ask(doc):\n    return "Q " + doc["question"]\n')
    text = WRITTEN.format(data="items.jsonl").replace("    ", "")
    asked = text.replace('"{{question}}"', "!function asking.ask")
    (tmp_path / "f.yaml").write_text(f"task: with_function\n{asked}")
    ((_, split, _),) = load(yaml=str(tmp_path / "f.yaml"))
    assert all(item.asked.startswith("Q ") for item in split.probe)
    likely = text.replace("generate_until", "loglikelihood").replace("exact_match", "acc")
    (tmp_path / "l.yaml").write_text(f"task: likely\n{likely}")
    ((_, _, words),) = load(yaml=str(tmp_path / "l.yaml"))
    assert "metric acc" in words


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
        ("m=d/a.csv:mine:f", {"capability": "m", "path": "d/a.csv", "metric": "mine:f"}),
        ("m=a.yaml", {"capability": "m", "yaml": "a.yaml"}),
        ("m=gsm8k", {"capability": "m", "task": "gsm8k"}),
    ],
)
def test_the_quick_form(text: str, table: dict[str, str]) -> None:
    from readsim_hf.cli.evaluations import parse_eval

    assert parse_eval(text) == table


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


BAD_FILTER = """include: two.yaml
task: a
filter_list: [{name: f, filter: [{function: regex, regex_pattern: "(a"}]}]
"""


def group(folder: Path) -> None:
    write(folder / "items.jsonl", SUMS)
    write(folder / "train.jsonl", SUMS[:4])
    (folder / "code.py").write_text("def asked(doc):\n    return 'Sum: ' + doc['question']\n")
    plain = "doc_to_target: ' {{answer}}'\n"
    (folder / "one.yaml").write_text(
        YAML.format(name="one") + "output_type: loglikelihood\n"
        "doc_to_text: !function code.asked\n" + plain
    )
    (folder / "two.yaml").write_text(
        YAML.format(name="two")
        + "output_type: generate_until\ndoc_to_text: '{{question}}'\n"
        + plain
    )
    (folder / "inner.yaml").write_text("group: inner\ntask: [two]\n")


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_group_is_all_its_tasks_and_functions_are_called(suffix: str, tmp_path: Path) -> None:
    group(tmp_path)
    path = tmp_path / f"both{suffix}"
    path.write_text("group: both\ntask: [one, inner]\n")
    made = load(yaml=str(path))
    assert [b.name for b, _, _ in made] == ["x/both/one", "x/both/two"]
    assert {b.family for b, _, _ in made} == {"x/both"}
    one, split, words = made[0]
    assert "metric acc" in words
    task = one.task(split.probe[:1])
    task.build_all_requests()
    question = split.probe[0].data["question"]
    assert task.instances[0].args[0] == f"Sum: {question}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("group: g\ntask: [g]\n", "group 'g' holds itself"),
        ("group: inner\ntask: [a, b]\n", "unknown task of group 'inner' in .*'a'"),
        ("group: g\ntask: []\n", "group 'g' has task = "),
        ("group: g\ntask: one\ndataset_path: json\n", "group 'g' has task = 'one'; .*`tag`"),
        ("dataset_path: json\n", "no field `task`"),
        ("task: a\ntask: b\n", "line 2: field 'task' is given twice"),
        ("task: a\nmetadata: &m\n  x: *m\ninclude: two.yaml\n", "holds itself"),
        ("task: a\nmetadata: " + "[" * 2000 + "\n", "not YAML"),
        ("include: absent.yaml\ntask: a\n", "include: .*absent.yaml"),
        ("include: odd.yaml\ntask: a\n", "Include cycle"),
        (BAD_FILTER, "filter 'f': .*missing"),
    ],
)
def test_odd_yaml_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    group(tmp_path)
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ReadsimError, match=said) as refused:
        load(yaml=str(path))
    assert "\n" not in str(refused.value)
    assert "odd.yaml" in str(refused.value)
