"""Students merged weight by weight: what mixtures would do, and models in folders as one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from readsim.arrays import Array
from readsim.backend import Backend, TokenUsage, added, undone
from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from readsim_hf.models.loading import load_model, load_tokenizer, no_progress_bars, source_dtype
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores
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
        merged = merged_weights(start, ends, mixture[used_sources])
        with backend.student.swapped(copies(merged)):
            measured = backend.measure("dev")
        profiles.append(measured.profile)
        usage = added(usage, measured.token_usage)
    return np.array(profiles), usage


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

    Sums are in float32; the folder has the precision of the first student, and its tokenizer. Two models
    and the sum are in memory at a time. ConfigError for students that differ in shape or vocabulary,
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
    vocabulary = load_tokenizer(students[0]).get_vocab()
    for source, share in zip(students, shares, strict=True):
        if load_tokenizer(source).get_vocab() != vocabulary:
            raise ConfigError(f"student {source!r} has another vocabulary than {students[0]!r}")
        _add_change(made, start, load_model(source), share, source)
    start.load_state_dict(made)
    tokenizer = load_tokenizer(students[0])
    with no_progress_bars(), writing(out):
        merged: Any = start  # transformers' own `to` is typed as a function without a model
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
) -> None:
    """`made` += share (end - start), tensor by tensor; what is no floating number stays as it is."""
    ends, starts = end.state_dict(), start.state_dict()
    if (other := set(ends) ^ set(starts)) or any(ends[n].shape != starts[n].shape for n in ends):
        name = min(other) if other else next(n for n in ends if ends[n].shape != starts[n].shape)
        raise ConfigError(
            f"student {source!r} has another shape than the first: its tensor {name!r} differs"
        )
    for name, old in starts.items():
        if old.is_floating_point():
            made[name] += share * (ends[name] - old)
