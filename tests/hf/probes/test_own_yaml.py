"""Evaluations of the user's in YAML files of lm-eval: measured, repeated, grouped, refused."""

from pathlib import Path

import pytest

from readsim.errors import ReadsimError
from tests.support.hf import NEEDS
from tests.support.own_evaluations import SUMS, load, write
from tests.support.probe_models import characters, tiny_model

pytestmark = pytest.mark.extra(*NEEDS)
WRITTEN = """dataset_path: json
    dataset_kwargs: {{data_files: {{test: {data}}}}}
    test_split: test
    output_type: generate_until
    doc_to_text: "{{{{question}}}}"
    doc_to_target: "{{{{answer}}}}"
    generation_kwargs: {{until: ["\\n"], max_gen_toks: 4}}
    metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
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
