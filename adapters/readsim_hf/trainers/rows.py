"""Tokenized examples: what a trainer is given, and exactly as many supervised tokens as it may train on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.streams import generator

IGNORED = -100  # the label of a position without loss, as in transformers


class Row(NamedTuple):
    """Token ids and labels of one example, of the same length; `IGNORED` where there is no loss."""

    input_ids: list[int]
    labels: list[int]

    @property
    def tokens(self) -> int:
        """Supervised ones. Nothing predicts the first token of a text."""
        return sum(label != IGNORED for label in self.labels[1:])

    def cut(self, tokens: int) -> Self:
        """Its beginning, with at most so many supervised tokens."""
        left, end = tokens, 0
        for place, label in enumerate(self.labels):
            if place and label != IGNORED:
                if not left:
                    break
                left -= 1
                end = place + 1
        return self._replace(input_ids=self.input_ids[:end], labels=self.labels[:end])


def completion_rows(tokenizer: Any, pairs: Iterable[tuple[str, str]]) -> list[Row]:
    """Rows of (prompt, completion) texts: loss on the completion and the end of the text after it."""
    rows = []
    for prompt, completion in pairs:
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        said = tokenizer(completion, add_special_tokens=False)["input_ids"]
        said = [*said, tokenizer.eos_token_id]
        rows.append(Row([*asked, *said], [*[IGNORED] * len(asked), *said]))
    return rows


def pad_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch: `input_ids`, `labels`, `attention_mask` (rows, longest), padded on the right."""
    length = max(len(row["input_ids"]) for row in rows)
    batch = {
        "input_ids": torch.zeros((len(rows), length), dtype=torch.long),
        "labels": torch.full((len(rows), length), IGNORED, dtype=torch.long),
        "attention_mask": torch.zeros((len(rows), length), dtype=torch.long),
    }
    for n, row in enumerate(rows):
        size = len(row["input_ids"])
        for key in ("input_ids", "labels"):
            batch[key][n, :size] = torch.as_tensor(row[key], dtype=torch.long)
        batch["attention_mask"][n, :size] = 1
    return batch


def prompts_of(rows: Sequence[Mapping[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    """What on-policy trainers generate from: `prompts` and `prompt_attention_mask` (rows, longest), the ids
    before the first label of each row, padded on the left."""
    starts = [next(n for n, y in enumerate(row["labels"]) if y != IGNORED) for row in rows]
    length = max(starts)
    prompts = torch.full((len(rows), length), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for n, (row, size) in enumerate(zip(rows, starts, strict=True)):
        prompts[n, length - size :] = torch.as_tensor(row["input_ids"][:size], dtype=torch.long)
        mask[n, length - size :] = 1
    return {"prompts": prompts, "prompt_attention_mask": mask}


def checked_rows(found: Mapping[str, Sequence[Row]], what: str) -> dict[str, tuple[Row, ...]]:
    """The rows by name. Raises ConfigError for a name without rows, or a row without supervised tokens."""
    for name, rows in found.items():
        if not rows:
            raise ConfigError(f"{what} {name!r} has no rows")
        for n, row in enumerate(rows):
            if len(row.input_ids) != len(row.labels) or not row.tokens:
                raise ConfigError(f"{what} {name!r}, row {n}: no token of it is supervised")
    return {name: tuple(rows) for name, rows in found.items()}


class RowFeed:
    """The rows of each source in an order that a seed draws, a new one for each pass over them."""

    def __init__(self, sources: Mapping[str, Sequence[Row]], seed: int, episode: int) -> None:
        self._sources, self._place = sources, (seed, episode)
        self.drawn = [0] * len(sources)
        self._orders: dict[
            int, tuple[int, NDArray[np.int64]]
        ] = {}  # of the pass that each source is in

    def window(self, shares: Array, tokens: int) -> list[Row]:
        """Rows with exactly `tokens` supervised tokens, split over the sources at `shares` (S,), mixed.

        The last row of a source is cut at its part.
        """
        rows: list[Row] = []
        for n, (quota, name) in enumerate(zip(quotas(shares, tokens), self._sources, strict=True)):
            left = quota
            while left:
                row = self._next(n, self._sources[name]).cut(left)
                rows.append(row)
                left -= row.tokens
        order = generator(self._place[0], "data", self._place[1], sum(self.drawn)).permutation(
            len(rows)
        )
        return [rows[n] for n in order]

    def _next(self, n: int, rows: Sequence[Row]) -> Row:
        turn, place = divmod(self.drawn[n], len(rows))
        self.drawn[n] += 1
        if self._orders.get(n, (-1,))[0] != turn:
            rng = generator(self._place[0], "data", self._place[1], n, turn)
            self._orders[n] = turn, rng.permutation(len(rows))
        row: Row = rows[self._orders[n][1][place]]
        return row


def quotas(shares: Array, tokens: int) -> list[int]:
    """Whole tokens of each source (S,) that sum to `tokens`: the largest remainders are rounded up."""
    exact = np.asarray(shares, dtype=np.float64) * tokens
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: tokens - int(whole.sum())]] += 1
    return [int(n) for n in whole]
