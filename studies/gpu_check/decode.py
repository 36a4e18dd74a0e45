"""Generation: where a draw is made, how many random numbers it takes, how many steps replies take."""

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache

from readsim_hf.costs.decoding import expected_longest, refilled_steps
from readsim_hf.teachers import decoding, kv_cache
from readsim_hf.teachers.ids import content_generator
from readsim_hf.teachers.steps import Steps
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model


class Counting:
    """A generator that counts the numbers drawn of it."""

    drawn = 0

    def __init__(self, inner: np.random.Generator) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        draw = getattr(self._inner, name)

        def counted(*given: Any, **more: Any) -> Any:
            made = draw(*given, **more)
            Counting.drawn += int(np.size(made if made is not None else more["out"]))
            return made

        return counted


class OnHost(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most numbers of a tensor that was made on the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.device.type == "cpu":
            self.most = max(self.most, out.numel())
        return out


def checks(device: torch.device) -> list[Check]:
    """Of a random model of the real widths; the draw itself on the meta device too, so that a CPU tells."""
    on_gpu = device.type == "cuda"
    rows, tokens = (64, 32) if on_gpu else (12, 16)
    one = model(device, 2, 0, torch.bfloat16 if on_gpu else torch.float32)
    vocabulary = int(one.config.vocab_size)
    draws = np.random.default_rng(0)
    prompts = [
        draws.integers(2, vocabulary, int(n)).tolist() for n in draws.integers(1, 40, 3 * rows)
    ]
    ends = list(range(0, vocabulary, 8))
    made, counted = content_generator, Counting.drawn
    steps = 0

    def count(_: Any, given: Any, more: Any) -> None:
        nonlocal steps
        steps += more["input_ids"].shape[1] == 1

    hook = one.register_forward_pre_hook(count, with_kwargs=True)
    try:
        setattr(decoding, "content_generator", lambda *parts: Counting(made(*parts)))  # noqa: B010
        settings = decoding.Decoding(tokens, 0.7, rows)
        replies = decoding.generate(one, prompts, settings, ends=ends, vocab=vocabulary)
    finally:
        setattr(decoding, "content_generator", made)  # noqa: B010
        hook.remove()
    lengths = np.array([len(reply) for reply in replies], dtype=float)
    numbers = (Counting.drawn - counted) / lengths.sum()
    planned = refilled_steps(lengths.sum(), rows, expected_longest(lengths, rows), 1)
    longest = sum(lengths[n : n + rows].max() for n in range(0, len(lengths), rows))
    return [
        Check("decode: random numbers a token", float(numbers), 1.0, 1.0, "more: V of them a row"),
        Check("decode: numbers on the host in a draw, a row", _on_host(), 1.0, note="meta device"),
        Check("decode: layers of a cache that are indexed where they lie", _indexed(), least=1.0),
        Check("decode: steps over the plan's", steps / planned, 1.3, note=f"{steps} steps"),
        Check("decode: steps over those of whole batches", steps / longest, 1.05),
    ]


def _indexed() -> float:
    """The share of a cache's layers, on two devices, that are given an index on their own."""
    cache: Any = DynamicCache()
    for layer, place in enumerate(("cpu", "meta", "cpu")):
        keys = torch.zeros((4, 1, 3, 2), device=place)
        cache.update(keys, keys, layer)
    right = []
    for layer in cache.layers:

        def select(rows: torch.Tensor, layer: Any = layer) -> None:
            right.append(rows.device == layer.keys.device)

        layer.batch_select_indices = select
    kv_cache.keep_rows(cache, torch.tensor([0, 3]))
    return float(np.mean(right)) if len(right) == len(cache.layers) else float("nan")


def _on_host() -> float:
    """Of a draw whose logits are elsewhere; NaN, which fails, where it cannot be made there."""
    rows, columns = 8, 5000
    generators = [content_generator(row) for row in range(rows)]
    steps = Steps(generators, np.full(rows, 9), 0.7, [0], columns, rows)
    steps.finite = lambda logits: None  # meta tensors have no values
    try:
        with OnHost() as spied:
            steps.choose(torch.zeros((rows, columns), device="meta"))
    except (NotImplementedError, RuntimeError):  # it asked for the values
        return float("nan")
    most: float = spied.most / rows
    return most
