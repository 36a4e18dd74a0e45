"""Generation: a prompt's reply does not depend on its neighbours, on the run or on the batch size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from readsim.errors import ConfigError
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.ids import Ids, as_ids, content_generator
from readsim_hf.teachers.inference import (
    batches,
    cache_word,
    evaluating,
    keeps_logits,
    reading_device,
    reads_padding,
)
from readsim_hf.teachers.kv_cache import can_join, can_leave, join_rows, keep_rows, make_room
from readsim_hf.teachers.record import Soft
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.steps import Choose, Steps, Stop


class ReplyDistributions:
    """The distributions that replies are drawn from, kept while they are generated.

    They are what a scoring pass over the finished replies would find again (full or top-k).

    Draws (`sampled`) depend on the finished text, so that of those nothing is kept. Distributions
    are cut down at each step: no more is held than the records will hold.
    """

    def __init__(self, settings: SoftSettings) -> None:
        self.settings = settings
        self._rows: list[NDArray[np.intp]] = []
        self._steps: list[Soft] = []

    def add(self, rows: NDArray[np.intp], logits: Tensor, said: Tensor) -> None:
        """One more position of each of `rows` (n,), with logits (n, V) and the tokens `said` (n,) there."""
        if self.settings.kind != "sampled":
            kind, entries = self.settings.kind, self.settings.entries
            self._rows.append(rows)
            self._steps.append(soft_from_logits(logits, kind, entries, said=said))

    def softs(self, spans: Sequence[tuple[int, int]]) -> list[Soft | None]:
        """The positions of each row's span, rows numbered from 0; None where nothing was kept."""
        if not self._rows:
            return [None] * len(spans)
        order = np.concatenate(self._rows).argsort(kind="stable")
        ids, logp = (
            np.concatenate([getattr(step, name) for step in self._steps])[order]
            for name in ("ids", "logp")
        )
        own = [step.said for step in self._steps if step.said is not None]
        whole = Soft(self.settings.kind, ids, logp, np.concatenate(own)[order] if own else None)
        counts = np.bincount(np.concatenate(self._rows), minlength=len(spans))
        starts = np.cumsum(counts) - counts
        return [
            whole.at(np.arange(at + a, at + b))  # a copy
            for at, (a, b) in zip(starts, spans, strict=True)
        ]


@dataclass(frozen=True)
class Decoding:
    """How replies are generated (temperature 0.7 for data).

    max_new_tokens   a reply is cut there, without an end token
    temperature      0 is greedy
    batch_size       prompts in a forward pass; changes the speed only
    """

    max_new_tokens: int = 256
    temperature: float = 0.7
    batch_size: int = 16

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not 0 <= self.temperature < np.inf:
            raise ConfigError(f"temperature is {self.temperature}: it must be 0 or more and finite")

    @property
    def attempts(self) -> int:
        """How often a prompt is asked at most: once where the reply would be the same again."""
        return 2 if self.temperature > 0 else 1


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    decoding: Decoding,
    *,
    ends: Sequence[int],
    vocab: int,
    attempt: int = 0,
    spoken: ReplyDistributions | None = None,
) -> list[NDArray[np.int32]]:
    """The reply to each prompt, in the order given, up to its first end token inclusive.

    Draws, one uniform number a token, depend on the prompt's ids, the temperature and `attempt`,
    nothing else; so the reply is the same alone or in any batch, up to ties within float rounding:
    none seen in float32, but in bfloat16 rounding is coarse, and about half of the replies of 20
    tokens change with the batch.
    Ids from `vocab` on are never chosen. The model's own generation settings (penalties, warpers)
    are not used. `spoken` is given the distributions, by row of `prompts`. Model and torch's global
    generator stay as they were. ConfigError if a logit is NaN or infinite.
    """
    with evaluating(model):
        # One row at a time where neighbours matter: transformers' RWKV also mixes the states of a batch.
        size = 1 if reads_padding(model) else decoding.batch_size
        return _Replies(model, prompts, decoding, ends, vocab, attempt, spoken).made(size)


