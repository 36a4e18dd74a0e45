"""Keys and values of a batch while it is written: rows that end leave, others join, and there is room."""

from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

_STEP = 8  # positions of room at least


class Roomy(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values with room behind them: a token writes its own, where transformers copies all of them.

    most   positions that will be written at most; no room is made for more
    """

    most: int = 0
    _room: tuple[Tensor, ...] = ()
    _written: Tensor | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Both (B, heads, T + n, D): those of before and the n new ones."""
        old: tuple[Any, Any] = (self.keys, self.values)
        length, new = old[0].shape[2], key_states.shape[2]
        whole = length + new
        if self._written is not old[0] or whole > self._room[0].shape[2]:
            size = max(whole, min(self.most, whole + max(_STEP, whole // 8)))
            self._room = tuple(_wide(part, size) for part in old)
        for room, states in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, length:whole] = states
        self.keys, self.values = (room[:, :, :whole] for room in self._room)
        self._written = self.keys  # others put theirs in its place when rows come and go
        return self.keys, self.values


def _wide(part: Tensor, size: int) -> Tensor:
    """(B, heads, T, D) at the head of `size` positions."""
    rows, heads, length, width = part.shape
    room = part.new_empty(rows, heads, size, width)
    room[:, :, :length] = part
    return room


def make_room(cache: Any, most: int) -> None:
    """Layers with the keys of all positions get room for `most` positions; others stay as they are."""
    if not can_leave(cache):
        return
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer and layer.get_seq_length() > 0:
            roomy = cast(Any, Roomy)()
            roomy.__dict__.update(layer.__dict__)
            cache.layers[place] = roomy
        if type(cache.layers[place]) is Roomy:
            cache.layers[place].most = most


def can_leave(cache: Any) -> bool:
    """Whether rows can be taken out of a cache: of keys and values, without a recurrent state."""
    return _all_of(cache, DynamicLayer, DynamicSlidingWindowLayer, Roomy)


def can_join(cache: Any) -> bool:
    """Whether rows of other lengths can join a cache: each layer has the keys and values of all positions."""
    return _all_of(cache, DynamicLayer, Roomy)


def _all_of(cache: Any, *kinds: type) -> bool:
    return type(cache) is DynamicCache and all(type(layer) in kinds for layer in cache.layers)


def join_rows(cache: DynamicCache, others: DynamicCache, length: int) -> None:
    """The rows of both in `cache`, each with `length` positions: what is missing on the left is hidden by
    the mask."""
    for layer, new in zip(cast(Any, cache).layers, cast(Any, others).layers, strict=True):
        for name in ("keys", "values"):
            parts = [_longer(getattr(one, name), length) for one in (layer, new)]
            setattr(layer, name, torch.cat(parts))


def _longer(part: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(part, (0, 0, length - part.shape[2], 0))


def keep_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Leave these rows of a cache, whose layers lie on the devices of the model's."""
    for layer in cast(Any, cache).layers:
        if layer.get_seq_length() > 0:
            layer.batch_select_indices(rows.to(layer.keys.device))
