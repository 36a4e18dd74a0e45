"""Generation: a prompt's reply does not depend on its neighbours, on the run or on the batch size."""

from collections.abc import Callable, Iterator, Sequence
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
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from readsim.errors import ConfigError
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.ids import Ids, as_ids, content_generator
from readsim_hf.teachers.inference import (
    batches,
    evaluating,
    reading_device,
    reads_padding,
    require_finite,
)
from readsim_hf.teachers.record import Soft
from readsim_hf.teachers.scoring import SoftSettings


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

    def add(self, rows: NDArray[np.intp], logits: Tensor) -> None:
        """One more position of each of `rows` (n,), whose logits are (n, V)."""
        if self.settings.kind != "sampled":
            kind, entries = self.settings.kind, self.settings.entries
            self._rows.append(rows)
            self._steps.append(soft_from_logits(logits, kind, entries))

    def softs(self, spans: Sequence[tuple[int, int]]) -> list[Soft | None]:
        """The positions of each row's span, rows numbered from 0; None where nothing was kept."""
        if not self._rows:
            return [None] * len(spans)
        order = np.concatenate(self._rows).argsort(kind="stable")
        ids, logp = (
            np.concatenate([getattr(step, name) for step in self._steps])[order]
            for name in ("ids", "logp")
        )
        counts = np.bincount(np.concatenate(self._rows), minlength=len(spans))
        starts = np.cumsum(counts) - counts
        return [
            Soft(self.settings.kind, ids[at + a : at + b].copy(), logp[at + a : at + b].copy())
            for at, (a, b) in zip(starts, spans, strict=True)
        ]


_FEW = 8  # rows of a batch that are not worth thinning out


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


class _Perturb(LogitsProcessor):
    """Makes the greedy choice a draw from softmax(logits / temperature) over the first `vocab` ids.

    Gumbel-max: argmax(logits / temperature - log E) with E standard exponential, in float64 because
    a float32 E is 0 once in 2^23 draws, which would pick a token however improbable it is. Each row
    draws from its own generator. Rows that have ended draw nothing. `hear` is called with the rows
    that have not and their logits.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        temperature: float,
        ends: Sequence[int],
        vocab: int,
        hear: Callable[[NDArray[np.intp], Tensor], None] | None = None,
    ) -> None:
        self._generators = generators
        self._hear = hear
        self._temperature = temperature
        self._ends = list(ends)
        self._vocab = vocab
        self._open: NDArray[np.bool_] | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self._open is None:  # the last token is the prompt's, which may be an end token
            self._open = np.ones(len(scores), dtype=bool)
        else:
            self._open &= ~np.isin(input_ids[:, -1].cpu().numpy(), self._ends)
        rows = np.flatnonzero(self._open)
        chosen = scores[torch.from_numpy(rows).to(scores.device), : self._vocab].float()
        require_finite(chosen)
        if self._hear is not None:
            self._hear(rows, chosen)
        if self._temperature > 0:
            noise = np.empty(chosen.shape)
            for at, row in enumerate(rows.tolist()):
                self._generators[row].standard_exponential(out=noise[at])
            gumbel = torch.from_numpy(noise).log_().neg_()
            chosen = chosen / self._temperature + gumbel.to(chosen.device, chosen.dtype)
        out = torch.full_like(scores, -torch.inf, dtype=torch.float32)
        out[:, self._ends[0]] = 0.0
        out[torch.from_numpy(rows).to(scores.device), : self._vocab] = chosen
        return out


class _Thinned(StoppingCriteria):
    """Stops a batch of more than a few rows when half of them have ended."""

    def __init__(self, ends: Sequence[int]) -> None:
        self._ends = list(ends)

    def __call__(self, input_ids: Tensor, scores: Tensor, **rest: Any) -> Tensor:
        # A row that has ended goes on with padding, which is an end token.
        ended = int(np.isin(input_ids[:, -1].cpu().numpy(), self._ends).sum())
        stop = len(input_ids) > _FEW and 2 * ended >= len(input_ids)
        return torch.full((len(input_ids),), stop, device=input_ids.device)


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

    Draws depend on the prompt's ids, the temperature and `attempt`, nothing else; so the reply is
    the same alone or in any batch, up to ties within float rounding: none seen in float32, but in
    bfloat16 rounding is coarse, and about half of the replies of 20 tokens change with the batch.
    Ids from `vocab` on are never chosen. The model's own generation settings (penalties, warpers)
    are not used. `spoken` is given the distributions, by row of `prompts`. Model and torch's global
    generator stay as they were. ConfigError if a logit is NaN or infinite.
    """
    replies: dict[int, NDArray[np.int32]] = {}
    with evaluating(model):
        # One row at a time where neighbours matter: transformers' RWKV also mixes the states of a batch.
        size = 1 if reads_padding(model) else decoding.batch_size
        for rows in batches([len(p) for p in prompts], size):
            some = [as_ids(prompts[row]) for row in rows]
            drawn = [content_generator(p, float(decoding.temperature), int(attempt)) for p in some]
            made = _generate_batch(model, some, rows, drawn, decoding, ends, vocab, spoken)
            replies |= dict(zip(rows, made, strict=True))
    return [replies[row] for row in range(len(prompts))]


