"""Generation: a prompt's reply does not depend on its neighbours, on the run or on the batch size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel

from readsim.errors import ConfigError
from readsim_hf.teachers.ids import Ids, as_ids, content_generator
from readsim_hf.teachers.inference import batches, evaluating, require_finite


@dataclass(frozen=True)
class Decoding:
    """How replies are generated (D35: temperature 0.7 for data).

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


class _Perturb(LogitsProcessor):
    """Makes the greedy choice a draw from softmax(logits / temperature) over the first `vocab` ids.

    Gumbel-max: argmax(logits / temperature - log E) with E standard exponential, in float64 because
    a float32 E is 0 once in 2^23 draws, which would pick a token however improbable it is. Each row
    draws from its own generator. Rows that have ended draw nothing.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        temperature: float,
        ends: Sequence[int],
        vocab: int,
    ) -> None:
        self._generators = generators
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


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    decoding: Decoding,
    *,
    ends: Sequence[int],
    vocab: int,
    attempt: int = 0,
) -> list[NDArray[np.int32]]:
    """The reply to each prompt, in the order given, up to its first end token inclusive.

    Draws depend on the prompt's ids, the temperature and `attempt`, nothing else; so the reply is
    the same alone or in any batch, up to ties within float rounding: none seen in float32, but in
    bfloat16 rounding is coarse, and about half of the replies of 20 tokens change with the batch.
    Ids from `vocab` on are never chosen. The model's own generation settings (penalties, warpers)
    are not used. Model and torch's global generator stay as they were. ConfigError if a logit is
    NaN or infinite.
    """
    replies: dict[int, NDArray[np.int32]] = {}
    settings = cast(Any, GenerationConfig)(
        do_sample=False,
        num_beams=1,
        max_new_tokens=decoding.max_new_tokens,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
        use_cache=True,
    )
    with evaluating(model), _only(model, settings):
        for rows in batches([len(p) for p in prompts], decoding.batch_size):
            some = [as_ids(prompts[row]) for row in rows]
            ids, mask = _left_padded(some, ends[0])
            perturb = _Perturb(
                [content_generator(p, float(decoding.temperature), int(attempt)) for p in some],
                decoding.temperature,
                ends,
                vocab,
            )
            out = cast(Any, model).generate(
                ids.to(model.device),
                attention_mask=mask.to(model.device),
                logits_processor=LogitsProcessorList([perturb]),
            )
            for row, reply in zip(rows, out[:, ids.shape[1] :].cpu().numpy(), strict=True):
                replies[row] = until_end(reply, ends)
    return [replies[row] for row in range(len(prompts))]


def until_end(reply: Ids, ends: Sequence[int]) -> NDArray[np.int32]:
    """A reply up to its first end token inclusive: what follows is padding, whatever its id."""
    found = np.flatnonzero(np.isin(reply, ends))
    return as_ids(reply[: found[0] + 1] if len(found) else reply)


def _left_padded(prompts: Sequence[NDArray[np.int32]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, (B, longest)."""
    width = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), width), pad, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.from_numpy(prompt)
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
