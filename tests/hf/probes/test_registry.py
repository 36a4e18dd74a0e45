"""The paper's suite by name, and stock lm-eval tasks on local files, checked by hand."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim_hf.probes.registry import REGISTRY, benchmark, from_local
from readsim_hf.probes.splits import ItemSplits, Splits, split_items
from readsim_hf.prompts.prompt import CAPABILITIES
from tests.support.paths import SHARED
from tests.support.probe_models import by_hand, characters, tiny_model

needs_model = pytest.mark.extra("torch", "transformers", "lm_eval", "datasets")
SAMPLES = SHARED / "bench"

TABLE_3 = {
    "general": ["mmlu_pro", "bbh"],
    "steerability": ["ifeval", "followeval"],
    "reasoning": ["gpqa", "arc_challenge"],
    "math": ["math_hard", "gsm8k"],
    "code": ["humaneval", "mbpp"],
    "tool_use": ["bfcl", "toolbench"],
    "long_context": ["longbench"],
    "multilingual": ["xcopa", "mgsm"],
    "safety": ["xstest"],
}


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def measure(
    benchmarks: Sequence[Any], splits: Splits, *, positions: int = 512, kind: str = "llama"
) -> Any:
    from readsim_hf.probes.suite import ProbeSuite

    suite = ProbeSuite(benchmarks, splits)
    return suite.measure(tiny_model(kind, positions), characters(), "probe")


def all_in_probe(made: Any, items: Sequence[Any]) -> Splits:
    """Every item but the last four in the probe split."""
    parts = ItemSplits(tuple(items[:-4]), tuple(items[-4:-2]), tuple(items[-2:]), "")
    return Splits({made.name: parts})


def test_the_suite_is_the_papers() -> None:
    assert set(TABLE_3) == {*CAPABILITIES, "safety"}
    for capability, names in TABLE_3.items():
        assert [name for name, e in REGISTRY.items() if e.capability == capability] == names
    assert len(REGISTRY) == 16
    assert {name for name, e in REGISTRY.items() if e.runs_code} == {"humaneval", "mbpp"}
    for entry in REGISTRY.values():
        assert entry.licence
        assert entry.get
        assert 0.0 <= entry.chance < 1.0
        assert entry.columns


def test_unknown_names_show_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown benchmark 'gsm8'; did you mean 'gsm8k'"):
        benchmark("gsm8")


@needs_model
def test_lm_eval_still_has_each_task_with_its_metric_and_filter() -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    from readsim_hf.probes.lm_eval_tasks import manager

    for entry in REGISTRY.values():
        if not entry.task:
            continue
        path = manager(entry).task_index[entry.task].yaml_path
        settings = load_yaml(path, resolve_func=False)
        assert settings.get("output_type", "generate_until") == entry.output, entry.name
        assert entry.metric in {one["metric"] for one in settings["metric_list"]}, entry.name
        filters = {one.get("name") for one in settings.get("filter_list") or [{"name": "none"}]}
        assert entry.filter in filters, entry.name


@needs_model
def test_a_task_that_is_not_there_shows_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "b.jsonl", [{"input": "True and False is", "target": "False"}])
    with pytest.raises(UnknownNameError, match="did you mean 'bbh_zeroshot_navigate'"):
        from_local("bbh", path, task="bbh_zeroshot_navigat")


def log_likelihood(model: Any, tokenizer: Any, context: str, rest: str) -> float:
    import torch

    ids = tokenizer(context + rest).input_ids
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    start = len(tokenizer(context).input_ids)
    return float(sum(logp[at - 1, ids[at]] for at in range(start, len(ids))))


def arc_rows(n: int) -> list[dict[str, Any]]:
    rng = random.Random(0)
    words = ["rain", "a slow river", "ice", "the sun", "sand dunes", "wind"]
    return [
        {
            "id": str(i),
            "question": f"What moves stone number {i}?",
            "choices": {"text": rng.sample(words, 4), "label": ["A", "B", "C", "D"]},
            "answerKey": rng.choice("ABCD"),
        }
        for i in range(n)
    ]


@needs_model
def test_arc_scores_are_those_of_a_hand_written_scorer(tmp_path: Path) -> None:
    rows = arc_rows(24)
    made, items = from_local("arc_challenge", write(tmp_path / "a.jsonl", rows))
    found = measure([made], all_in_probe(made, items))
    model, tokenizer = tiny_model(positions=512).eval(), characters()
    expected, tokens = [], 0
    for row in rows[:-4]:
        context = f"Question: {row['question']}\nAnswer:"
        options = row["choices"]["text"]
        values = [log_likelihood(model, tokenizer, context, f" {o}") / len(o) for o in options]
        expected.append(float(np.argmax(values) == "ABCD".index(row["answerKey"])))
        tokens += sum(len(f"{context} {option}") for option in options)
    assert found.scores["arc_challenge"].tolist() == expected
    assert 0 < sum(expected) < 20
    assert found.tokens == tokens
    corrected, _ = from_local("arc_challenge", tmp_path / "a.jsonl", chance_corrected=True)
    again = measure([corrected], all_in_probe(corrected, items))
    assert again.profile == pytest.approx((found.profile - 0.25) / 0.75)


@needs_model
def test_rows_without_a_needed_column_are_refused(tmp_path: Path) -> None:
    rows = arc_rows(3)
    del rows[2]["choices"]
    with pytest.raises(ConfigError, match=r"line 3: no column 'choices' \(needed: question"):
        from_local("arc_challenge", write(tmp_path / "a.jsonl", rows))
    rows = arc_rows(3)
    rows[0]["choices"] = {"text": ["a", "b"]}
    with pytest.raises(ConfigError, match=r"line 1, column 'choices': \.label is empty: a list"):
        from_local("arc_challenge", write(tmp_path / "a.jsonl", rows[:1]))
    rows = arc_rows(3)
    rows[1]["question"] = 3.0
    with pytest.raises(ConfigError, match=r"line 2, column 'question': 3\.0: expected text"):
        from_local("arc_challenge", write(tmp_path / "a.jsonl", rows))


@needs_model
def test_gpqa_shuffles_its_choices_the_same_way_each_time(tmp_path: Path) -> None:
    names = ["Correct Answer", *(f"Incorrect Answer {n}" for n in (1, 2, 3))]
    rows = [
        {"Question": f"Q{i}?", **{name: f"{name[:2]}{k} of {i}" for k, name in enumerate(names)}}
        for i in range(12)
    ]
    path = write(tmp_path / "g.jsonl", rows)
    state = random.getstate()
    first, second = (from_local("gpqa", path)[1] for _ in range(2))
    assert random.getstate() == state
    assert first == second
    places = {str(item.data["answer"]) for item in first}
    assert len(places) > 1
    for item in first:
        right = item.data["choice" + str("ABCD".index(item.data["answer"][1]) + 1)]
        assert right == item.data["Correct Answer"]


@needs_model
def test_mmlu_pro_keeps_the_rows_of_its_subject(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"Cell {i}?",
            "options": ["yes", "no"],
            "answer": "A",
            "category": "biology" if i % 2 else "law",
            "cot_content": "A: Let's think step by step. It is. The answer is (A).",
        }
        for i in range(16)
    ]
    path = write(tmp_path / "m.jsonl", rows)
    made, items = from_local("mmlu_pro", path, max_new_tokens=4)
    assert len(items) == 8
    assert measure([made], all_in_probe(made, items)).scores[made.name].tolist() == [0.0] * 4
    assert len(from_local("mmlu_pro", path, task="mmlu_pro_law")[1]) == 8
    with pytest.raises(ConfigError, match="none of its 16 rows belongs to 'mmlu_pro_history'"):
        from_local("mmlu_pro", path, task="mmlu_pro_history")


@needs_model
def test_worked_examples_come_from_a_file_or_from_the_task(tmp_path: Path) -> None:
    rows = [{"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"} for i in range(9)]
    path = write(tmp_path / "t.jsonl", rows)
    with pytest.raises(ConfigError, match="shots: 'gsm8k' brings no examples of its own"):
        from_local("gsm8k", path, shots=2)
    with pytest.raises(ConfigError, match="shots: asked for 10,"):
        from_local("gsm8k", path, shots=10, shots_from=path)
    # the examples are no items, even where they are in the same file
    made, items = from_local("gsm8k", path, shots=2, shots_from=path, max_new_tokens=4)
    assert len(items) == 7
    shown = "".join(f"Question: {r['question']}\nAnswer: {r['answer']}\n\n" for r in rows[:2])
    prompts = [f"{shown}Question: {item.data['question']}\nAnswer:" for item in items[:3]]
    found = measure([made], all_in_probe(made, items))
    assert 1 <= found.tokens - sum(map(len, prompts)) <= 3 * 4


@needs_model
def test_scoring_that_needs_an_absent_package_says_so(tmp_path: Path) -> None:
    from importlib.util import find_spec

    row = {"context": "c", "question": "q", "answers": ["a"], "all_classes": [], "_id": "1"}
    path = write(tmp_path / "l.jsonl", [row])
    if any(find_spec(name) is None for name in ("jieba", "fuzzywuzzy", "rouge")):
        with pytest.raises(CapabilityMissingError, match="'longbench_qasper' needs a package"):
            from_local("longbench", path)
    else:
        assert len(from_local("longbench", path)[1]) == 1


@needs_model
@pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs samples of real benchmarks in ../shared/data/bench"
)
def test_real_items_of_three_benchmarks() -> None:
    loaded = [
        from_local("gsm8k", SAMPLES / "gsm8k" / "test_first200.jsonl", max_new_tokens=8),
        from_local("bbh", SAMPLES / "bbh" / "boolean_expressions.jsonl", max_new_tokens=8),
        *(
            from_local("xcopa", SAMPLES / "xcopa" / f"{code}.jsonl", task=f"xcopa_{code}")
            for code in ("it", "sw")
        ),
    ]
    splits = Splits({made.name: split_items(items) for made, items in loaded})
    found = measure([made for made, _ in loaded], splits, positions=2048)
    model, tokenizer = tiny_model(positions=2048).eval(), characters()
    solved = []
    for item in splits.items("gsm8k", "probe"):
        text = f"Question: {item.data['question']}\nAnswer:"
        reply, _ = by_hand(model, tokenizer, text, 8, ("Question:", "</s>", "<|im_end|>"))
        numbers = re.findall(r"-?[$0-9.,]{2,}|-?[0-9]+", reply) or ["none"]
        right = item.data["answer"].split("#### ")[1].replace(",", "")
        solved.append(float(re.sub(r"[$,]|\.$", "", numbers[-1]) == right))
    assert found.scores["gsm8k"].tolist() == solved
    joined = {"it": {"cause": "perché", "effect": "quindi"},
              "sw": {"cause": "kwa sababu", "effect": "kwa hiyo"}}  # fmt: skip
    means = []
    for code, words in joined.items():
        right = []
        for item in splits.items(f"xcopa/xcopa_{code}", "probe"):
            row = item.data
            context = f"{row['premise'].strip()[:-1]} {words[row['question']]}"
            options = [row[c][0].lower() + row[c][1:] for c in ("choice1", "choice2")]
            values = [log_likelihood(model, tokenizer, context, f" {o}") for o in options]
            right.append(float(np.argmax(values) == row["label"]))
        assert found.scores[f"xcopa/xcopa_{code}"].tolist() == right
        means.append(np.mean(right))
    general = found.scores["bbh/bbh_zeroshot_boolean_expressions"].mean()
    assert found.profile == pytest.approx([np.mean(solved), general, np.mean(means)])
