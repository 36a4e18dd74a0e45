"""Every benchmark: the same rows as JSON lines, CSV and Parquet made CSV are the same items and scores."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from readsim_hf.probes.registry import REGISTRY, from_local
from tests.support.helpers import as_arrays

USER = {"role": "user", "content": 'Add 1 and 2, it\'s "quick".\nPlease.'}
ADD = {"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}}
SPARSE = {"num_words": 2, "relation": "at least", "keywords": None}

# Two rows of each: values that look like something else, quotes, line ends, columns that do not matter.
ROWS: dict[str, list[dict[str, Any]]] = {
    "mmlu_pro": [
        {
            "question_id": n,
            "question": f"Which, {n}?",
            "options": ["it's", 'a "dog"', "1.0", "None"],
            "answer": "B",
            "answer_index": 1,
            "cot_content": "",
            "category": "biology",
        }
        for n in range(2)
    ],
    "bbh": [
        {"input": f"not ( {n} ) is", "target": target} for n, target in enumerate(("True", "007"))
    ],
    "ifeval": [
        {
            "key": 1000 + n,
            "prompt": f"Write {n}.",
            "instruction_id_list": ["length_constraints:number_words"],
            "kwargs": [SPARSE],
        }
        for n in range(2)
    ],
    "followeval": [
        {"prompt": "Say 1.0.", "rule": "equals", "value": "1.0"},
        {"prompt": "Say a and b.", "rule": "contains", "value": ["a", "b,"]},
        {"prompt": "Be short.", "rule": "words", "value": [1, 3]},
    ],
    "gpqa": [
        {
            "Record ID": f"rec{n}",
            "Question": f"How many {n}?",
            "Correct Answer": "1.0",
            "Incorrect Answer 1": "1e3",
            "Incorrect Answer 2": "NA",
            "Incorrect Answer 3": "007",
        }
        for n in range(2)
    ],
    "arc_challenge": [
        {
            "id": str(n),
            "question": f"What moves {n}?",
            "choices": {"text": ["the sun", "it's wind"], "label": ["1", "2"]},
            "answerKey": "2",
        }
        for n in range(2)
    ],
    "math_hard": [
        {
            "problem": f"Find ${n}$.",
            "solution": r"\boxed{1.0}",
            "level": "Level 5",
            "type": "Algebra",
        }
        for n in range(2)
    ],
    "gsm8k": [
        {"question": f"What is {n} + 1?", "answer": f"{n}+1\n#### {n + 1}"} for n in range(2)
    ],
    "humaneval": [
        {
            "task_id": f"HumanEval/{n}",
            "prompt": f"def f():\n    # {n}\n",
            "test": "def check(f):\n    assert f() == 1\n",
            "entry_point": "f",
        }
        for n in range(2)
    ],
    "mbpp": [
        {
            "task_id": n,
            "text": f"Return 1, {n}.",
            "code": "x",
            "test_list": ["assert f() == 1", "assert f() != '2'"],
            "test_setup_code": "",
        }
        for n in range(2)
    ],
    "bfcl": [
        {
            "id": f"simple_{n}",
            "question": [[{**USER, "content": f"{n}: {USER['content']}"}]],
            "function": [ADD],
            "ground_truth": [{"add": {"a": [1, 1.0, ""]}}],
        }
        for n in range(2)
    ],
    "toolbench": [
        {"prompt": "Go.", "answer": ["f(a=1)", "f(a=2)"]},
        {"prompt": "Go on.", "answer": "[f(a=1), g()]"},
    ],
    "longbench": [
        {
            "context": "c, d",
            "question": f"q{n}",
            "answers": ["it's", "1.0"],
            "all_classes": None,
            "length": 3,
        }
        for n in range(2)
    ],
    "xcopa": [
        {
            "premise": f"Rain {n}.",
            "choice1": "wet",
            "choice2": "dry",
            "question": "effect",
            "label": n,
            "idx": n,
            "changed": False,
        }
        for n in range(2)
    ],
    "mgsm": [
        {"question": f"{n} + 1?", "answer": None, "answer_number": n + 1, "equation_solution": None}
        for n in range(2)
    ],
    "xstest": [
        {"id": n, "prompt": f"How do I kill a process {n}?", "label": "safe"} for n in range(2)
    ],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "humaneval": {"allow_code": True},
    "mbpp": {"allow_code": True},
    "xstest": {"task": "safe"},
}
REPLIES = (
    "B",
    "1",
    "1.0",
    "The answer is (B).",
    "f(a=1)",
    "[add(a=1)]",
    "no comma",
    "    return 1\n",
)


def written(name: str, folder: Path) -> list[Path]:
    """The rows as a user may have them; each in a folder of its own, for BFCL goes by the file's name."""
    rows = ROWS[name]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    arrays = pd.DataFrame([{k: as_arrays(v) for k, v in row.items()} for row in rows])
    dumped = [
        {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}
        for row in rows
    ]
    files = {
        "plain/rows.jsonl": lines.encode(),
        "text/rows.jsonl": "".join(json.dumps(row) + "\r\n" for row in dumped).encode("utf-16"),
        "packed/rows.jsonl": gzip.compress(lines.encode()),
        "gz/rows.jsonl.gz": gzip.compress(lines.encode("utf-8-sig")),
        "python/rows.csv": pd.DataFrame(rows).to_csv(index=False).encode(),
        "windows/rows.csv": pd.DataFrame(rows).to_csv(index=False).encode().replace(b"\n", b"\r\n"),
        "arrays/rows.csv": arrays.to_csv().encode("utf-8-sig"),
        "json/rows.csv": pd.DataFrame(dumped)
        .to_csv(index=False, sep=";", lineterminator="\r\n")
        .encode(),
        "tabs/rows.tsv": pd.DataFrame(dumped).to_csv(index=False, sep="\t").encode("utf-16"),
    }
    for at, data in files.items():
        (folder / at).parent.mkdir()
        (folder / at).write_bytes(data)
    return [folder / at for at in files]


