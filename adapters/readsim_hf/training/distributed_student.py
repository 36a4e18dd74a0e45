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
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective
from readsim_hf.teachers.codec import record_from_bytes, record_to_bytes
from readsim_hf.training.batch import Batch, Example, by_length, collate
from readsim_hf.training.copies import fill, outline
from readsim_hf.training.logits import loss_sum
from readsim_hf.training.process_group import ProcessGroup
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.source_losses import sources_in
from readsim_hf.training.student import (
    NotFiniteError,
    SourceSignal,
    Student,
    Window,
    layers_of,
)

Asked = Literal["weights", "moments", "all"]  # trained tensors, the optimiser's, or all weights


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
                _shard(losses, device.type, self.processes.world, self.recipe.precision == "bf16")
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
        batch = collate(part or self._spare, self.device, packed=self.recipe.packing)
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

    def held(self, kind: Asked) -> Mapping[str, Tensor]:
        """What this process has of the tensors of a kind: shards, or whole ones."""
        if kind == "all":
            return dict(self.trained.named_parameters())
        return super().weights() if kind == "weights" else super().moments()

    def gathered(self, kind: Asked, name: str) -> Tensor:
        """A whole tensor; all processes ask for the same."""
        with self.processes.together():
            return _whole(self.held(kind)[name].detach())

    def go_back(
        self, order: Mapping[str, Any], given: Mapping[str, Mapping[str, Tensor]] | None = None
    ) -> None:
        """Go back to process 0's weights and moments, one tensor at a time; each process keeps its part."""
        if order["moments"]:
            self._forget([name for kind, name, _ in order["tensors"] if kind == "moments"])
        for kind, name, shape in order["tensors"]:
            owner = self._place[name if kind == "weights" else name.rpartition("/")[0]]
            dtype = owner.dtype if shape else torch.float32
            whole = torch.empty(shape, dtype=dtype, device=self.device)
            if given is not None:
                fill(whole, given[kind][name])
            self.processes.broadcast(whole)
            self._put_one(kind, name, _part(whole, owner) if shape else whole)
        self.optimizer.zero_grad(set_to_none=True)


class Lead(Member):
    """Process 0's part: a `Student` to whoever uses it; the other processes follow.

    With FSDP `model` is a whole copy, made when it is read, in the precision of training, and gone with the
    next step. Where it trains and where its moments lie, no process has more than its part.
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
        self._copy: nn.Module | None = None
        self._shell: nn.Module | None = None
        super().__init__(model, recipe, objective, processes)

    def _share(self) -> None:
        if self.sharded:
            self._shell = without_weights(self.trained)
        super()._share()

    @property
    def model(self) -> nn.Module:
        if self._shell is None:
            return self.trained
        if self._copy is None:
            self._copy = self._whole_copy(self._shell)
        return self._copy

    def _whole_copy(self, shell: nn.Module) -> nn.Module:
        """All weights gathered. In bfloat16 training those that it casts are bfloat16: all but adapters."""
        half = self.recipe.precision == "bf16"
        whole, memo = self._gathering("all"), {}
        for name, empty in shell.named_parameters():
            adapter = self.recipe.lora and name in self._place
            dtype = torch.bfloat16 if half and not adapter else empty.dtype
            there = whole[name].to(self.device, dtype)
            memo[id(empty)] = nn.Parameter(there, requires_grad=False)
        made = copy.deepcopy(shell, memo)
        made.to(self.device)  # buffers
        return made.eval()

    def train_window(self, examples: Sequence[Example], spent: float) -> Window:
        examples = self.prepared(examples)
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
        self._copy = None
        self.processes.tell({"do": "train", **order})
        for rank in range(1, world):
            self.processes.send(rank, _packed(dealt[rank] or ordered[:1]))
        return self.take_part(dealt[0], order)

    def weights(self) -> Mapping[str, Tensor]:
        return self._gathering("weights")

    def moments(self) -> Mapping[str, Tensor]:
        return self._gathering("moments")

    def _gathering(self, kind: Asked) -> Mapping[str, Tensor]:
        if not self.sharded:
            return self.held(kind)

        def gather(name: str) -> Tensor:
            self.processes.tell({"do": "gather", "kind": kind, "name": name})
            return self.gathered(kind, name)

        return Gathered(self.held(kind), gather)

    def put(
        self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor] | None = None
    ) -> None:
        given = {"weights": weights, "moments": moments or {}}
        asked = {"weights": self.names, "moments": list(moments or {})}
        tensors = [
            [kind, name, list(outline(given[kind])[name].shape)]
            for kind, names in asked.items()
            for name in names
        ]
        order = {"tensors": tensors, "moments": moments is not None}
        self._copy = None
        self.processes.tell({"do": "put", **order})
        self.go_back(order, given)


class Gathered(Mapping[str, Tensor]):
    """Whole tensors of which each process has a part, gathered one at a time when they are asked for.

    held    this process's parts: the names, shapes and types of the whole
    """

    def __init__(self, held: Mapping[str, Tensor], gather: Callable[[str], Tensor]) -> None:
        self.held, self._gather = held, gather

    def __getitem__(self, name: str) -> Tensor:
        return self._gather(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def without_weights(model: nn.Module) -> nn.Module:
    """The model's structure with empty (meta) weights: names, shapes, types, and its buffers."""
    memo: dict[int, Any] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad)
        for p in model.parameters()
    }
    return copy.deepcopy(model, memo)


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
            member.gathered(order["kind"], order["name"])
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


def _shard(losses: nn.Module, device: str, world: int, half: bool) -> None:
    """Shard parameters, gradients and optimiser over the processes, a layer at a time: each goes to the
    device when it is cut, so that no device has the whole.

    `half` gathers weights in bfloat16 for computing; shards, moments and sums of gradients are float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    again = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in ("true", "1")
    mesh, policy = init_device_mesh(device, (world,)), MixedPrecisionPolicy()
    if half:  # the teacher's distributions, which come with the batch, stay float32
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for layer in layers_of(losses):
        fully_shard(layer, mesh=mesh, reshard_after_forward=again, mp_policy=policy)
    fully_shard(losses, mesh=mesh, mp_policy=policy)


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
    """Examples as bytes: a line of what records do not hold as bytes, then the records."""
    records = [record_to_bytes(e.record) for e in examples]
    facts = [
        [e.tokens, len(r), {name: getattr(e.record, name) for name in ("source", "weight", "own")}]
        for e, r in zip(examples, records, strict=True)
    ]
    head = json.dumps(facts).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(records)


def _unpacked(data: bytes) -> list[Example]:
    (size,) = struct.unpack_from("<Q", data)
    at, out = 8 + size, []
    for tokens, length, facts in json.loads(data[8:at]):
        record = record_from_bytes(data[at : at + length])
        out.append(Example(replace(record, **facts), tokens))
        at += length
    return out
