"""Students merged weight by weight: what mixtures would do, and models in folders as one."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from readsim.arrays import Array
from readsim.backend import Backend, TokenUsage, added, undone
from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from readsim_hf.models.loading import load_model, load_tokenizer, no_progress_bars, source_dtype
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.training.copies import copies
from readsim_hf.training.saved import writing
from readsim_hf.training.student import Student


class Mergeable(Backend, Protocol):
    """What merging needs of the real-run backend besides the contract."""

    @property
    def student(self) -> Student:
        """The student in training."""
        ...

    def measure(self, split: Split) -> ItemScores:
        """Scores of the student, item by item."""
        ...


def merged_weights(
    start: dict[str, Tensor], ends: list[dict[str, Tensor]], shares: Array
) -> dict[str, Tensor]:
    """start + sum_s shares_s (end_s - start) of every trained tensor, for shares (n,) of n trainings."""
    return {
        name: old
        + sum(float(share) * (end[name] - old) for share, end in zip(shares, ends, strict=True))
        for name, old in start.items()
    }


def merged_adapters(
    start: dict[str, Tensor], ends: list[dict[str, Tensor]], shares: Array
) -> dict[str, Tensor]:
    """LoRA's factors whose products are B A + sum_s shares_s (B_s A_s - B A) for shares (n,).

    They stand side by side: A ((n + 1) r, in), B (out, (n + 1) r), those of B times their shares. The mean of
    factors would have another product: (B_1 + B_2) (A_1 + A_2) has B_1 A_2 in it.
    """
    parts, scales = [start, *ends], [1.0 - float(shares.sum()), *map(float, shares)]
    made = {}
    for name in (n for n in start if "lora_" in n):  # not the maps between layers
        if "_A." in name:
            made[name] = torch.cat([part[name] for part in parts])
        else:
            both = zip(scales, parts, strict=True)
            made[name] = torch.cat([scale * part[name] for scale, part in both], dim=1)
    return made


def merged_profiles(backend: Mergeable, mixtures: Array, tokens: int) -> tuple[Array, TokenUsage]:
    """Dev profiles (A, V) of students merged for mixtures (A, S), and the tokens that they took.

    The present student is trained for `tokens` on each source that a mixture has a part of, each time
    undone; these tokens count as `search`. It ends as it was, its optimiser too.
    """
    start = _copy(backend.student)
    used_sources = np.flatnonzero(mixtures.any(axis=0))
    ends, usage = [], dict[str, int]()
    for source in used_sources:
        with undone(backend):
            alone = np.eye(mixtures.shape[1])[source]
            used = dict(backend.run_interval(0, alone, tokens).token_usage)
            ends.append(_copy(backend.student))
        usage = added(usage, {"search": used.pop("student", 0)}, used)
    profiles = []
    for mixture in mixtures:
        with _merged(backend.student, start, ends, mixture[used_sources]):
            measured = backend.measure("dev")
        profiles.append(measured.profile)
        usage = added(usage, measured.token_usage)
    return np.array(profiles), usage


@contextmanager
def _merged(
    student: Student, start: dict[str, Tensor], ends: list[dict[str, Tensor]], shares: Array
) -> Iterator[None]:
    """The student with merged weights; afterwards it is as it was."""
    if not student.recipe.lora:
        with student.swapped(copies(merged_weights(start, ends, shares))):
            yield
        return
    place = dict(student.model.named_parameters())
    merged = merged_adapters(start, ends, shares)
    own = {name: place[name].data for name in merged}
    try:
        for name, tensor in merged.items():
            place[name].data = tensor.to(own[name].device)
        yield
    finally:
        for name, tensor in own.items():
            place[name].data = tensor


def _copy(student: Student) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in student.weights().items()}


RECORD = "merge.json"  # what a merged folder is made of


def merge_folders(
    students: Sequence[str], out: Path, weights: Sequence[float] = (), base: str | None = None
) -> None:
    """Write theta = theta_0 + sum_n w_n (theta_n - theta_0) to `out`, a folder to train on from.

    students   n models of one shape: folders, prepared names, hub ids
    weights    w_n, one each, or one for all; 1/n each without any. Equal weights that sum to 1 are the
               mean of the models (arXiv 2203.05482), unequal ones shares of it, those with another sum
               task arithmetic (arXiv 2212.04089), which needs the `base`
    base       theta_0, what all were trained from; of no effect where the weights sum to 1

    Sums are in float32; the folder has the precision, the configuration and the tokenizer of the first
    student, and ends replies where all students do. Two models and the sum are in memory at a time.
    ConfigError for students that differ in shape, in tied embeddings, in vocabulary or in what ends a reply,
    adapters alone, weights that are no numbers or too few; RunLogError where `out` cannot be written.
    """
    shares = _weights_of(students, weights, base)
    for source in students:
        if (Path(source) / "adapter_config.json").is_file():
            raise ConfigError(
                f"student {source!r} holds LoRA adapters alone: put them into their model first (peft: "
                "merge_and_unload)"
            )
    start = load_model(base or students[0])
    made = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    tokenizer, ends = load_tokenizer(students[0]), dict[str, tuple[int, ...]]()
    for source, share in zip(students, shares, strict=True):
        own = load_tokenizer(source)
        if own.get_vocab() != tokenizer.get_vocab():
            raise ConfigError(f"student {source!r} has another vocabulary than {students[0]!r}")
        ends[source] = end_ids(_add_change(made, start, load_model(source), share, source), own)
        if ends[source] != (first := ends[students[0]]):
            raise ConfigError(
                f"student {source!r} ends its replies with the ids {list(ends[source])} and {students[0]!r} "
                f"with {list(first)}: give both the same eos_token_id in their generation_config.json"
            )
    # transformers' own `to` is typed as a function without a model
    merged: Any = start if base is None else load_model(students[0])
    merged.load_state_dict(made)
    with no_progress_bars(), writing(out):
        merged.to(source_dtype(students[0])).save_pretrained(out)
        tokenizer.save_pretrained(out)
    record = {"students": list(students), "weights": shares, "base": base}
    write_atomic(out / RECORD, json.dumps(record, indent=1).encode())


def _weights_of(students: Sequence[str], weights: Sequence[float], base: str | None) -> list[float]:
    if len(students) < 2:
        raise ConfigError(f"students to merge: {len(students)}; accepted: at least 2")
    given = list(weights) or [1 / len(students)]
    shares = given * len(students) if len(given) == 1 else given
    if len(shares) != len(students) or not np.isfinite(shares).all():
        raise ConfigError(
            f"weights {given} of {len(students)} students: one finite number each, or one for all"
        )
    if base is None and abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            f"weights {shares} sum to {sum(shares):g}: name the base that the students were trained from, or "
            "let them sum to 1"
        )
    return shares


@torch.no_grad()
def _add_change(
    made: dict[str, Tensor],
    start: PreTrainedModel,
    end: PreTrainedModel,
    share: float,
    source: str,
) -> GenerationConfig | None:
    """`made` += share (end - start), tensor by tensor; what is no floating number stays as it is. What `end`
    says about generation."""
    if (tied := _is_tied(end)) != _is_tied(start):
        raise ConfigError(
            f"student {source!r} has tie_word_embeddings = {str(tied).lower()}, unlike what it is merged "
            "with: merge models that agree in it"
        )
    ends, starts = end.state_dict(), start.state_dict()
    if (other := set(ends) ^ set(starts)) or any(ends[n].shape != starts[n].shape for n in ends):
        name = min(other) if other else next(n for n in ends if ends[n].shape != starts[n].shape)
        raise ConfigError(
            f"student {source!r} has another shape than the first: its tensor {name!r} differs"
        )
    for name, old in starts.items():
        if old.is_floating_point():
            made[name] += share * (ends[name] - old)
    return end.generation_config


def _is_tied(model: Any) -> bool:
    """Whether a model's output layer is its embedding."""
    head = model.get_output_embeddings()
    return head is not None and bool(head.weight is model.get_input_embeddings().weight)
