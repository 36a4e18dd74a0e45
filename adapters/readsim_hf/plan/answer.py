"""The answer of a plan in one line: device-hours with their range, money, wall clock."""

from collections.abc import Sequence

from readsim_hf.costs.devices import DEVICES, RANGES, Device
from readsim_hf.costs.memory import Memory
from readsim_hf.plan.dry_run import DryRun
from readsim_hf.plan.estimate import Work, hours_of, memory_of, served_bytes, work_of
from readsim_hf.plan.spending import TokenPrices, held, token_money

# FLOP/s, from probes to training: nano on one core of a server's CPU (2026-11-30), Python's time included.
CPU_RATES = (5e9, 10e9)


def answer_line(
    plan: DryRun,
    mfu: float,
    mfu_generation: float,
    devices: Sequence[Device] = DEVICES,
    prices: TokenPrices | None = None,
) -> str:
    """What the run takes on the first device: time times devices with its range, wall clock, money."""
    device, *others = devices
    work, memory, served = work_of(plan), memory_of(plan), served_bytes(plan)
    run = held(hours_of(work, device, mfu, mfu_generation), memory, device, served)
    fast, slow = extremes(work, memory, device, served)
    count = run.devices + run.servers
    one = f"{count} devices" if count > 1 else "one device"
    said = f"{shown_time(run.device_hours)} of {device.name} ({shown_time(fast)} to {shown_time(slow)}): "
    said += f"{shown_time(run.hours)} of wall clock on {one}"
    said += f", {run.servers} of them the teacher's server" if run.servers else ""
    said += (
        ""
        if run.money is None
        else f"; it costs {shown_money(run.money)} in the unit of --price-hour"
    )
    if prices is not None:
        money = shown_money(token_money(plan, prices))
        said += f"; a served teacher's tokens cost {money} in the unit of their price"
    said += "" if run.fits else "; the student does not fit on one device"
    return said + ("; other devices are in a table below" if others else "")


def cpu_line(plan: DryRun) -> list[str]:
    """What a run takes whose own device is the CPU, where it does: only from its operations."""
    if plan.config.pair.device != "cpu":
        return []
    flops = sum(one.flops for one in work_of(plan))
    slow, fast = CPU_RATES
    times = f"{shown_time(flops / fast / 3600)} to {shown_time(flops / slow / 3600)}"
    line = (
        f"on the CPU (pair.device): {times} at {fast / 1e9:g} to {slow / 1e9:g} GFLOP/s, which the pair nano "
        "reached on one core (--against a finished run says what yours does); what follows is on an "
        "accelerator instead:"
    )
    return [line]


def extremes(
    work: list[Work], memory: Memory, device: Device, served: float
) -> tuple[float, float]:
    """Device hours at the upper and at the lower ends of both shares."""
    ends = zip(RANGES["mfu"], RANGES["mfu_generation"], strict=True)
    slow, fast = (
        held(hours_of(work, device, *both), memory, device, served).device_hours for both in ends
    )
    return fast, slow


def shown_time(hours: float) -> str:
    """0.0004 -> `1.4 s`, 0.3 -> `18 min`, 83.31 -> `83.3 h`."""
    if hours < 1.0 / 60.0:
        return f"{3600.0 * hours:.2g} s"
    return (
        f"{60.0 * hours:.3g} min"
        if hours < 1.0
        else f"{hours:.3g} h"
        if hours < 1000
        else f"{hours:.0f} h"
    )


def shown_money(amount: float) -> str:
    """0.0123 -> `0.0123`, 16300.4 -> `16300`."""
    return f"{amount:.4g}" if amount < 1000 else f"{amount:.0f}"
