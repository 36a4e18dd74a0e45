"""What a run takes beside operations: disk, and money where prices are known."""

from typing import NamedTuple

from readsim_hf.costs.devices import Device, devices_needed
from readsim_hf.costs.disk import checkpoint_bytes, reply_bytes, saved_bytes, store_bytes
from readsim_hf.costs.memory import Memory
from readsim_hf.plan.dry_run import DryRun
from readsim_hf.plan.estimate import Hours


class Disk(NamedTuple):
    """Bytes: replies that are kept (`data.cache`), checkpoints, the trained student."""

    replies: float
    checkpoints: float
    student: float


def disk_of(plan: DryRun) -> Disk:
    """At most: each prompt is new, and what the student answers itself is not kept. What a store holds is
    there already."""
    spent, lora = plan.spent, plan.config.training.lora
    whole = plan.config.soft.kind == "full"
    vocabulary = plan.columns or plan.student.vocabulary
    one = reply_bytes(vocabulary, spent.asked, spent.said, plan.kept, whole=whole)
    return Disk(
        0.0 if plan.stored is not None else (1.0 - spent.own) * spent.answered * one,
        checkpoint_bytes(plan.student, lora),
        saved_bytes(plan.student, lora),
    )


def store_of(plan: DryRun, *, small: bool) -> float:
    """Bytes of a teach store with all replies of the run, at most: before compression."""
    spent, kind = plan.spent, plan.config.soft.kind
    vocabulary = plan.columns or plan.student.vocabulary
    lengths = spent.prompt, spent.reply, plan.kept
    return spent.examples * store_bytes(vocabulary, *lengths, whole=kind == "full", small=small)


class HeldDevices(NamedTuple):
    """One kind of device: how many hold the run, the hours that it lasts there, these hours times the
    devices, and what they cost (None: the price is not known).

    The devices hold the parts of one model and work one after the other, so the run lasts as long as on
    one of them."""

    devices: int
    hours: float
    device_hours: float
    money: float | None


def held(hours: Hours, memory: Memory, device: Device) -> HeldDevices:
    """Hours times devices, and times the price of an hour."""
    count = devices_needed(memory.peak, device)
    total = count * hours.all
    return HeldDevices(
        count, hours.all, total, None if device.price is None else total * device.price
    )


class TokenPrices(NamedTuple):
    """Money for a million tokens of a served teacher: of prompts, of replies."""

    prompt: float
    generated: float


def token_money(plan: DryRun, prices: TokenPrices) -> float:
    """What the served teachers cost; of a plan without one, what its teacher would cost if it were."""
    prompt, generated = plan.served
    if not any(plan.served):
        kinds = plan.spent.kinds
        prompt, generated = kinds["teacher_prompt"], kinds["teacher_generated"]
    return (prompt * prices.prompt + generated * prices.generated) / 1e6
