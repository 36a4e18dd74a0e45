"""Runs on data sets: what was trained on, again after a restart, and what is refused before a run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.backend import OffersSourceSizes
from readsim.errors import ConfigError, ReadsimError
from tests.support.chat_models import FAMILIES, chat_folder
from tests.support.hf import NEEDS
from tests.support.stores import TEXT_ALONE

pytestmark = pytest.mark.extra(*NEEDS, "datasets")

WEIGHTS = np.full(3, 1 / 3)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from readsim_hf.models.pairs import load_pair

    folder = tmp_path_factory.mktemp("pair")
    ends = [
        chat_folder(folder / n, FAMILIES["phi-4"], instruct=True, seed=k)
        for k, n in enumerate("ab")
    ]
    return load_pair(teacher=ends[0], student=ends[1], teacher_precision="fp32", context=256)


def talk(n: int) -> list[dict[str, str]]:
    said = [("user", f"Say {n}"), ("assistant", str(n)), ("user", "Again"), ("assistant", f"{n}!")]
    return [{"role": role, "content": content} for role, content in said]


@pytest.fixture
def data(tmp_path: Path) -> list[dict[str, Any]]:
    rows: dict[str, list[dict[str, Any]]] = {
        "asked": [{"prompt": f"What is {n} + {n}?"} for n in range(5)],
        "given": [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(6)],
        "talk": [{"messages": talk(n)} for n in range(4)],
    }
    for name, some in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    (tmp_path / "gsm.jsonl").write_text(
        "".join(
            json.dumps({"question": f"{n} apples and {n} more?", "answer": f"#### {2 * n}"}) + "\n"
            for n in range(40)
        )
    )
    return [{"path": str(tmp_path / f"{name}.jsonl")} for name in rows]


def backend_of(pair: Any, sources: list[dict[str, Any]], **more: Any) -> Any:
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig

    path = Path(sources[0]["path"]).with_name("gsm.jsonl")
    base = {
        "budget": 360,
        "steps": 2,
        "soft": {} if more.get("method") in TEXT_ALONE else {"k": 5},
        "probes": {
            "probe": 2,
            "dev": 2,
            "test": 2,
            "max_new_tokens": 2,
            "benchmarks": [{"name": "gsm8k", "path": str(path)}],
        },
        "decoding": {"max_new_tokens": 8},
        "training": {"batch": 4, "learning_rate": 0.01},
        "data": {"group": 4, "keep_cut": True, "sources": sources},
    }
    config = RunConfig.of(base, more)
    return HFBackend(build_components(config, pair), config.budget)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["resp-sft", "logit-kd"])
def test_a_run_on_data_sets_alone(pair: Any, data: list[dict[str, Any]], method: str) -> None:
    backend = backend_of(pair, data, method=method)
    assert issubclass(type(backend), OffersSourceSizes)
    assert backend.sources == ("asked", "given", "talk")
    assert backend.capabilities == ("math",)
    sizes = backend.source_sizes()
    assert np.isfinite(sizes).all()
    parts = backend.components
    assert parts.sizes["given"].exact
    assert not parts.sizes["asked"].exact
    backend.reset(0)
    backend.run_interval(0, WEIGHTS, 180)
    saved = backend.snapshot()
    backend.run_interval(1, WEIGHTS, 180)
    told, rows, counts = backend.trained, backend.trained_rows, backend.prompt_counts
    assert sum(one["tokens"] for one in told.values()) == 360
    for name, some in rows.items():
        assert set(some) <= set(range(int(counts[name]["rows"])))
        assert told[name]["examples"] == len(some) > 0
    assert counts["talk"]["epochs"] > 1
    assert counts["talk"]["repeated"] == counts["talk"]["drawn"] - 4
    again = backend_of(pair, data, method=method)
    again.restore(saved)
    again.run_interval(1, WEIGHTS, 180)
    assert (again.trained, again.trained_rows) == (told, rows)


def test_what_was_trained_on_can_be_hashed_by_anybody(
    pair: Any, data: list[dict[str, Any]]
) -> None:
    import hashlib

    backend = backend_of(pair, data, method="resp-sft")
    seen: list[Any] = []
    backend.reset(0)
    train = backend.student.train_window

    def note(some: Any, spent: float) -> Any:
        seen.extend(some)
        return train(some, spent)

    backend.student.train_window = note
    backend.run_interval(0, WEIGHTS, 180)
    for name in backend.sources:
        chain = bytes(32)
        for record, tokens in (e for e in seen if e.record.source == name):
            parts = [record.prompt_ids, record.completion_ids, record.places[:tokens]]
            chain = hashlib.sha256(
                chain + b"".join(p.astype("<i4").tobytes() for p in parts)
            ).digest()
        assert backend.trained[name]["sha256"] == chain.hex()


def test_edited_data_are_another_run_and_moved_data_are_not(
    pair: Any, data: list[dict[str, Any]], tmp_path: Path
) -> None:
    first = backend_of(pair, data).components.identity
    old = Path(data[1]["path"])
    moved = tmp_path / "elsewhere" / "given.jsonl"
    moved.parent.mkdir()
    moved.write_text(old.read_text())
    there = [data[0], {"path": str(moved)}, data[2]]
    assert backend_of(pair, there).components.identity == first
    moved.write_text(old.read_text().replace("It is 3.", "It is 4."))
    assert backend_of(pair, there).components.identity != first


def test_a_given_reply_without_the_gold_answer_is_left_out(pair: Any, tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    rows = [
        {"prompt": f"{n} + 1?", "completion": f"So it is {n + 1 + n % 2}", "gold": n + 1}
        for n in range(6)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "gsm.jsonl").write_text(
        "".join(json.dumps({"question": f"q{n}", "answer": f"#### {n}"}) + "\n" for n in range(40))
    )
    sources = [{"path": str(path), "answer": "gold"}]
    backend = backend_of(pair, sources, method="resp-sft", data={"keep": "correct"})
    backend.reset(0)
    backend.run_interval(0, np.ones(1), 120)
    assert set(backend.trained_rows["sums"]) == {0, 2, 4}
    assert backend.prompt_counts["sums"]["wrong"] == 3


def test_the_teacher_is_asked_what_the_data_say_and_its_reply_is_trained_on_whole(
    pair: Any, data: list[dict[str, Any]]
) -> None:
    backend = backend_of(pair, [{**data[2], "replies": "ask"}], method="resp-sft")
    heard: list[Any] = []
    backend.components.teacher.listener = heard.extend
    backend.reset(0)
    backend.run_interval(0, np.ones(1), 60)
    tokenizer, (stream,) = pair.tokenizer, backend._feed.streams
    assert heard
    asked = tokenizer.apply_chat_template(talk(2)[:3], tokenize=False, add_generation_prompt=True)
    (prompt,) = [p for p in stream.take(4, 0) if p.row == 2]
    assert tokenizer.decode(backend.components.teacher.encode(prompt)) == asked
    (record,) = backend.components.teacher.ask([prompt])
    assert record.span == (0, len(record.completion_ids))
    assert record.row == 2


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"max_tokens": 3}, {}, "none of its 6 rows.*6 are longer"),
    ({}, {"method": "step-by-step"}, "signal 'step-by-step' with data.sources"),
    (
        {"name": "math"},
        {"data": {"templates": "text", "capabilities": ["math"]}},
        "say data.templates = 'none'",
    ),
    ({"path": "absent.jsonl"}, {}, "absent.jsonl: no such file"),
    ({"nmae": "x"}, {}, "unknown field data.sources.0.nmae; did you mean 'name'"),
    ({"format": "chat"}, {}, "data.sources.0.format = 'chat'"),
]


@pytest.mark.parametrize(("source", "settings", "said"), REFUSED)
def test_it_is_refused_in_one_line(
    pair: Any,
    data: list[dict[str, Any]],
    source: dict[str, Any],
    settings: dict[str, Any],
    said: str,
) -> None:
    with pytest.raises(ReadsimError, match=said) as refused:
        backend_of(pair, [{**data[1], **source}], **settings)
    assert "\n" not in str(refused.value)


def test_nothing_to_train_on_is_refused(pair: Any, data: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        backend_of(pair, data, data={"templates": "none", "sources": []})
