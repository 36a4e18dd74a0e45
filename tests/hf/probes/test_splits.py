"""Probe items and splits: ids that follow from the data, disjoint, sealed, the same on every machine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim.streams import generator
from readsim_hf.probes.items import Item, prompt_item, row_item
from readsim_hf.probes.splits import ItemSplits, Sizes, Splits, draw_items, split_items
from tests.support.probe_models import Sums, drawn


def rows(n: int, start: int = 0) -> list[Item]:
    made = [{"question": f"What is {i}?", "answer": str(i)} for i in range(start, start + n)]
    return [row_item("b", row, ["question"]) for row in made]


def ids(items: Sequence[Item]) -> list[str]:
    return [item.id for item in items]


def test_ids_follow_from_the_data_alone() -> None:
    one = row_item("b", {"q": "Who?", "a": [1, 2]}, ["q"])
    assert one.id == row_item("c", {"a": [1, 2], "q": "Who?"}, ["q"]).id
    assert one.id != row_item("b", {"q": "Who?", "a": [2, 1]}, ["q"]).id
    assert one.key == row_item("b", {"q": " who?\n", "a": 0}, ["q"]).key
    prompt = Sums().make(generator(0, "items"))
    assert prompt_item("b", prompt).prompt == prompt
    assert prompt_item("b", prompt).key == prompt.key


def test_a_hash_split_is_ten_ten_eighty_and_stable() -> None:
    items = rows(4000)
    parts = split_items(items, size=4000)
    sizes = [len(part) for part in parts[:3]]
    assert sum(sizes) == 4000
    assert not parts.pool
    for size, share in zip(sizes, (0.1, 0.1, 0.8), strict=True):
        assert size / 4000 == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 4000))
    # neither the order nor the other items matter
    fewer = split_items(items[1000:][::-1], size=4000)
    left = set(ids(items[1000:]))
    for whole, part in zip(parts[:3], fewer[:3], strict=True):
        assert {i for i in ids(whole) if i in left} == set(ids(part))


def test_probe_and_dev_keep_the_first_items() -> None:
    large, small = split_items(rows(4000), size=100), split_items(rows(4000), size=64)
    assert large.probe[:64] == small.probe
    assert large.dev[:64] == small.dev
    assert large.test == small.test


def test_non_test_data_is_used_where_there_is_any() -> None:
    test, train = rows(50), rows(150, start=40)
    parts = split_items(test, train)
    assert set(ids(parts.test)) == set(ids(test))
    assert (len(parts.probe), len(parts.dev)) == (
        32,
        32,
    )  # 10 % would be 14: filled up to the floor
    assert len(parts.pool) == 140 - 64  # ten of the training items are test items: they go
    Splits({"b": parts})
    untouched = split_items(rows(50), rows(1000, start=50))
    assert min(len(untouched.probe), len(untouched.dev)) > 32


def test_a_question_counts_once() -> None:
    twice = [row_item("b", {"question": q, "answer": a}, ["question"]) for q, a in
             (("one  Two", "1"), ("One two", "2"))]  # fmt: skip
    parts = split_items([*rows(100), *twice])
    assert sum(len(part) for part in parts[:3]) == 101


def test_splits_that_share_an_item_are_refused() -> None:
    a, b, c = rows(2), rows(2, 10), rows(2, 20)
    Splits({"b": ItemSplits(tuple(a), tuple(b), tuple(c), "")})
    other = replace(c[0], id="0" * 16)  # another id, the same question
    for probe, dev, test in ((a, b, [a[0], c[0]]), (a, [*b, other], c), ([a[0], a[0]], b, c)):
        with pytest.raises(ConfigError, match="splits are disjoint"):
            Splits({"b": ItemSplits(tuple(probe), tuple(dev), tuple(test), "")})
    with pytest.raises(ConfigError, match="'b': 1 dev items; at least 2"):
        Splits({"b": ItemSplits(tuple(a), tuple(b[:1]), tuple(c), "")})


def test_drawn_items_differ_and_each_split_has_its_own_stream() -> None:
    templates = [Sums(), Sums(500, "math/small")]
    parts = draw_items("b", templates, 3, 1, sizes=Sizes(20, 10, 60))
    keys = [item.key for part in parts[:3] for item in part]
    assert [len(part) for part in parts[:3]] == [20, 10, 60]
    assert len(set(keys)) == 90
    assert Counter(i.prompt.template for i in parts.test) == {"math/sum": 30, "math/small": 30}
    assert draw_items("b", templates, 3, 1, sizes=Sizes(20, 10, 60)) == parts
    assert draw_items("b", templates, 3, 1, sizes=Sizes(20, 30, 5)).probe == parts.probe
    assert draw_items("b", templates, 3, 2, sizes=Sizes(20, 10, 60)).probe != parts.probe
    avoided = draw_items("b", templates, 3, 1, sizes=Sizes(20, 10, 60), avoid=keys)
    assert not {i.key for part in avoided[:3] for i in part} & set(keys)


def test_templates_that_cannot_make_enough_are_refused() -> None:
    Splits({"b": draw_items("b", [Sums(4)], 0, sizes=Sizes(4, 4, 4))})  # sixteen sums exist
    with pytest.raises(ConfigError, match=r"'b': asked for 12 test items.* make only 8 more"):
        draw_items("b", [Sums(4)], 0, sizes=Sizes(4, 4, 12))


def test_the_test_split_is_shut_until_it_is_opened() -> None:
    splits = drawn(["a", "b"])
    assert splits.sizes("test") == {"a": 6, "b": 6}
    with pytest.raises(CapabilityMissingError, match=r"test items of 'a'.*final evaluation"):
        splits.items("a", "test")
    splits.open_test()
    keys = {item.key for item in splits.items("a", "test")}
    assert keys < splits.held_out()
    splits.seal()
    with pytest.raises(CapabilityMissingError):
        splits.items("a", "test")
    with pytest.raises(UnknownNameError, match="unknown benchmark 'c'"):
        splits.items("c", "probe")


def test_the_digest_names_the_items() -> None:
    parts = {n: draw_items(n, [Sums()], 0, k, sizes=Sizes(8, 4, 6)) for k, n in enumerate("ab")}
    digest = Splits(parts).digest()
    assert digest == Splits(dict(reversed(parts.items()))).digest()
    assert digest == drawn(["a", "b"]).digest()
    more = drawn(["a", "b"], 8, 4, 7).digest()
    assert [more[s] == digest[s] for s in ("probe", "dev", "test")] == [True, True, False]