def _generate_batch(
    model: PreTrainedModel,
    prompts: Sequence[NDArray[np.int32]],
    names: Sequence[int],
    generators: Sequence[np.random.Generator],
    decoding: Decoding,
    ends: Sequence[int],
    vocab: int,
    spoken: ReplyDistributions | None,
) -> list[NDArray[np.int32]]:
    """The replies of one batch. Rows that have ended are taken out each time they are half of it."""
    device = reading_device(model)
    ids, mask = (part.to(device) for part in left_padded(prompts, ends[0]))
    width, cache = ids.shape[1], None
    open_rows = np.arange(len(prompts))
    replies = [as_ids([])] * len(prompts)
    while len(open_rows):
        perturb = _Perturb(
            [generators[row] for row in open_rows.tolist()],
            decoding.temperature,
            ends,
            vocab,
            None if spoken is None else partial(_tell, spoken, np.array(names)[open_rows]),
        )
        left = decoding.max_new_tokens - (ids.shape[1] - width)
        with _only(model, _settings(left, ends)):
            out = cast(Any, model).generate(
                ids,
                attention_mask=mask,
                logits_processor=LogitsProcessorList([perturb]),
                stopping_criteria=StoppingCriteriaList([_Thinned(ends)]),
                **({} if cache is None else {"past_key_values": cache}),
            )
        said = out.sequences[:, width:].cpu().numpy()
        for row, reply in zip(open_rows, said, strict=True):
            replies[row] = until_end(reply, ends)
        if said.shape[1] == decoding.max_new_tokens:
            break
        kept = np.flatnonzero(~np.isin(said, ends).any(axis=1))
        at = torch.from_numpy(kept).to(device)
        ids, mask = out.sequences[at], mask[at]
        mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]), value=1)
        open_rows, cache = open_rows[kept], out.past_key_values
        if len(kept) and _holds_keys_alone(cache):
            keep_rows(cache, at)
        else:
            cache = None  # another kind of state: what was said is read again
    return replies


def _holds_keys_alone(cache: Any) -> bool:
    """Whether rows can be taken out of a cache: of keys and values, without a recurrent state."""
    known = (DynamicLayer, DynamicSlidingWindowLayer)
    return type(cache) is DynamicCache and all(type(layer) in known for layer in cache.layers)


def keep_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Leave these rows of a cache, whose layers lie on the devices of the model's."""
    for layer in cast(Any, cache).layers:
        if layer.get_seq_length() > 0:
            layer.batch_select_indices(rows.to(layer.keys.device))


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
    spoken: ReplyDistributions, names: NDArray[np.intp], at: NDArray[np.intp], logits: Tensor
) -> None:
    """The rows at these places of the batch said one more token."""
    spoken.add(names[at], logits)


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
