"""From a sketch to operations, hours and bytes."""

from dataclasses import dataclass
from typing import NamedTuple

from readsim_hf.costs.devices import Device, compute_seconds, decoding_seconds
from readsim_hf.costs.flops import (
    reading_flops,
    scoring_flops,
    training_flops,
    writing_flops,
)
from readsim_hf.costs.memory import (
    Memory,
    activation_bytes,
    cache_bytes,
    frozen_bytes,
    logit_bytes,
    optimiser_bytes,
    weight_bytes,
)
from readsim_hf.costs.shape import ModelShape
from readsim_hf.plan.dry_run import DryRun


@dataclass(frozen=True)
class Work:
    """One kind of work.

    kind        what it is, `part` who does it: train, teacher or probe, as the run's clock has them
    tokens      that pass through the model
    flops       operations, `precision` of them
    steps       decode steps, each of which reads `moved` bytes; 0 where whole texts are read at once
    """

    kind: str
    part: str
    tokens: float
    flops: float
    precision: str
    steps: float = 0.0
    moved: float = 0.0

    def seconds(self, device: Device, mfu: float, mfu_generation: float) -> float:
        """On one device of that kind (as if the memory sufficed): the slower of computing and, when
        decoding, of reading the weights."""
        rate = mfu_generation if self.steps else mfu
        busy = compute_seconds(self.flops, device, self.precision, rate)
        return max(busy, decoding_seconds(self.steps, self.moved, device))


def work_of(plan: DryRun) -> list[Work]:
    """Every kind of work of the run that is not empty."""
    config, spent, recipe = plan.config, plan.spent, plan.config.training
    length = spent.prompt + spent.reply
    trained = training_flops(
        plan.student,
        spent.examples * length,
        length,
        spent.trained,
        lora=recipe.lora,
        recomputed=recipe.gradient_checkpointing,
    )
    found = [Work("training", "train", spent.examples * length, trained, recipe.precision)]
    own = spent.own * spent.examples
    size, precision = config.decoding.batch_size, plan.precision
    for teacher in plan.teachers:
        if teacher.shape is None:
            continue  # a server's work is its own
        name = "teacher" if len(plan.loaded) == 1 else f"teacher {teacher.source}"
        count = teacher.share * (1.0 - spent.own) * spent.answered
        found += _answers(
            name, "teacher", teacher.shape, count, teacher.asked, teacher.said, size, precision
        )
        read = teacher.asked + teacher.said
        scored = scoring_flops(teacher.shape, own * read, read, own * teacher.said)
        found.append(Work(f"{name} scores", "teacher", own * read, scored, precision))
    found += _answers(
        "student rollout",
        "teacher",
        plan.student,
        own,
        spent.asked,
        spent.said,
        size,
        recipe.precision,
    )
    found += _answers(
        "probe",
        "probe",
        plan.student,
        spent.measured,
        spent.question,
        spent.answer,
        config.probes.batch_size,
        recipe.precision,
    )
    return [work for work in found if work.tokens]


def _answers(
    name: str,
    part: str,
    shape: ModelShape,
    count: float,
    asked: float,
    said: float,
    batch: int,
    precision: str,
) -> list[Work]:
    """Reading `count` prompts and writing their replies in batches; each batch takes as many steps as
    its longest reply has tokens, at least the mean."""
    moved = weight_bytes(shape, precision) + cache_bytes(shape, batch, asked + said / 2, precision)
    return [
        Work(
            f"{name} reads",
            part,
            count * asked,
            reading_flops(shape, count * asked, asked, count),
            precision,
        ),
        Work(
            f"{name} writes",
            part,
            count * said,
            writing_flops(shape, count * said, asked + said / 2),
            precision,
            count * said / batch,
            moved,
        ),
    ]


def memory_of(plan: DryRun) -> Memory:
    """At the run's longest sequences and full batches."""
    config, recipe = plan.config, plan.config.training
    sequences = min(
        recipe.micro_batch, recipe.batch, max(1, recipe.micro_tokens // max(1, plan.longest))
    )
    gradients, moments = optimiser_bytes(plan.student, recipe.lora)
    own = frozen_bytes(plan.student, config.student_precision)
    supervised = sequences * min(config.decoding.max_new_tokens, plan.longest)
    if recipe.lora:
        own += 4.0 * plan.student.adapters(recipe.lora)
    return Memory(
        teacher=sum(weight_bytes(shape, plan.precision) for shape in plan.loaded),
        student=own,
        gradients=gradients,
        moments=moments,
        activations=activation_bytes(plan.student, sequences, plan.longest, recipe),
        logits=logit_bytes(plan.student, supervised, recipe),
        teacher_cache=max(
            (
                cache_bytes(shape, config.decoding.batch_size, plan.longest, plan.precision)
                for shape in plan.loaded
                if plan.asks
            ),
            default=0.0,
        ),
        student_cache=cache_bytes(
            plan.student, config.probes.batch_size, plan.longest, recipe.precision
        ),
    )


class Hours(NamedTuple):
    """GPU-hours of one kind of device: of training, of the teacher's (and the student's) replies, of
    probes."""

    train: float
    teacher: float
    probe: float

    @property
    def all(self) -> float:
        return self.train + self.teacher + self.probe


def hours_of(work: list[Work], device: Device, mfu: float, mfu_generation: float) -> Hours:
    """By the run's own clock: train, teacher, probe."""
    parts = dict.fromkeys(Hours._fields, 0.0)
    for one in work:
        parts[one.part] += one.seconds(device, mfu, mfu_generation) / 3600.0
    return Hours(**parts)
