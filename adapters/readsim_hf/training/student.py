"""The student in training: weights and optimiser, one window of examples at a time."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from readsim.arrays import Array
from readsim.errors import ConfigError, TrainingError
from readsim_hf.models.memory import memory_for
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sums import terms_in
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.teachers.inference import batches, computing, reads_padding
from readsim_hf.training.batch import Example, collate, length_of
from readsim_hf.training.copies import as_array, as_tensor, copies, fill
from readsim_hf.training.determinism import with_determinism
from readsim_hf.training.layer_pairs import LayerPairs, hidden_term
from readsim_hf.training.liger import apply_liger
from readsim_hf.training.logits import bare, is_plain_head, loss_sum
from readsim_hf.training.lora import dropouts_of, dropping, with_lora
from readsim_hf.training.packing import packs
from readsim_hf.training.read_log_probs import read_log_probs
from readsim_hf.training.recipe import Recipe, learning_rate
from readsim_hf.training.slopes import with_slopes
from readsim_hf.training.source_losses import (
    BesideKL,
    Listening,
    SourceLosses,
    by_source,
    sources_in,
)

KNOBS = (
    "lower micro_batch = {micro}, or use precision = 'bf16', gradient_checkpointing = true, lora = 16, or a "
    "top-k signal (soft.kind = 'topk')"
)


Kind = Literal["weights", "moments"]


class NotFiniteError(TrainingError):
    """A loss or a gradient that is not finite: the same for all processes of a run."""


class Window(NamedTuple):
    """What one optimiser step did: mean loss a supervised token, tokens, gradient norm, rate; and the sum of
    the losses of each source, weighted as in the step."""

    loss: float
    tokens: int
    gradient: float
    rate: float
    losses: Mapping[str, float]


class SourceSignal(NamedTuple):
    """Of the examples of one source in a window: the norm of what they add to the window's gradient, before
    it is clipped; KL(teacher || student) a supervised token and the deviation of the tokens' log-ratios, None
    without distributions; and the source's part of the window's tokens."""

    gradient: float
    kl: float | None
    dispersion: float | None = None
    part: float = 1.0


class Student:
    """A model with its AdamW optimiser, which lives as long as the budget.

    teacher   whose hidden states the objective reads; None where it reads none
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        objective: Objective,
        teacher: PreTrainedModel | None = None,
    ) -> None:
        if recipe.liger:
            apply_liger(model)
        self.trained = with_lora(model, recipe) if recipe.lora else model
        self._dropouts = dropouts_of(self.trained) if recipe.lora_dropout else []
        self.recipe, self.objective = recipe, Listening(objective)
        inner = bare(self.trained)
        self._reads_padding = reads_padding(inner)
        if recipe.packing:
            packs(inner, recipe)
        self.layers = self._layers(inner, teacher)
        self.read_by_teacher = 0  # tokens, for hidden states
        self.steps = 0  # of the optimiser, in all runs
        is_plain_head(inner)  # seen now, while the weights are whole
        self._share()
        self._place = {n: p for n, p in self.trained.named_parameters() if p.requires_grad}
        if self.layers is not None:
            self._place |= {f"layers.{n}": p for n, p in self.layers.named_parameters()}
        self.names, self.parameters = list(self._place), list(self._place.values())
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=recipe.learning_rate,
            betas=(0.9, recipe.beta2),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.trained.eval()  # dropout off: the same weights give the same loss (LoRA's own: `dropping`)
        if recipe.gradient_checkpointing:
            _recompute_activations(bare(self.trained))

    @property
    def model(self) -> nn.Module:
        """The model with the trained weights, to read and to generate with."""
        return self.trained

    def _layers(self, inner: PreTrainedModel, teacher: PreTrainedModel | None) -> LayerPairs | None:
        term = hidden_term(self.objective)
        if term is None:
            return None
        if teacher is None:
            raise ConfigError("teacher is None: the objective 'hidden' reads a teacher's states")
        self._reads_padding = self._reads_padding or reads_padding(teacher)
        return LayerPairs(term, inner, teacher).to(inner.device)

    def _share(self) -> None:
        """Where several processes train one student: hand the model to them."""

    def train_window(self, examples: Sequence[Example], spent: float) -> Window:
        """One optimiser step on all examples; `spent` is the share of the budget spent before it.

        The loss is the sum over supervised tokens divided by their number in the whole window, so it
        does not depend on how the window is cut into micro-batches.

        Raises TrainingError if the loss or a gradient is not finite (the weights stay as they were)
        or memory runs out.
        """
        examples = self.prepared(examples)
        total = sum(example.tokens for example in examples)
        parts = self._parts(examples) if total else []
        return self._step(parts, total, spent, sources_in(examples))

    def prepared(self, examples: Sequence[Example]) -> Sequence[Example]:
        """What a step trains on: of a loss of whole replies, with the slopes at the weights as they are."""
        return with_slopes(self.objective, examples, lambda some: self.log_probs(self.model, some))

    def log_probs(
        self, model: nn.Module, examples: Sequence[Example], whose: str = "the student's"
    ) -> list[NDArray[np.float32]]:
        """Log-probabilities of the examples' supervised tokens (L_i,) by a model, in the precision of
        training. TrainingError where one is NaN."""
        cut = next((p.size for p in terms_in(self.objective) if isinstance(p, Cut)), None)
        most = {"size": self.recipe.micro_batch, "tokens": self.recipe.micro_tokens}
        with self.autocast():
            return read_log_probs(model, examples, cut, whose=whose, **most)

    def _parts(self, examples: Sequence[Example]) -> list[list[Example]]:
        """Micro-batches of similar length."""
        lengths, recipe = [length_of(example) for example in examples], self.recipe
        same, most = self._reads_padding, recipe.micro_tokens
        rows = batches(lengths, recipe.micro_batch, equal=same, tokens=most, packed=recipe.packing)
        return [[examples[row] for row in part] for part in rows]

    def source_signals(self, examples: Sequence[Example]) -> dict[str, SourceSignal]:
        """What each source of a window adds to its gradient, at the weights as they are now.

        It reads the examples once more and changes nothing; what a teacher reads for its hidden states is
        counted in `read_by_teacher`. Empty where several processes train.
        """
        examples = self.prepared(examples)
        total, found = sum(example.tokens for example in examples), {}
        for source, own in by_source(examples).items():
            beside = BesideKL(self.objective.objective)
            try:
                with memory_for("while training", KNOBS.format(micro=self.recipe.micro_batch)):
                    for part in self._parts(own):
                        batch = collate(part, self.device, packed=self.recipe.packing)
                        with self._recomputing(), self.autocast():
                            value = loss_sum(self.trained, batch, beside, self.layers) / total
                        if self.layers is not None:
                            self.read_by_teacher += sum(map(length_of, part))
                        value.backward()  # type: ignore[no-untyped-call]
                grads = [p.grad for p in self.parameters if p.grad is not None]
                norm = float(nn.utils.get_total_norm(grads))
            finally:
                self.optimizer.zero_grad(set_to_none=True)
            count = sum(example.tokens for example in own)
            kl = None if beside.total is None else float(beside.total) / count
            spread = float(torch.cat(beside.ratios).std(correction=0)) if beside.ratios else None
            found[source] = SourceSignal(norm, kl, spread, count / total)
        return found

    def _step(
        self, parts: Sequence[Sequence[Example]], total: int, spent: float, sources: Sequence[str]
    ) -> Window:
        """One optimiser step on micro-batches of a window of `total` tokens, of these sources."""
        recipe = self.recipe
        loss = torch.zeros((), device=self.device)
        self._by_source = SourceLosses(sources, self.device)
        self.objective.take()  # what a step that failed left
        try:
            with (
                memory_for("while training", KNOBS.format(micro=recipe.micro_batch)),
                with_determinism(recipe.deterministic),
                dropping(self._dropouts, parts),
            ):
                for left, part in zip(reversed(range(len(parts))), parts, strict=True):
                    loss += self._backward(part, total, last=left == 0)
                loss = self._summed(loss)
                self._by_source.sums = self._summed(self._by_source.sums)
                norm = self._gradient_norm()
        except BaseException:
            self.optimizer.zero_grad(set_to_none=True)
            raise
        rate = learning_rate(recipe.learning_rate, spent, recipe.warmup, recipe.schedule)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            self.optimizer.zero_grad(set_to_none=True)
            for source in (e.record.source for part in parts for e in part if _is_unknown(e)):
                raise NotFiniteError(
                    f"the teacher's log-probabilities of a reply of {source!r} are NaN: ask the teacher "
                    "again (another data.cache), or leave that source out"
                )
            raise NotFiniteError(
                f"the loss is {float(loss)} (gradient norm {float(norm)}) at {100 * spent:.1f} % of "
                f"the budget, learning rate {rate:g}: lower learning_rate, or use precision = 'fp32'"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with memory_for("in the first optimiser steps", KNOBS.format(micro=recipe.micro_batch)):
            self.optimizer.step()
        self.steps += 1
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._by_source.table()
        return Window(float(loss), total, float(norm), rate, losses)

    def _backward(self, part: Sequence[Example], total: int, *, last: bool) -> Tensor:
        """Add a micro-batch's gradient; its share of the loss."""
        del last  # it matters to several processes alone
        batch = collate(part, self.device, packed=self.recipe.packing)
        with self._recomputing(), self.autocast():
            value = loss_sum(self.trained, batch, self.objective, self.layers) / total
        if self.layers is not None:
            self.read_by_teacher += sum(map(length_of, part))
        self._by_source.add(part, batch, self.objective.take())
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    def _summed(self, of_mine: Tensor) -> Tensor:
        """The sum over all processes of what each found."""
        return of_mine

    def _gradient_norm(self) -> Tensor:
        limit = self.recipe.clip or float("inf")
        return nn.utils.clip_grad_norm_(self.parameters, limit)

    @contextmanager
    def _recomputing(self) -> Iterator[None]:
        """With gradient checkpointing, its layers alone in training mode: only then do they recompute."""
        layers = layers_of(self.trained) if self.recipe.gradient_checkpointing else []
        for layer in layers:
            layer.training = True
        try:
            yield
        finally:
            for layer in layers:
                layer.training = False

    def autocast(self) -> AbstractContextManager[object]:
        """In which the student reads. Weights never change inside: what was cast is kept until its end."""
        return computing(self.recipe.precision, self.device.type)

    def weights(self) -> Mapping[str, Tensor]:
        """The trained tensors by name (all of them, or LoRA's), not copied."""
        return {n: p.data for n, p in zip(self.names, self.parameters, strict=True)}

    def moments(self) -> Mapping[str, Tensor]:
        """The optimiser's tensors by `NAME/exp_avg`, `NAME/exp_avg_sq`, `NAME/step`; not copied."""
        return {
            f"{name}/{key}": value
            for name, parameter in zip(self.names, self.parameters, strict=True)
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def put(
        self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor] | None = None
    ) -> None:
        """Go back to copies of `weights()` and `moments()`, one tensor at a time; without moments the
        optimiser keeps its own."""
        for name in self.names:
            self._put_one("weights", name, weights[name])
        if moments is not None:
            self._forget(moments)
            for name in moments:
                self._put_one("moments", name, moments[name])
        self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _put_one(self, kind: Kind, name: str, value: Tensor) -> None:
        """Into the tensor that is there; a moment that is not is made."""
        if kind == "weights":
            fill(self._place[name], value)
            return
        owner, _, part = name.rpartition("/")
        state = self.optimizer.state[self._place[owner]]
        if part in state and state[part].shape == value.shape:
            fill(state[part], value)
        elif hasattr(value, "full_tensor"):
            state[part] = value.detach().clone()
        else:
            state[part] = value.detach().to(self.device, copy=True)

    def _forget(self, moments: Collection[str]) -> None:
        """What has no moments among these is as before its first step."""
        kept = {name.rpartition("/")[0] for name in moments}
        for name, parameter in self._place.items():
            if name not in kept:
                self.optimizer.state.pop(parameter, None)

    def put_arrays(
        self, weights: Mapping[str, Array], moments: Mapping[str, Array] | None = None
    ) -> None:
        """`put` of `copies`."""
        self.put(self._tensors(weights), None if moments is None else self._tensors(moments))

    def _tensors(self, arrays: Mapping[str, Array]) -> dict[str, Tensor]:
        """Each of its weight's type; a moment's name is the weight's and a part."""
        place = self._place
        owners = {name: name if name in place else name.rpartition("/")[0] for name in arrays}
        return {name: as_tensor(a, place[owners[name]].dtype) for name, a in arrays.items()}

    @contextmanager
    def swapped(self, arrays: Mapping[str, Array]) -> Iterator[None]:
        """The student with the trained weights of these `copies`; afterwards it is as it was. Its own wait
        on the host meanwhile, the optimiser keeps its state."""
        own = copies(self.weights())
        try:
            self.put_arrays(arrays)
            yield
        finally:
            self.put_arrays(own)

    @contextmanager
    def started(self, start: nn.Module) -> Iterator[nn.Module]:
        """The model as it was before its first step, in the place of the student: the device never holds
        both. `start` has these weights, on the host."""
        if self.recipe.lora:
            model: Any = self.model
            with model.disable_adapter():
                yield model
            return
        with self.swapped(self.first_arrays(start)):
            yield self.model

    def first_arrays(self, start: nn.Module) -> dict[str, Array]:
        """The trained weights before the first step, as `copies` are; `start` has them, and shares its
        memory. What it does not have, maps between layers, is copied as it is now."""
        own, now = dict(start.named_parameters()), self.weights()
        rest = copies({name: now[name] for name in self.names if name not in own})
        return {n: rest[n] if n in rest else as_array(own[n].detach()) for n in self.names}


def _is_unknown(example: Example) -> bool:
    """Whether a log-probability of the teacher's is no number."""
    soft = example.record.soft
    return soft is not None and bool(np.isnan(soft.logp).any())


def layers_of(model: nn.Module) -> list[nn.Module]:
    """A transformer's layers."""
    return [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]


def _recompute_activations(model: Any) -> None:
    """Turn activation checkpointing on, by its name in this version of transformers."""
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
