"""A plan as tables and as data: tokens, operations, memory, devices, forecast; and what was measured."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from rich import box
from rich.table import Table

from readsim.runs.forecast import Outlook
from readsim.token_counts import show_tokens
from readsim_hf.costs.decoding import LAUNCH, LAUNCH_RANGE
from readsim_hf.costs.devices import (
    DEVICES,
    LORA_LAUNCH,
    RANGES,
    TRAINING_LAUNCH,
    USABLE,
    Device,
)
from readsim_hf.costs.memory import Memory
from readsim_hf.plan.against import Compared, ForecastCheck, Speed
from readsim_hf.plan.answer import extremes, shown_money, shown_time
from readsim_hf.plan.dry_run import DryRun, PlannedTeacher
from readsim_hf.plan.estimate import (
    Work,
    host_bytes,
    hours_of,
    layout,
    memory_of,
    served_bytes,
    work_of,
)
from readsim_hf.plan.knobs import TERMS, own_knob, settings_table
from readsim_hf.plan.models import PROMPT_BYTES, REPLY_BYTES
from readsim_hf.plan.spending import TokenPrices, disk_of, held, store_of, token_money
from readsim_hf.supervision import own_share, supervision
from readsim_hf.token_estimate import known_words, repeated_words, rows_of, several_words

GB = 1e9
FEWER = 16  # entries of a distribution: what is proposed where more are kept


def size(count: float) -> str:
    """865792 -> `0.866M`."""
    return f"{count / 1e6:.3g}M" if count < 1e9 else f"{count / 1e9:.4g}B"


def plan_headline(plan: DryRun) -> list[str]:
    """What run this is, and what its numbers rest on."""
    config, recipe = plan.config, plan.config.training
    way = config.method or f"{config.signal} x {config.objective}"
    tuned = f"LoRA {recipe.lora}" if recipe.lora else "all weights"
    nobody = "no teacher" if plan.stored is None else "the replies of a teach store"
    teacher = ", ".join(map(_teacher, plan.teachers)) or nobody
    student = size(plan.student.parameters)
    first = (
        f"{plan.title}: {teacher}, {student} student ({tuned}, {recipe.precision}); {way}; "
        f"allocator {config.allocator}; about {plan.spent.examples / recipe.batch:.0f} optimiser steps; "
        f"sequences of at most {plan.context} tokens"
    )
    lines = [first]
    lines += [f"source {source.words}" for source in plan.datasets]
    rows = rows_of(plan.sources, plan.datasets if plan.stored is None else ())
    lines += repeated_words(plan.sources, plan.spent, rows)
    if plan.columns is not None:
        lines.append(f"one vocabulary, {plan.columns} columns")
    lines += several_words(config)
    lines += plan.few
    lines += [f"evaluates {name}: {words}" for name, words in plan.evaluations.items()]
    if plan.assumed:
        lines.append(
            f"there is no tokenizer here of {', '.join(plan.assumed)}: {PROMPT_BYTES} bytes per "
            f"token of a prompt and {REPLY_BYTES} of a reply are assumed; tokenizers, weights "
            "and end tokens are not checked"
        )
    if plan.config.pair.teacher_tokenizer is None and any(t.served for t in plan.teachers):
        lines.append("a served teacher's tokens are counted with the student's tokenizer")
    if plan.left_out:
        lines.append(f"left out because their prompts do not fit: {', '.join(plan.left_out)}")
    return lines


def _teacher(one: PlannedTeacher) -> str:
    what = "served" if one.served else ""
    what += "" if one.shape is None else f" {size(one.shape.parameters)}"
    what = f"{what} teacher".strip()
    if not (one.answers or one.scores):
        return f"{what} that is not asked"
    alone = one.share > 1.0 - 1e-9
    return what if alone else f"{what} {one.source} for {100 * one.share:.0f} % of prompts"


def work_table(work: Sequence[Work]) -> Table:
    """Tokens and operations by kind of work."""
    table = Table("work", "tokens", "FLOPs", "precision", title="operations")
    for one in work:
        table.add_row(one.kind, _about(one.tokens), f"{one.flops:.2e}", one.precision)
    table.add_row("all", "", f"{sum(w.flops for w in work):.2e}", "")
    return _right(table)


def memory_table(plan: DryRun, memory: Memory) -> Table:
    """What holds how much at the longest sequences, and of each the setting that lowers it most."""
    table = Table("memory", "GB", "lower it with", "GB then")
    table.title = "memory, full batches of the longest sequences"
    for term, name in TERMS.items():
        now = getattr(memory, term)
        best = own_knob(plan, term) if now else []
        then = [f"{getattr(knob.memory, term) / GB:.3g}" for knob in best] or [""]
        table.add_row(name, f"{now / GB:.3g}", *([str(k) for k in best] or [""]), *then)
    table.add_section()
    table.add_row("most at once: training", f"{memory.training / GB:.3g}")
    table.add_row("most at once: replies, probes", f"{memory.generating / GB:.3g}")
    right = _right(table)
    right.columns[2].justify = "left"
    return right


def device_table(
    work: list[Work],
    memory: Memory,
    mfu: float,
    mfu_generation: float,
    devices: Sequence[Device] = DEVICES,
    served: float = 0.0,
) -> Table:
    """Time by part, how many devices hold the run, time times these, and money where a price is known."""
    columns = ["device", "GB", "train", "replies", "probes", "all", "devices", "held"]
    price = any(device.price is not None for device in devices)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # whole numbers in 80 columns
    table.title = "times are on one device, replies on all of a server's; held: time by all devices"
    for column in [*columns, *(["money"] if price else [])]:
        table.add_column(column, no_wrap=column != "device")
    for device in devices:
        hours = hours_of(work, device, mfu, mfu_generation)
        run = held(hours, memory, device, served)
        cells = [device.name, f"{device.memory / GB:g}"]
        replies = hours.teacher / max(1, run.servers)
        cells += [shown_time(h) for h in (hours.train, replies, hours.probe)]
        count = f"{run.devices} + {run.servers}" if run.servers else str(run.devices)
        cells += [shown_time(run.hours), count, shown_time(run.device_hours)]
        if price:
            cells.append("" if run.money is None else shown_money(run.money))
        table.add_row(*cells)
    return _right(table)


def device_notes(
    plan: DryRun, mfu: float, mfu_generation: float, devices: Sequence[Device] = DEVICES
) -> list[str]:
    """What the device table assumes, with ranges; what lies on which device; what more processes change."""
    memory, work, served = memory_of(plan), work_of(plan), served_bytes(plan)
    adapters = "" if plan.config.training.lora else "train adapters (training.lora), "
    spread = "" if plan.config.pair.device_map else ' (pair.device_map = "balanced_low_0")'
    first = (
        f"Peaks (dense, without TF32) and GB are the data sheets'; {100 * USABLE:.0f} % of the memory is "
        "taken to be usable. Waiting, padding and other Python are not counted."
    )
    start, copied = host_bytes(plan)
    host = f"host memory: {start / GB:.3g} GB, the student's start"
    if copied:
        host += f", and {copied / GB:.3g} GB for copies of the student to go back to"
    lines = [first, f"{host}; the teacher's and the student's own lie on their devices"]
    lines += [f"assumed: {one}" for one in assumptions(plan, mfu, mfu_generation)]
    for device in devices:
        each = layout(memory, device)
        name = device.name
        if each[0] > USABLE * device.memory:
            lines.append(
                f"on {name}: the student and its training take {each[0] / GB:.3g} GB of one device, of "
                f"{USABLE * device.memory / GB:.3g}: {adapters}lower what the table above names, or shard it "
                "over several processes (FSDP)"
            )
        elif len(each) > 1:
            lines.append(
                f"on {name}: {each[0] / GB:.3g} GB on the first, the student's, {each[1] / GB:.3g} GB on "
                f"each of {len(each) - 1} more, the teacher's{spread}"
            )
        fast, slow = extremes(work, memory, device, served)
        lines.append(
            f"on {name}: {shown_time(fast)} to {shown_time(slow)} held, over the ranges of both shares"
        )
    if served:
        lines.append(
            f"the server's devices hold {served / GB:.3g} GB, and divide the time of replies between them; "
            "wall clock is the sum of training, replies and probes: what the server answers while the "
            "student trains is not taken off"
        )
    lines.append(
        "Several processes (DDP) divide only the training time: the first one makes replies and "
        "probes, while the devices of the others are held."
    )
    return lines


def assumptions(plan: DryRun, mfu: float, mfu_generation: float) -> list[str]:
    """What the hours rest on, each with its range."""
    low, high = RANGES["mfu"]
    launch = LORA_LAUNCH if plan.config.training.lora else TRAINING_LAUNCH
    share = f"{mfu:g} of the peak FLOP/s in training and prefill (--mfu; {low:g} to {high:g})"
    least = f"at least {1e3 * launch:g} ms of Python and launches for each layer of a micro-batch"
    out = [f"{share}, and in training {least}"]
    low, high = RANGES["mfu_generation"]
    out.append(
        f"{mfu_generation:g} of the memory bandwidth in decoding (--mfu-generation; {low:g} to "
        f"{high:g}), and "
        f"{1e3 * LAUNCH:g} ms of Python and launches for each layer's step where no server writes ("
        f"{1e3 * LAUNCH_RANGE[0]:g} to {1e3 * LAUNCH_RANGE[1]:g})"
    )
    out += [
        f"replies of {one.said:.3g} tokens, {known_words(plan.spent)}, and the longest of 64 of "
        f"{one.longest(64):.3g} (a teacher that explains itself writes up to "
        f"{plan.config.decoding.max_new_tokens})"
        for one in plan.teachers
        if one.answers
    ]
    if plan.spent.own:
        out.append(
            f"replies of {plan.spent.rolled[1]:.3g} tokens where the student answers, as long as the "
            "teacher's or the given ones"
        )
    if "guess" in plan.spent.known:
        both = zip(plan.sources, plan.spent.known, strict=True)
        out.append(
            f"the length of the replies of {', '.join(s for s, how in both if how == 'guess')}: nobody has "
            "measured it; after `readsim distill --check` with the same --out or --cache, which asks for "
            "some replies, the plan uses theirs"
        )
    if plan.spent.fresh < 1.0:
        out.append(
            f"{100 * plan.spent.fresh:.3g} % of the replies are written: rows that come again have theirs in "
            "data.cache; the table of tokens counts each time"
        )
    out += [
        f"{one.shared:.3g} of the {one.asked:.3g} tokens of a prompt are read by the server once (prefix "
        "caching, vLLM's default; 0 without it)"
        for one in plan.teachers
        if one.served and one.answers
    ]
    return out


def spending_notes(plan: DryRun, prices: TokenPrices | None) -> list[str]:
    """Disk, and the money for a served teacher's tokens."""
    disk = disk_of(plan)
    first = (
        f"disk: replies that are kept (data.cache; '' keeps none), at most {disk_size(disk.replies)}; "
        f"checkpoints, {disk_size(disk.checkpoints)}; the trained student, {disk_size(disk.student)}"
    )
    lines = [first]
    if plan.stored is not None:
        sums = plan.stored.totals()
        lines.append(
            f"data.store: {disk_size(float(sums['bytes']))} are read, {plan.stored.token_bytes:.0f} bytes "
            f"for each of {show_tokens(sums['tokens'])} tokens; nothing is asked"
        )
    elif own_share(plan.config, supervision(plan.config)[1]) == 0:
        small = plan.kept > 0 and plan.config.soft.kind == "topk"
        then = f", {disk_size(store_of(plan, small=True))} with --small" if small else ""
        lines.append(
            f"`readsim teach` keeps these replies for other runs in at most "
            f"{disk_size(store_of(plan, small=False))}{then}"
        )
    if plan.config.soft.kind == "topk" and plan.kept > FEWER and plan.stored is None:
        fewer = disk_of(replace(plan, kept=FEWER)).replies
        lines.append(f"with soft.k {plan.kept} -> {FEWER} the replies take {disk_size(fewer)}")
    if prices is not None:
        served = any(plan.served)
        who = (
            "the served teacher's tokens cost" if served else "a served teacher's tokens would cost"
        )
        lines.append(
            f"money: {who} {shown_money(token_money(plan, prices))} ({prices.prompt:g} for a million of a "
            f"prompt, {prices.generated:g} of a reply), what is asked again not counted"
        )
    return lines


