"""A cache with room is transformers' own cache, whatever rows leave, join and lose their padding."""

from typing import Any, cast

import numpy as np
import pytest

pytestmark = pytest.mark.extra("torch", "transformers")
HEADS, WIDTH, LAYERS = 2, 3, 2


def states(rng: np.random.Generator, rows: int, tokens: int) -> list[tuple[Any, Any]]:
    """Keys and values (rows, heads, tokens, width) of each layer."""
    import torch

    shape = (2, LAYERS, rows, HEADS, tokens, WIDTH)
    keys, values = torch.from_numpy(rng.normal(size=shape))
    return list(zip(keys, values, strict=True))


def held(cache: Any) -> list[tuple[Any, Any]]:
    return [(layer.keys, layer.values) for layer in cache.layers]


@pytest.mark.parametrize("seed", range(6))
def test_it_holds_what_transformers_cache_holds(seed: int) -> None:
    import torch
    from transformers import DynamicCache

    from readsim_hf.teachers.kv_cache import join_rows, keep_rows, make_room

    rng, rows = np.random.default_rng(seed), 4
    plain, roomy = DynamicCache(), DynamicCache()
    for step in range(60):
        length = plain.get_seq_length()
        what = (
            "write"
            if step == 0
            else rng.choice(["write", "leave", "join", "cut"], p=[0.85, *[0.05] * 3])
        )
        if what == "write":
            new = states(rng, rows, int(rng.integers(1, 3)))
            if rng.random() < 0.3:
                make_room(roomy, length + int(rng.integers(1, 90)))
            for cache in (plain, roomy):
                for layer, pair in enumerate(new):
                    shown = cache.update(*pair, layer)
                    torch.testing.assert_close(shown, held(plain)[layer], rtol=0, atol=0)
        elif what == "leave" and rows > 2:
            at = torch.from_numpy(np.sort(rng.choice(rows, rows - 1, replace=False)))
            rows -= 1
            for cache in (plain, roomy):
                keep_rows(cache, at)
        elif what == "join":
            tokens, new = length + int(rng.integers(0, 3)), states(rng, 2, length)
            rows += 2
            for cache in (plain, roomy):
                others = DynamicCache()
                for layer, pair in enumerate(new):
                    others.update(*pair, layer)
                join_rows(cache, others, tokens)
        elif what == "cut":
            both: Any = (*plain.layers, *roomy.layers)
            for one in both:
                one.keys, one.values = one.keys[:, :, 1:], one.values[:, :, 1:]
        torch.testing.assert_close(held(roomy), held(plain), rtol=0, atol=0)


def test_a_token_is_written_where_there_is_room_for_it() -> None:
    """Where keys lie changes a dozen times in a hundred tokens, and no room is made beyond what is asked."""
    import torch
    from transformers import DynamicCache

    from readsim_hf.teachers.kv_cache import Roomy, make_room

    rng, cache, places, most = np.random.default_rng(0), DynamicCache(), set(), 104
    for token in range(100):
        for layer, pair in enumerate(states(rng, 2, 5 if token == 0 else 1)):
            cache.update(*pair, layer)
        make_room(cache, most)
        first: Any = cache.layers[0]
        places.add(first.keys.data_ptr())
        assert first.keys.untyped_storage().nbytes() <= 2 * HEADS * most * WIDTH * 8
    assert all(type(layer) is Roomy for layer in cache.layers)
    assert len(places) <= 12
    assert cache.get_seq_length() == most
    assert isinstance(first.keys, torch.Tensor)


def test_windows_and_states_of_other_kinds_stay_as_they_are() -> None:
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    from readsim_hf.teachers.kv_cache import Roomy, can_join, can_leave, make_room

    rng, cache, plain = np.random.default_rng(0), DynamicCache(), cast(Any, DynamicLayer)
    cache.layers = [DynamicSlidingWindowLayer(4), plain()]
    for layer, pair in enumerate(states(rng, 2, 3)):
        cache.update(*pair, layer)
    make_room(cache, 9)
    assert [type(layer) for layer in cache.layers] == [DynamicSlidingWindowLayer, Roomy]
    assert can_leave(cache)
    assert not can_join(cache)
    make_room(None, 9)
    assert not can_leave(None)
