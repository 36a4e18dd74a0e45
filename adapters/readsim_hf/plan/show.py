"""A plan as tables and as data: tokens, operations, memory, devices, forecast; and what was measured."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from readsim.runs.forecast import Outlook
from readsim.token_counts import show_tokens
from readsim_hf.costs.devices import DEVICES, USABLE, devices_needed
from readsim_hf.costs.memory import Memory
from readsim_hf.plan.against import Checked, Compared, Speed
from readsim_hf.plan.dry_run import PROMPT_BYTES, REPLY_BYTES, DryRun, PlannedTeacher
from readsim_hf.plan.estimate import Hours, Work, hours_of, memory_of, work_of

GB = 1e9


def size(count: float) -> str:
    """865792 -> `0.866M`."""
    return f"{count / 1e6:.3g}M" if count < 1e9 else f"{count / 1e9:.4g}B"


def plan_headline(plan: DryRun) -> list[str]:
    """What run this is, and what its numbers rest on."""
    config, recipe = plan.config, plan.config.training
    way = config.method or f"{config.signal} x {config.objective}"
    tuned = f"LoRA {recipe.lora}" if recipe.lora else "all weights"
    teacher, student = ", ".join(map(_teacher, plan.teachers)), size(plan.student.parameters)
    first = (
        f"{plan.title}: {teacher}, {student} student ({tuned}, {recipe.precision}); {way}; "
        f"allocator {config.allocator}; about {plan.spent.examples / recipe.batch:.0f} optimiser steps; "
        f"sequences of at most {plan.context} tokens"
    )
    lines = [first]
    if plan.columns is not None:
        lines.append(f"one vocabulary, {plan.columns} columns")
    if plan.assumed:
        lines.append(
            f"no tokenizer here of {', '.join(plan.assumed)}: {PROMPT_BYTES} bytes a token of a prompt, "
            f"{REPLY_BYTES} of a reply are assumed, and not checked are the tokenizers, weights and end "
            "tokens"
        )
    if plan.left_out:
        lines.append(f"left out, their prompts do not fit: {', '.join(plan.left_out)}")
    return lines


def _teacher(one: PlannedTeacher) -> str:
    what = "served teacher" if one.shape is None else f"{size(one.shape.parameters)} teacher"
    return (
        what if one.share == 1.0 else f"{what} {one.source} for {100 * one.share:.0f} % of prompts"
    )


def work_table(work: Sequence[Work]) -> Table:
    """Tokens and operations by kind of work."""
    table = Table("work", "tokens", "FLOPs", "precision", title="operations")
    for one in work:
        table.add_row(one.kind, _about(one.tokens), f"{one.flops:.2e}", one.precision)
    table.add_row("all", "", f"{sum(w.flops for w in work):.2e}", "")
    return _right(table)


def memory_table(memory: Memory) -> Table:
    """What holds how much, at the longest sequences."""
    rows = (
        ("teacher's weights", memory.teacher),
        ("student's weights, float32", memory.student),
        ("gradients", memory.gradients),
        ("AdamW's moments", memory.moments),
        ("activations", memory.activations),
        ("logits and loss", memory.logits),
        ("teacher's keys and values", memory.teacher_cache),
        ("student's keys and values", memory.student_cache),
        ("most at once: training", memory.training),
        ("most at once: replies, probes", memory.generating),
    )
    table = Table("memory", "GB", title="memory, full batches of the longest sequences")
    for name, held in rows:
        table.add_row(name, f"{held / GB:.3g}")
    return _right(table)


def device_table(work: list[Work], memory: Memory, mfu: float, mfu_generation: float) -> Table:
    """GPU-hours by part, and how many devices hold the run."""
    table = Table(
        *("device", "TFLOP/s", "GB", "train", "replies", "probes", "all", "holds it"),
        title="GPU-hours, and how many devices hold the run",
    )
    for device in DEVICES:
        hours: Hours = hours_of(work, device, mfu, mfu_generation)
        count = devices_needed(memory.peak, device)
        peaks = "/".join(f"{p / 1e12:g}" for p in (device.bf16, device.fp32))
        table.add_row(
            *(device.name, peaks, f"{device.memory / GB:g}"),
            *(f"{h:.2g}" for h in (hours.train, hours.teacher, hours.probe)),
            f"{hours.all:.3g}",
            "one" if count == 1 else f"{count} together",
        )
    return _right(table)


def device_notes(memory: Memory, mfu: float, mfu_generation: float) -> list[str]:
    """What the device table assumes."""
    first = (
        f"TFLOP/s dense bf16/fp32 and GB are the data sheets'; assumed: {mfu:g} of the peak in training "
        f"and reading (--mfu), {mfu_generation:g} in writing (--mfu-generation), no decode step faster "
        f"than reading the weights once; {100 * USABLE:.0f} % of the memory usable. Waiting, padding "
        "and Python come on top."
    )
    lines = [first]
    if all(devices_needed(memory.peak, d) > 1 for d in DEVICES):
        lines.append(
            "fits on no device here: `pair.device_map` spreads the teacher over several, or a server answers"
        )
    return lines


def forecast_table(foretold: Outlook, checked: Checked | None = None) -> Table:
    """Scores with their prediction interval, and where there is a run, what it measured."""
    title = f"forecast of one run, world {foretold.world}, {foretold.seeds} seeds, points"
    table = Table("capability", "mean", "95 % interval", title=title)
    if checked is not None:
        table.add_column("measured")
        table.add_column("inside")
    for j, name in enumerate(foretold.names):
        low, high = 100 * foretold.low[j], 100 * foretold.high[j]
        row = [name, f"{100 * foretold.mean[j]:.1f}", f"{low:.1f} to {high:.1f}"]
        if checked is not None:
            row.append(f"{100 * checked.measured[j]:.1f} ± {196 * checked.error[j]:.1f}")
            row.append("yes" if checked.inside[j] else "no")
        table.add_row(*row)
    return _right(table)


def compared_table(rows: Sequence[Compared]) -> Table:
    """Planned and measured tokens."""
    table = Table("tokens", "planned", "measured", "ratio", title="planned and measured")
    for kind, planned, measured, ratio in rows:
        shown = f"{ratio:.3f}" if planned else "-"
        name = kind.replace("_", " ")
        table.add_row(name, show_tokens(round(planned)), show_tokens(measured), shown)
    return _right(table)


def speed_table(rows: Sequence[Speed]) -> Table:
    """What this machine did."""
    table = Table("part", "seconds", "planned FLOPs", "GFLOP/s", title="this machine")
    for row in rows:
        rate = f"{row.rate / 1e9:.3g}"
        table.add_row(row.part, f"{row.seconds:.1f}", f"{row.flops:.2e}", rate)
    return _right(table)


def document(made: DryRun, rates: tuple[float, float], outlook: Outlook | None) -> dict[str, Any]:
    """The plan as plain data: settings, tokens, operations, memory, devices, forecast."""
    work, memory = work_of(made), memory_of(made)
    held = {**asdict(memory), "training": memory.training, "generating": memory.generating}
    return {
        "pair": made.title,
        "config": made.config.table(),
        "teachers": [asdict(teacher) for teacher in made.teachers],
        "student": asdict(made.student),
        "tokens": dict(made.spent.kinds),
        "tokens_assumed": list(made.assumed),
        "work": [asdict(one) for one in work],
        "memory_bytes": {**held, "peak": memory.peak},
        "mfu": {"training": rates[0], "generation": rates[1]},
        "devices": {
            device.name: {
                "gpu_hours": hours_of(work, device, *rates)._asdict(),
                "devices_for_memory": devices_needed(memory.peak, device),
                "source": device.source,
            }
            for device in DEVICES
        },
        "forecast": None if outlook is None else outlook.table(),
    }


def _about(tokens: float) -> str:
    return show_tokens(int(float(f"{tokens:.3g}")))


def _right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table