def test_every_benchmark_has_rows_here() -> None:
    assert set(ROWS) == set(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_format_is_read_as_the_same_rows(name: str, tmp_path: Path) -> None:
    plain, *others = written(name, tmp_path)
    entry = REGISTRY[name]
    expected = list(entry.read(plain))
    for row, given in zip(expected, ROWS[name], strict=True):
        assert row == {**dict.fromkeys(row), **{k: given[k] for k in row if k in given}}
    if name == "followeval":  # what its values are is told by the rule: compared as items, below
        return
    for path in others:
        assert list(entry.read(path)) == expected, path


def behaviour(name: str, path: Path) -> list[Any]:
    """Items, prompts and scores of replies."""
    made, items = from_local(name, path, **OPTIONS.get(name, {}))
    assert len(items) >= 2
    if not REGISTRY[name].task:
        asked = [made.ask(item.data) for item in items]  # type: ignore[attr-defined]
        replies = REPLIES[-1:] if REGISTRY[name].runs_code else REPLIES
        scores = [made.score(i.data, reply) for i in items for reply in replies]  # type: ignore[attr-defined]
        return [[item.id for item in items], asked, scores]
    task = made.task(items)
    out: list[Any] = [[item.id for item in items]]
    for doc in task.eval_docs:
        choices = task.doc_to_choice(doc) if REGISTRY[name].output == "multiple_choice" else None
        results: list[Any] = [[reply] for reply in REPLIES]
        if choices:
            results = [
                [(-float(n != k), False) for n in range(len(choices))] for k in range(len(choices))
            ]
        scores = [task.process_results(doc, result) for result in results]
        out.append([task.doc_to_text(doc), task.doc_to_target(doc), choices, scores])
    return out


@pytest.mark.extra("torch", "transformers", "lm_eval", "datasets")
@pytest.mark.parametrize("name", REGISTRY)
def test_every_format_gives_the_same_items_and_scores(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path)
    try:
        expected = behaviour(name, paths[0])
    except CapabilityMissingError as error:
        pytest.skip(str(error))
    for path in paths[1:]:
        assert behaviour(name, path) == expected, path


@pytest.mark.extra("torch", "transformers", "lm_eval", "datasets")
def test_the_right_choice_is_the_labelled_one(tmp_path: Path) -> None:
    for path in written("xcopa", tmp_path):
        made, items = from_local("xcopa", path)
        task = made.task(items)
        for n, doc in enumerate(task.eval_docs):
            likelier = [(-1.0, False), (-2.0, False)]
            assert task.process_results(doc, likelier)["acc"] == float(n == 0)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("xcopa", "label", "2"),
        ("xcopa", "question", "why"),
        ("xstest", "label", "Safe"),
        ("mgsm", "answer_number", "1,5"),
        ("gsm8k", "answer", ""),
        ("mmlu_pro", "options", "cat and dog"),
        ("mmlu_pro", "options", "[]"),
        ("arc_challenge", "choices", "{'text': ['a']}"),
        ("bfcl", "question", "Add 1 and 2."),
        ("mbpp", "test_list", "assert f() == 1"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_value_that_is_not_of_its_kind_is_named(
    name: str, column: str, value: str, suffix: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame([ROWS[name][0], {**ROWS[name][1], column: value}])
    path = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        frame.drop(columns=["cot_content"], errors="ignore").assign(cot_content="").to_csv(
            path, index=False
        )
    else:
        frame.to_json(path, orient="records", lines=True)
    with pytest.raises(ConfigError) as caught:
        REGISTRY[name].read(path)
    line = len(path.read_text().splitlines()) if name != "gsm8k" else 2 + (suffix == "csv") * 2
    assert str(caught.value).startswith(f"{path}, line {line}, column {column!r}: ")
