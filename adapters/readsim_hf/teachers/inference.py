"""What all that read with a model share: it is left as it was found; batches of similar length, of equal
length for a model that reads padding."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from readsim.errors import ConfigError


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module goes back to the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def batches(
    lengths: Sequence[int],
    size: int,
    *,
    equal: bool = False,
    tokens: int | None = None,
    packed: bool = False,
) -> list[list[int]]:
    """Indices in order of length (ties in order of index), cut into batches of at most `size`; with
    `equal` all of a batch have one length.

    No batch has more than `tokens` tokens, padding included, of which there is none where it is `packed`; a
    longer one alone is a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    out: list[list[int]] = []
    for place, index in enumerate(order):
        length = lengths[index]
        full = not out or len(out[-1]) == size
        other = equal and place > 0 and lengths[order[place - 1]] != length
        before = out[-1] if out else []
        held = sum(lengths[i] for i in before) if packed else len(before) * length
        large = tokens is not None and held + length > tokens
        if full or other or large:
            out.append([])
        out[-1].append(index)
    return out


def without_plans() -> None:
    """cuDNN's attention off in this process: it makes a plan for each new shape, and nearly every step of
    decoding and every micro-batch has one. On an H200 with PyTorch 2.11 (2026-11-29) that took .07 to .26 s a
    shape; 8B's widths in 4 layers trained on new lengths at 5K tokens/s with it and 29K without.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def reading_device(model: nn.Module) -> torch.device:
    """Where a model takes its token ids: `model.device`, or where its first weights are computed with, if
    accelerate keeps these elsewhere (offloaded weights are on the meta device)."""
    inner: Any = model
    device: torch.device = inner.device
    if device.type != "meta":
        return device
    hook = getattr(inner.get_input_embeddings(), "_hf_hook", None)
    for one in getattr(hook, "hooks", [hook]):
        if getattr(one, "execution_device", None) is not None:
            return torch.device(one.execution_device)
    return torch.device("cpu")


def keeps_logits(model: nn.Module) -> bool:
    """Whether a model makes logits of the last positions alone where it is asked to."""
    return "logits_to_keep" in signature(model.forward).parameters


def cache_word(model: nn.Module) -> str:
    """What a model calls its cache of keys and values: transformers gave it another name in version 5.24."""
    base = getattr(model, "get_base_model", lambda: model)()  # under an adapter
    return "cache" if "cache" in signature(base.forward).parameters else "past_key_values"


def computing(precision: str, device: str) -> AbstractContextManager[object]:
    """In which a student reads, writes and trains: bfloat16 products for `bf16`; float32 weights stay so."""
    return nullcontext() if precision == "fp32" else torch.autocast(device, torch.bfloat16)


_READS: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def reads_padding(model: nn.Module) -> bool:
    """Whether what stands left of a sequence changes its logits although the mask hides it.

    A recurrent model that takes no mask (RWKV) carries padding in its state: rows of one batch have to
    be equally long, and replies are generated one by one. Found out by reading one sequence after two
    kinds of padding; more than rounding (sqrt(eps) of the largest logit) tells. Asked once of each
    model, on its own weights.
    """
    if model not in _READS:
        with evaluating(model):
            inner: Any = model
            device = reading_device(model)
            ids = torch.tensor([[0] * 8 + [1, 2], [1] * 8 + [1, 2]], device=device)
            mask = torch.tensor([[0] * 8 + [1, 1]] * 2, device=device)
            place = (mask.cumsum(1) - 1).clamp(min=0)
            both = inner(
                input_ids=ids, attention_mask=mask, position_ids=place, use_cache=False
            ).logits[:, -1]
        bound = torch.finfo(both.dtype).eps ** 0.5 * float(both.abs().max())
        _READS[model] = bool((both[0] - both[1]).abs().max() > bound)
    return _READS[model]


def require_finite(logits: Tensor) -> None:
    """ConfigError if a row of (N, V) logits has a NaN, an infinity, or nothing above -infinity."""
    if not len(logits):
        return
    finite = torch.isfinite(logits.amax(dim=-1))
    if not bool(finite.all()):
        bad = logits[int((~finite).nonzero()[0, 0])].amax().item()
        raise ConfigError(
            f"the teacher's largest logit is {bad}, at {int((~finite).sum())} of {len(finite)} "
            "positions: it must be finite; check the weights, or load the model in bfloat16 or float32"
        )
