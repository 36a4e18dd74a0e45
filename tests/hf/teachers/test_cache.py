"""The cache of teacher records: exact, and by all that a record depends on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim_hf.prompts.library import Style
from readsim_hf.teachers.record import Soft
from tests.support.made_teachers import PROMPTS, equal, key, record, teacher

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "here" / "teacher?#%.sqlite"


@pytest.mark.parametrize("kind", [None, "full", "topk", "sampled"])
@pytest.mark.parametrize("top", [60_000, 150_000])
def test_records_come_back_as_they_were(path: Path, kind: str | None, top: int) -> None:
    from readsim_hf.teachers.cache import SignalCache

    put = record(1, kind, top)
    assert SignalCache(path).put_many({key(1): put}) == 1
    got = SignalCache(path).get_many([key(1), key(2), key(1)])
    assert got.keys() == {key(1)}
    assert equal(got[key(1)], put)
    again = got[key(1)]
    assert all(a.flags.writeable for a in (again.prompt_ids, again.completion_ids))
    assert again.soft is None or (
        again.soft.logp.flags.writeable and again.soft.ids.flags.writeable
    )


def test_many_keys(path: Path) -> None:
    from readsim_hf.teachers.cache import SignalCache

    cache = SignalCache(path)
    assert cache.get_many([]) == {}
    assert cache.put_many({}) == 0
    cache.put_many({key(n): record(n, None) for n in range(1201)})
    assert len(cache) == 1201
    got = cache.get_many([key(n) for n in range(1300)])
    assert len(got) == 1201
    assert all(equal(got[key(n)], record(n, None)) for n in (0, 499, 500, 1200))


def test_bytes_of_a_token() -> None:
    from readsim_hf.teachers.codec import record_to_bytes

    rng = np.random.default_rng(0)
    ids = rng.integers(0, 49152, (200, 64)).astype(np.int32)
    soft = Soft("topk", ids, np.zeros((200, 64), np.float32))
    size = len(record_to_bytes(replace(record(), soft=soft))) / 200
    assert 384 <= size < 387
    wide = soft._replace(ids=ids + 100_000)
    assert 512 <= len(record_to_bytes(replace(record(), soft=wide))) / 200 < 515


def calls(made: Any) -> list[int]:
    """Grows by one a forward pass."""
    seen: list[int] = []
    made.model.register_forward_hook(lambda *_: seen.append(1))
    return seen


def test_a_hit_is_the_same_record_without_the_model(path: Path) -> None:
    first, none = teacher(path), teacher(None)
    made = first.ask(PROMPTS)
    assert all(equal(a, b) for a, b in zip(made, none.ask(PROMPTS), strict=True))
    second = teacher(path, batch_size=1)  # of no account for the content
    seen = calls(second)
    hits = second.ask([replace(p, capability="code") for p in PROMPTS])
    assert seen == []
    assert all(equal(a, b) for a, b in zip(made, hits, strict=True))
    assert [r.source for r in made] == ["math"] * 4
    assert [r.source for r in hits] == ["code"] * 4
    account = sum(len(r.prompt_ids) for r in made), sum(len(r.completion_ids) for r in made)
    for one in (first, second):  # the same account, whoever generated
        assert (one.counts.asked_prompt_tokens, one.counts.asked_generated_tokens) == account
    assert (first.counts.prompt_tokens, first.counts.generated_tokens) == account
    assert (second.counts.cached, second.counts.generated, second.counts.prompt_tokens) == (4, 0, 0)


def test_only_misses_are_generated(path: Path) -> None:
    teacher(path).ask(PROMPTS[:2])
    second = teacher(path)
    both = second.ask(PROMPTS)
    assert (second.counts.cached, second.counts.generated) == (2, 2)
    for a, b in zip(both, teacher(None).ask(PROMPTS), strict=True):
        assert np.array_equal(a.completion_ids, b.completion_ids)
        assert np.array_equal(a.soft.ids, b.soft.ids)
        assert np.allclose(a.soft.logp, b.soft.logp, atol=2e-5)  # in a batch of another size


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.8},
        {"max_new_tokens": 9},
        {"kind": "sampled"},
        {"k": 6},
        {"signal": "logit"},
        {"signal": "cot"},
        {"style": Style("=", "~", "nor this")},
        {"style": Style("?", "~", "never said")},
        {"seed": 1},
        {"vocab": 319},
        {"ends": [0, 141]},
    ],
)
def test_every_ingredient_is_in_the_key(path: Path, changes: dict[str, Any]) -> None:
    teacher(path).ask(PROMPTS[:1])
    other = teacher(path, **changes)
    (record,) = other.ask(PROMPTS[:1])
    assert other.counts.generated == 1
    assert equal(record, teacher(None, **changes).ask(PROMPTS[:1])[0])


def test_keys() -> None:
    from readsim_hf.teachers.cache import content_key

    own = content_key({"a": 1, "b": [2]}, [1, 2])
    assert content_key({"b": (2,), "a": 1}, np.array([1, 2])) == own
    others: list[Any] = [
        ({"a": 1, "b": [2]}, [2, 1]),
        ({"a": 1, "b": [3]}, [1, 2]),
        ({"a": 1}, [1, 2]),
    ]
    assert len({own, *(content_key(*other) for other in others)}) == 4


def test_rejected_replies_are_kept_and_judged_again(path: Path) -> None:
    strict = teacher(path, format_ok=lambda prompt, answer: False)
    assert strict.ask(PROMPTS) == [None] * 4
    assert (strict.counts.generated, strict.counts.dropped, strict.counts.rejected) == (8, 4, 8)
    again = teacher(path, format_ok=lambda prompt, answer: False)
    assert again.ask(PROMPTS) == [None] * 4
    assert (again.counts.generated, again.counts.dropped, again.counts.cached) == (0, 4, 8)
    lenient = teacher(path)
    kept = lenient.ask(PROMPTS)
    assert lenient.counts.generated == 0
    assert all(equal(a, b) for a, b in zip(kept, teacher(None).ask(PROMPTS), strict=True))