def disk_size(count: float) -> str:
    """Bytes: 20500000 -> `20.5 MB`."""
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def forecast_table(foretold: Outlook, checked: ForecastCheck | None = None) -> Table:
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


def document(
    made: DryRun,
    rates: tuple[float, float],
    outlook: Outlook | None,
    devices: Sequence[Device] = DEVICES,
    prices: TokenPrices | None = None,
) -> dict[str, Any]:
    """The plan as plain data: settings, tokens, operations, memory, devices, disk, money, forecast."""
    work, memory = work_of(made), memory_of(made)
    phases = {"training": memory.training, "generating": memory.generating}
    return {
        "pair": made.title,
        "config": made.config.table(),
        "teachers": [_plain(teacher) for teacher in made.teachers],
        "student": asdict(made.student),
        "tokens": dict(made.spent.kinds),
        "tokens_assumed": list(made.assumed),
        "epochs": dict(zip(made.sources, made.spent.epochs.tolist(), strict=True)),
        "reply_lengths_known": dict(zip(made.sources, made.spent.known, strict=True)),
        "replies_written_share": made.spent.fresh,
        "tokens_served": list(made.served),
        "work": [asdict(one) for one in work],
        "memory_bytes": {**asdict(memory), **phases, "peak": memory.peak},
        "host_bytes": dict(zip(("start", "copies"), host_bytes(made), strict=True)),
        "memory_settings": settings_table(made),
        "mfu": {"training": rates[0], "generation": rates[1]},
        "assumptions": assumptions(made, *rates),
        "devices": {
            device.name: _device(device, work, memory, rates, served_bytes(made))
            for device in devices
        },
        "disk_bytes": disk_of(made)._asdict(),
        "token_money": None if prices is None else token_money(made, prices),
        "forecast": None if outlook is None else outlook.table(),
    }


def _plain(teacher: PlannedTeacher) -> dict[str, Any]:
    """Without its sample of replies."""
    return {k: v for k, v in asdict(teacher).items() if k != "replies"}


def _device(
    device: Device,
    work: list[Work],
    memory: Memory,
    rates: tuple[float, float],
    served: float,
) -> dict[str, Any]:
    hours = hours_of(work, device, *rates)
    run = held(hours, memory, device, served)
    return {
        "gpu_hours": hours._asdict(),
        "devices_for_memory": run.devices,
        "devices_of_the_server": run.servers,
        "bytes_by_device": list(layout(memory, device)),
        "hours": run.hours,
        "device_hours": run.device_hours,
        "device_hours_range": list(extremes(work, memory, device, served)),
        "money": run.money,
        "source": device.source,
    }


def _about(tokens: float) -> str:
    return show_tokens(int(float(f"{tokens:.3g}")))


def _right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table
