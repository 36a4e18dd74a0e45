"""One student trained by several processes: the same steps as one process takes, up to rounding.

Each process holds the student (DDP) or a shard of it (FSDP) and its optimiser state, and takes its part
of a window; gradients are summed over all, and all take the same step.
"""

import copy
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective
from readsim_hf.teachers.codec import record_from_bytes, record_to_bytes
from readsim_hf.training.batch import Batch, Example, collate
from readsim_hf.training.logits import loss_sum
from readsim_hf.training.process_group import ProcessGroup
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.source_losses import sources_in
from readsim_hf.training.student import (
    NotFiniteError,
    SourceSignal,
    Student,
    Window,
    by_length,
    layers_of,
)

Kind = str  # "weights" or "moments"


class Losses(nn.Module):
    """A model and its objective as one module, which is what DDP and FSDP wrap."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self._objective = model, objective

    def forward(self, batch: Batch) -> Tensor:
        return loss_sum(self.model, batch, self._objective)


class Member(Student):
    """One process's part of the student."""

    def __init__(
        self, model: nn.Module, recipe: Recipe, objective: Objective, processes: ProcessGroup
    ) -> None:
        self.processes, self.sharded = processes, is_sharded()
        super().__init__(model, recipe, objective)
        if self._reads_padding:
            raise ConfigError(
                "the student reads padding (a recurrent model without a mask): several processes do not "
                "train it; start one"
            )

    def _share(self) -> None:
        losses = Losses(self.trained, self.objective)
        device = self.processes.device
        with self.processes.together():
            if self.sharded:
                _shard(losses, device.type, self.processes.world)
                self._losses: nn.Module = losses
            else:
                self._losses = DistributedDataParallel(
                    losses,
                    device_ids=[device.index] if device.type == "cuda" else None,
                    # experts that no token reaches have no gradient
                    find_unused_parameters=any("expert" in n for n, _ in losses.named_parameters()),
                )

    def _backward(self, part: Sequence[Example], total: int, *, last: bool) -> Tensor:
        """As for one process; where nothing is left for this one, something that does not count."""
        weight = self.processes.world if part else 0  # the gradients of all are averaged
        batch = collate(part or self._spare, self.device)
        losses = self._losses
        wait = isinstance(losses, DistributedDataParallel) and not last  # sum over processes once
        with losses.no_sync() if wait else nullcontext():  # type: ignore[operator]
            with self._recomputing(), self.autocast():
                value: Tensor = losses(batch) * (weight / total)
            heard = self.objective.take()
            if part:
                self._by_source.add(part, batch, heard)
            value.backward()  # type: ignore[no-untyped-call]
        return value.detach() / self.processes.world

    def _summed(self, of_mine: Tensor) -> Tensor:
        return self.processes.summed(of_mine)

    def source_signals(self, examples: Sequence[Example]) -> dict[str, SourceSignal]:
        return {}

    def _gradient_norm(self) -> Tensor:
        return _whole(super()._gradient_norm())

    def take_part(self, examples: Sequence[Example], order: Mapping[str, Any]) -> Window:
        """This process's part of a step; the first example does not count where it has none."""
        cuts = order["cuts"]
        ends = [0, *accumulate(cuts[self.processes.rank])]
        self._spare = list(examples[:1])
        parts = [list(examples[a:b]) for a, b in pairwise(ends)]
        parts += [[]] * (max(map(len, cuts)) - len(parts))  # all take as many turns
        with self.processes.together():
            return self._step(parts, order["total"], order["spent"], order["sources"])

    def gathered(self, kind: Kind, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        """Whole tensors, one at a time; all processes ask for the same."""
        held = super().weights() if kind == "weights" else super().moments()
        for name in names:
            with self.processes.together():
                whole = _whole(held[name])
            yield name, whole

    def go_back(
        self, order: Mapping[str, Any], given: Mapping[str, Mapping[str, Tensor]] | None = None
    ) -> None:
        """Go back to process 0's weights and moments; each process keeps its part of them."""
        place = dict(zip(self.names, self.parameters, strict=True))
        parts: dict[Kind, dict[str, Tensor]] = {"weights": {}, "moments": {}}
        for kind, name, shape in order["tensors"]:
            owner = place[name if kind == "weights" else name.rpartition("/")[0]]
            dtype = owner.dtype if shape else torch.float32
            whole = torch.empty(shape, dtype=dtype, device=self.device)
            if given is not None:
                whole.copy_(given[kind][name])
            self.processes.broadcast(whole)
            parts[kind][name] = _part(whole, owner) if shape else whole.cpu()
        super().put(parts["weights"], parts["moments"])


class Lead(Member):
    """Process 0's part: a `Student` to whoever uses it; the other processes follow.

    With FSDP `model` is a whole copy on process 0, brought up to date when it is read.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        objective: Objective,
        processes: ProcessGroup,
        facts: Mapping[str, Any],
    ) -> None:
        processes.tell({"do": "fresh", **facts})
        self._copy = Student(copy.deepcopy(model), recipe, objective) if is_sharded() else None
        self._stale = False
        super().__init__(model, recipe, objective, processes)

    @property
    def model(self) -> nn.Module:
        if self._copy is None:
            return self.trained
        if self._stale:
            self._copy.put(self.weights(), {})
            self._stale = False
        return self._copy.model

    def train_window(self, examples: Sequence[Example], spent: float) -> Window:
        total = sum(example.tokens for example in examples)
        world, ordered = self.processes.world, by_length(examples)
        dealt = [ordered[rank::world] for rank in range(world)]
        cuts = [[len(part) for part in self._parts(own)] for own in dealt]
        order = {
            "cuts": cuts,
            "total": total,
            "spent": spent,
            "sources": list(sources_in(examples)),
        }
        self.processes.tell({"do": "train", **order})
        for rank in range(1, world):
            self.processes.send(rank, _packed(dealt[rank] or ordered[:1]))
        self._stale = True
        return self.take_part(dealt[0], order)

    def weights(self) -> dict[str, Tensor]:
        return self._all("weights", super().weights())

    def moments(self) -> dict[str, Tensor]:
        return self._all("moments", super().moments())

    def _all(self, kind: Kind, held: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.sharded:
            return held
        self.processes.tell({"do": "gather", "kind": kind, "names": list(held)})
        return {name: whole.cpu() for name, whole in self.gathered(kind, list(held))}

    def put(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> None:
        given = {"weights": {n: weights[n] for n in self.names}, "moments": moments}
        tensors = [
            [kind, n, list(t.shape)] for kind, part in given.items() for n, t in part.items()
        ]
        self.processes.tell({"do": "put", "tensors": tensors})
        self._stale = True
        self.go_back({"tensors": tensors}, given)


def follow(processes: ProcessGroup, fresh: Callable[[Mapping[str, Any]], Member]) -> None:
    """What the other processes do, until process 0 stops them; `fresh` makes a new part."""
    member: Member | None = None
    while (order := processes.hear())["do"] != "stop":
        if order["do"] == "fresh":
            member = None  # the old one's memory is free before the new one's is taken
            member = fresh(order)
            continue
        assert member is not None
        if order["do"] == "train":
            examples = _unpacked(processes.receive(0))
            with suppress(NotFiniteError):  # process 0 says it
                member.take_part(examples, order)
        elif order["do"] == "gather":
            for _ in member.gathered(order["kind"], order["names"]):
                pass
        elif order["do"] == "put":
            member.go_back(order)


def is_sharded() -> bool:
    """Whether the launcher was told to shard the student (FSDP); ConfigError for what is not done."""
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return False
    for name, accepted in (
        ("FSDP_VERSION", "2"),
        ("FSDP_OFFLOAD_PARAMS", "false"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "false"),  # training.gradient_checkpointing is ours
    ):
        value = os.environ.get(name, "1" if name == "FSDP_VERSION" else "false")
        if value.lower() != accepted:
            raise ConfigError(f"{name.lower()} of accelerate = {value!r}; accepted: {accepted!r}")
    return True


def _shard(losses: nn.Module, device: str, world: int) -> None:
    """Shard parameters, gradients and optimiser over the processes, a layer at a time."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    again = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in ("true", "1")
    mesh = init_device_mesh(device, (world,))
    for layer in layers_of(losses):
        fully_shard(layer, mesh=mesh, reshard_after_forward=again)
    fully_shard(losses, mesh=mesh)


def _whole(tensor: Tensor) -> Tensor:
    """A sharded tensor's whole, gathered by all processes; others as they are."""
    gather: Any = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def _part(whole: Tensor, owner: Tensor) -> Tensor:
    """This process's part of a tensor that all have, sharded as `owner` is."""
    if not hasattr(owner, "full_tensor"):
        return whole
    from torch.distributed.tensor import distribute_tensor

    layout: Any = owner
    part: Tensor = distribute_tensor(
        whole, layout.device_mesh, layout.placements, src_data_rank=None
    )
    return part


def _packed(examples: Sequence[Example]) -> bytes:
    """Examples as bytes: a line of token counts, sizes and sources, then the records."""
    records = [record_to_bytes(e.record) for e in examples]
    facts = [[e.tokens, len(r), e.record.source] for e, r in zip(examples, records, strict=True)]
    head = json.dumps(facts).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(records)


def _unpacked(data: bytes) -> list[Example]:
    (size,) = struct.unpack_from("<Q", data)
    at, out = 8 + size, []
    for tokens, length, source in json.loads(data[8:at]):
        record = record_from_bytes(data[at : at + length])
        out.append(Example(replace(record, source=source), tokens))
        at += length
    return out