_FEW = 8  # rows of a batch that are not worth thinning out
_FREE = 4  # new prompts take the places of the first 1/_FREE of a batch that have ended


class _Replies:
    """Replies to prompts that share a batch, in which a new prompt takes the place of one that has ended.

    A model that keeps keys and values alone reads new prompts apart, and their keys join those of the
    others. Of other models a batch is finished before the next one begins, and is thinned out.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Ids],
        decoding: Decoding,
        ends: Sequence[int],
        vocab: int,
        attempt: int,
        spoken: ReplyDistributions | None,
    ) -> None:
        self._model, self._decoding, self._vocab = model, decoding, vocab
        self._ends, self._spoken = list(ends), spoken
        self._prompts = [as_ids(prompt) for prompt in prompts]
        luck = float(decoding.temperature), int(attempt)
        self._generators = [content_generator(prompt, *luck) for prompt in self._prompts]
        self._replies = [as_ids([])] * len(prompts)
        self._rows = np.arange(0)  # prompts that are being answered
        self._cache: Any = None
        self._is_kept = True  # the cache, from one stretch to the next, as far as is known

    def made(self, size: int) -> list[NDArray[np.int32]]:
        """The replies, at most `size` at a time."""
        [order] = batches([len(p) for p in self._prompts], len(self._prompts) or 1) or [[]]
        while order or len(self._rows):
            free = size - len(self._rows)
            if not len(self._rows):
                self._begin(order[:size])
                order = order[size:]
            elif free >= max(1, size // _FREE) and can_join(self._cache):
                self._join(order[:free])
                order = order[free:]
            self._go_on(size, more=bool(order))
        return self._replies

    def _begin(self, rows: Sequence[int]) -> None:
        """A batch of these prompts, none of which has been read."""
        device = reading_device(self._model)
        padded = left_padded([self._prompts[row] for row in rows], self._ends[0])
        self._ids, self._mask = (part.to(device) for part in padded)
        self._rows, self._cache = np.array(rows), None
        self._starts = np.full(len(rows), self._ids.shape[1])  # of the replies in `_ids`

    def _join(self, rows: Sequence[int]) -> None:
        """These prompts beside those that are being answered: read, but for the last token of each."""
        if not rows:
            return
        old = self._ids, self._mask, self._rows, self._starts
        cache, width = self._cache, self._ids.shape[1]
        self._begin(rows)
        if self._ids.shape[1] == 1:  # something is read of each
            self._ids, self._mask = (
                torch.nn.functional.pad(part, (1, 0), value=fill)
                for part, fill in ((self._ids, self._ends[0]), (self._mask, 0))
            )
            self._starts += 1
        place = (self._mask.cumsum(1) - 1).clamp(min=0)
        read = DynamicCache()
        cast(Any, self._model)(
            input_ids=self._ids[:, :-1],
            attention_mask=self._mask[:, :-1],
            position_ids=place[:, :-1],
            use_cache=True,
            **{cache_word(self._model): read},
            **({"logits_to_keep": 1} if keeps_logits(self._model) else {}),
        )
        most = max(width, self._ids.shape[1])
        join_rows(cache, read, most - 1)
        parts = zip(old[:2], (self._ids, self._mask), (self._ends[0], 0), strict=True)
        self._ids, self._mask = (
            torch.cat([_wider(part, most, fill) for part in both]) for *both, fill in parts
        )
        starts = old[3] + most - width, self._starts + most - int(self._starts.max())
        self._rows, self._starts = np.concatenate([old[2], rows]), np.concatenate(starts)
        self._cache = cache

    def _go_on(self, size: int, *, more: bool) -> None:
        """Say more, until so many have ended that others can take their places or a smaller batch pays."""
        width, most = self._ids.shape[1], self._decoding.max_new_tokens
        enough = len(self._rows)
        if self._cache is None and self._is_kept:
            enough = 0  # one token, which shows the kind of cache
        elif more:
            enough = max(1, size // _FREE - (size - len(self._rows)))
        elif len(self._rows) > _FEW:
            enough = -(-len(self._rows) // 2)
        steps = Steps(
            [self._generators[row] for row in self._rows.tolist()],
            most - (width - self._starts),
            self._decoding.temperature,
            self._ends,
            self._vocab,
            enough,
            None if self._spoken is None else partial(_tell, self._spoken, self._rows),
        )
        make_room(self._cache, width + int(steps.left.max()))
        with _only(self._model, _settings(int(steps.left.max()), self._ends)):
            out = cast(Any, self._model).generate(
                self._ids,
                attention_mask=self._mask,
                logits_processor=LogitsProcessorList([Choose(steps)]),
                stopping_criteria=StoppingCriteriaList([Stop(steps)]),
                **({} if self._cache is None else {cache_word(self._model): self._cache}),
            )
        said = out.sequences.cpu().numpy()
        for row, start, ids in zip(self._rows, self._starts, said, strict=True):
            self._replies[row] = until_end(ids[start : start + most], self._ends)
        kept = np.flatnonzero(steps.open)
        at = torch.from_numpy(kept).to(self._ids.device)
        self._rows, self._starts = self._rows[kept], self._starts[kept]
        self._ids, mask = out.sequences[at], self._mask[at]
        self._mask = torch.nn.functional.pad(mask, (0, said.shape[1] - width), value=1)
        self._cache = out.get("cache", out.get("past_key_values"))  # as `cache_word`
        self._is_kept = can_leave(self._cache)
        if len(kept) and self._is_kept:
            keep_rows(self._cache, at)
            self._cut_padding()
        else:
            self._cache = None  # another kind of state: what was said is read again

    def _cut_padding(self) -> None:
        """Columns on the left that are padding in all rows."""
        cut = int(self._mask.argmax(1).min())
        if cut and can_join(self._cache):
            self._ids, self._mask = self._ids[:, cut:], self._mask[:, cut:]
            self._starts = self._starts - cut
            for layer in self._cache.layers:
                layer.keys, layer.values = (part[:, :, cut:] for part in (layer.keys, layer.values))


def _wider(part: Tensor, width: int, fill: int) -> Tensor:
    """(B, T) with `fill` on the left, (B, width)."""
    return torch.nn.functional.pad(part, (width - part.shape[1], 0), value=fill)


def _settings(new: int, ends: Sequence[int]) -> GenerationConfig:
    """Greedy choice of at most `new` tokens."""
    config: GenerationConfig = cast(Any, GenerationConfig)(
        do_sample=False,
        num_beams=1,
        max_new_tokens=new,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
        use_cache=True,
        return_dict_in_generate=True,
    )
    return config


def _tell(
    spoken: ReplyDistributions,
    names: NDArray[np.intp],
    at: NDArray[np.intp],
    logits: Tensor,
    said: Tensor,
) -> None:
    """The rows at these places of the batch said one more token."""
    spoken.add(names[at], logits, said)


def until_end(reply: Ids, ends: Sequence[int]) -> NDArray[np.int32]:
    """A reply up to its first end token inclusive: what follows is padding, whatever its id."""
    found = np.flatnonzero(np.isin(reply, ends))
    return as_ids(reply[: found[0] + 1] if len(found) else reply)


def left_padded(prompts: Sequence[Ids], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, (B, longest)."""
    width = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), width), pad, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.from_numpy(as_ids(prompt))
        mask[row, width - len(prompt) :] = 1
    return ids, mask


@contextmanager
def _only(model: PreTrainedModel, settings: GenerationConfig) -> Iterator[None]:
    """Generate with these settings alone: `generate` fills what is unset from the model's own."""
    own = model.generation_config
    model.generation_config = settings
    try:
        yield
    finally:
        model.generation_config = own
