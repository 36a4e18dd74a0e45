"""What a run takes beside operations: disk, and money where prices are known."""

from typing import NamedTuple

from readsim_hf.costs.devices import USABLE, Device, devices_needed
from readsim_hf.costs.disk import checkpoint_bytes, reply_bytes, saved_bytes, store_bytes
from readsim_hf.costs.memory import Memory
from readsim_hf.plan.dry_run import DryRun
from readsim_hf.plan.estimate import Hours, layout


class Disk(NamedTuple):
    """Bytes: replies that are kept (`data.cache`), checkpoints, the trained student."""

    replies: float
    checkpoints: float
    student: float


def disk_of(plan: DryRun) -> Disk:
    """At most: each prompt that is made is new, each row of data is answered once, and what the student
    answers itself is not kept. What a store holds is there already."""
    spent, lora = plan.spent, plan.config.training.lora
    whole = plan.config.soft.kind == "full"
    vocabulary = plan.columns or plan.student.vocabulary
    one = reply_bytes(vocabulary, spent.asked, spent.said, plan.kept, whole=whole)
    return Disk(
        0.0 if plan.stored is not None else spent.fresh * spent.answered * one,
        checkpoint_bytes(plan.student, lora),
        saved_bytes(plan.student, lora),
    )


def store_of(plan: DryRun, *, small: bool) -> float:
    """Bytes of a teach store with all replies of the run, at most: before compression."""
    spent, kind = plan.spent, plan.config.soft.kind
    vocabulary = plan.columns or plan.student.vocabulary
    lengths = spent.prompt, spent.reply, plan.kept
    return spent.different * store_bytes(vocabulary, *lengths, whole=kind == "full", small=small)


class HeldDevices(NamedTuple):
    """One kind of device: how many the run takes, how many its served teacher besides, whether the student
    fits on one, the hours that the run lasts there, these hours times all devices, and what they cost (None:
    the price is not known).

    The run's devices work one after the other: its teacher's parts, the student, probes. A server's divide
    a step between them. All of them are held all the time."""

    devices: int
    servers: int
    fits: bool
    hours: float
    device_hours: float
    money: float | None


def held(hours: Hours, memory: Memory, device: Device, served: float = 0.0) -> HeldDevices:
    """Hours times devices, and times the price of an hour; `served` bytes are a server's."""
    each = layout(memory, device)
    servers = devices_needed(served, device) if served else 0
    servers = 1 << (servers - 1).bit_length() if servers else 0  # tensor-parallel: powers of two
    lasts = hours.train + hours.probe + hours.teacher / max(1, servers)
    count = len(each) + servers
    total = count * lasts
    fits = each[0] <= USABLE * device.memory
    money = None if device.price is None else total * device.price
    return HeldDevices(len(each), servers, fits, lasts, total, money)


class TokenPrices(NamedTuple):
    """Money for a million tokens of a served teacher: of prompts, of replies."""

    prompt: float
    generated: float


def token_money(plan: DryRun, prices: TokenPrices) -> float:
    """What the served teachers cost; of a plan without one, what its teacher would cost if it were."""
    prompt, generated = plan.served if any(plan.served) else plan.paid(plan.teachers)
    return (prompt * prices.prompt + generated * prices.generated) / 1e6
