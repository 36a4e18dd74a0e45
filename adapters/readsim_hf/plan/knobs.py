"""What holds most of the memory, and the settings that lower it: the same estimate with each of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from readsim_hf.costs.memory import QUANTISED_BYTES, Memory
from readsim_hf.plan.dry_run import DryRun
from readsim_hf.plan.estimate import memory_of

TERMS = {
    "teacher": "teacher's weights",
    "student": "student's weights",
    "gradients": "gradients",
    "moments": "AdamW's moments",
    "activations": "activations",
    "logits": "logits and loss",
    "teacher_cache": "teacher's keys and values",
    "student_cache": "student's keys and values",
}
LORA = 16  # rank that is proposed where every weight trains
LEAST = 0.95  # of its term: what a setting has to make of it to be worth naming


@dataclass(frozen=True)
class Knob:
    """A setting, what it is now and what it would be, and the memory with it."""

    setting: str
    now: str
    then: str
    memory: Memory

    def __str__(self) -> str:
        return f"{self.setting} {self.now} -> {self.then}"


def share_of(memory: Memory, term: str) -> float:
    """Bytes of a term when the most is held; 0 where that is at another time."""
    held: float = getattr(memory, term)
    if memory.training >= memory.generating:
        return 0.0 if term.endswith("_cache") else held
    teaching = memory.teacher_cache >= memory.student_cache
    if term in ("gradients", "activations", "logits"):
        return 0.0
    if term == ("student_cache" if teaching else "teacher_cache"):
        return 0.0
    return held


def largest(memory: Memory) -> str:
    """The term that holds most of the peak."""
    return max(TERMS, key=lambda term: share_of(memory, term))


def knobs(plan: DryRun, term: str) -> list[Knob]:
    """The settings that lower a term, the one that lowers the peak most first; of equals, the one that
    lowers the term most."""
    now_held = memory_of(plan)
    before = getattr(now_held, term)
    found = []
    for setting, now, then, change in _settings(plan):
        memory = memory_of(change)
        # shorter sequences may fill a forward pass of micro_tokens better, and take more in all
        if getattr(memory, term) < LEAST * before and memory.peak <= now_held.peak:
            found.append(Knob(setting, now, then, memory))
    return sorted(found, key=lambda knob: (knob.memory.peak, getattr(knob.memory, term)))


def own_knob(plan: DryRun, term: str) -> list[Knob]:
    """The setting that lowers a term most, none where nothing does; a server only where nothing else."""
    found = sorted(knobs(plan, term), key=lambda knob: getattr(knob.memory, term))
    return sorted(found, key=lambda knob: knob.setting == "pair.teacher")[:1]


def _settings(plan: DryRun) -> Iterator[tuple[str, str, str, DryRun]]:
    """Every setting that may lower something: its name, its value, another one, the plan with that."""
    recipe, config = plan.config.training, plan.config
    if (held := min(recipe.micro_batch, recipe.batch)) > 1:
        yield "training.micro_batch", str(held), "1", _with(plan, "training", micro_batch=1)
    if not recipe.gradient_checkpointing:
        change = _with(plan, "training", gradient_checkpointing=True)
        yield "training.gradient_checkpointing", "false", "true", change
    if not recipe.lora:
        yield "training.lora", "0", str(LORA), _with(plan, "training", lora=LORA)
    if recipe.precision == "fp32":
        yield "training.precision", "fp32", "bf16", _with(plan, "training", precision="bf16")
    yield from _precisions(plan)
    if plan.loaded:
        served = tuple(replace(teacher, served=True) for teacher in plan.teachers)
        yield "pair.teacher", "loaded here", "a server", replace(plan, teachers=served)
    for table in ("decoding", "probes"):
        size = getattr(config, table).batch_size
        if (less := max(1, size // 4)) < size:
            change = _with(plan, table, batch_size=less)
            yield f"{table}.batch_size", str(size), str(less), change
    reply = config.decoding.max_new_tokens
    if (less := reply // 2) >= 16:
        change = _with(plan, "decoding", max_new_tokens=less)
        yield "decoding.max_new_tokens", str(reply), str(less), change
    if (less := plan.longest // 2) > reply:
        yield "pair.context", str(plan.context), str(less), replace(plan, context=less)


def _precisions(plan: DryRun) -> Iterator[tuple[str, str, str, DryRun]]:
    """The same of weights that stay as they are: a teacher's, and under LoRA the student's."""
    if plan.loaded and plan.precision == "fp32":
        change = replace(plan, precision="bf16")
        yield "pair.teacher_precision", "fp32", "bf16", change
    if plan.loaded and plan.precision not in QUANTISED_BYTES:
        yield "pair.teacher_precision", plan.precision, "nf4", replace(plan, precision="nf4")
    own = plan.config.student_precision
    if plan.config.training.lora and own not in QUANTISED_BYTES:  # the weights stay as they are
        for then in ("bf16", "nf4"):
            if then == own:
                continue
            yield "pair.student_precision", own, then, _with(plan, "pair", student_precision=then)


def _with(plan: DryRun, table: str, **fields: Any) -> DryRun:
    changed = replace(getattr(plan.config, table), **fields)
    return replace(plan, config=replace(plan.config, **{table: changed}))


def memory_advice(plan: DryRun, gb: float = 1e9) -> list[str]:
    """In words: the largest term of the peak, and how far each of its settings lets term and peak fall."""
    memory = memory_of(plan)
    term = largest(memory)
    held = share_of(memory, term)
    when = "training" if memory.training >= memory.generating else "replies and probes"
    first = f"most memory: {when}, {memory.peak / gb:.3g} GB, of which {held / gb:.3g} are the {TERMS[term]}"
    found = knobs(plan, term)
    if not found:
        return [f"{first}; no setting lowers this, but a smaller model does"]
    lines = [f"{first}. What lowers them:"]
    for knob in found:
        then, peak = getattr(knob.memory, term), knob.memory.peak
        lines.append(
            f"  {knob}: {TERMS[term]} {getattr(memory, term) / gb:.3g} -> {then / gb:.3g} GB, the most at "
            f"once {memory.peak / gb:.3g} -> {peak / gb:.3g} GB"
        )
    return lines


def settings_table(plan: DryRun) -> dict[str, Any]:
    """Every term with its settings, as plain data."""
    memory = memory_of(plan)
    return {
        "largest": largest(memory),
        "settings": {
            term: [
                {"setting": knob.setting, "now": knob.now, "then": knob.then}
                | {"bytes": getattr(knob.memory, term), "peak": knob.memory.peak}
                for knob in knobs(plan, term)
            ]
            for term in TERMS
        },
    }
