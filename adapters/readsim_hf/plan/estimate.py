"""From a sketch to operations, hours and bytes."""

from dataclasses import dataclass
from typing import NamedTuple

from readsim_hf.costs.decoding import LAUNCH, batch_steps, expected_longest, refilled_steps
from readsim_hf.costs.devices import (
    LORA_LAUNCH,
    TRAINING_LAUNCH,
    USABLE,
    Device,
    compute_seconds,
    decoding_seconds,
)
from readsim_hf.costs.flops import (
    layer_flops,
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
    trained,
    weight_bytes,
)
from readsim_hf.costs.shape import ModelShape
from readsim_hf.plan.dry_run import DryRun
from readsim_hf.supervision import reads_of


@dataclass(frozen=True)
class Work:
    """One kind of work.

    kind        what it is, `part` who does it: train, teacher or probe, as the run's clock has them
    tokens      that pass through the model
    flops       operations, `precision` of them
    steps       decode steps, each of which reads `moved` bytes; 0 where whole texts are read at once
    launches    seconds that Python and launches take in all of them
    """

    kind: str
    part: str
    tokens: float
    flops: float
    precision: str
    steps: float = 0.0
    moved: float = 0.0
    launches: float = 0.0

    def seconds(self, device: Device, mfu: float, mfu_generation: float) -> float:
        """On one device of that kind (as if the memory sufficed): the slowest of computing, of launching and,
        when decoding, of reading the weights; `mfu_generation` of peak or bandwidth."""
        rate = mfu_generation if self.steps else mfu
        busy = compute_seconds(self.flops, device, self.precision, rate)
        return max(busy, decoding_seconds(self.steps, self.moved, device) / rate, self.launches)


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
    some = min(recipe.micro_batch, recipe.batch, max(1.0, recipe.micro_tokens // length))
    launch = (LORA_LAUNCH if recipe.lora else TRAINING_LAUNCH) * plan.student.layers
    found = [
        Work(
            "training",
            "train",
            spent.examples * length,
            trained,
            recipe.precision,
            launches=launch * spent.examples / some,
        )
    ]
    precision, together = plan.precision, config.data.group * max(1, len(plan.sources))
    for teacher in plan.teachers:
        if teacher.shape is None:
            continue  # a server of nobody knows what
        name = "teacher" if len(plan.teachers) == 1 else f"teacher {teacher.source}"
        name = f"served {name}" if teacher.served else name
        size = config.server.concurrency if teacher.served else config.decoding.batch_size
        size = min(size, together)
        count = spent.fresh * teacher.answers
        waits = count / max(together, size)
        if teacher.served and not spent.own and all(source.asks for source in plan.datasets):
            # it answers meanwhile, and is waited for in each decision
            waits = min(waits, spent.trained / (config.budget // config.steps))
        steps = refilled_steps(count * teacher.said, size, teacher.longest(size), waits)
        launch = 0.0 if teacher.served else LAUNCH * teacher.shape.layers
        lengths, known = (count, teacher.asked, teacher.said), teacher.shared * teacher.served
        made = teacher.shape, lengths, size, precision, steps, launch, known
        found += _answers(name, "teacher", *made)
        read, supervised = sum(teacher.heard), teacher.scores * teacher.heard[1]
        scored = scoring_flops(teacher.shape, teacher.scores * read, read, supervised)
        found.append(Work(f"{name} scores", "teacher", teacher.scores * read, scored, precision))
        if plan.states:
            read = spent.examples * length
            forward = layer_flops(teacher.shape, read, length)
            found.append(Work(f"{name}'s states", "train", read, forward, precision))
    launch = LAUNCH * plan.student.layers
    size = min(config.decoding.batch_size, together)
    own, (asked, said) = spent.own * spent.examples, spent.rolled
    longest = expected_longest(plan.replies[0], size, plan.replies[1])
    steps = refilled_steps(own * said, size, longest, own / max(together, size))
    found += _answers(
        "student rollout",
        "teacher",
        plan.student,
        (own, asked, said),
        size,
        recipe.precision,
        steps,
        launch,
    )
    if again := reads_of(config):
        read = again * spent.examples * length
        scored = scoring_flops(plan.student, read, length, again * spent.trained)
        found.append(Work("student reads groups", "teacher", read, scored, recipe.precision))
    size = config.probes.batch_size
    steps = batch_steps(spent.measured, size, expected_longest(plan.answers, size))
    lengths = spent.measured, spent.question, spent.answer
    found += _answers(
        "probe", "probe", plan.student, lengths, size, recipe.precision, steps, launch
    )
    return [work for work in found if work.tokens]


def _answers(
    name: str,
    part: str,
    shape: ModelShape,
    lengths: tuple[float, float, float],
    batch: int,
    precision: str,
    steps: float,
    launch: float,
    known: float = 0.0,
) -> list[Work]:
    """Reading prompts and writing their replies, `lengths`: how many, and the mean tokens of both. `launch`
    seconds go by in each step whatever the device. The keys and values of the first `known` tokens of a
    prompt are cached: the others attend to them."""
    count, asked, said = lengths
    moved = weight_bytes(shape, precision) + cache_bytes(shape, batch, asked + said / 2, precision)
    fresh = count * (asked - known)
    read = reading_flops(shape, fresh, asked, count)
    written = writing_flops(shape, count * said, asked + said / 2)
    return [
        Work(f"{name} reads", part, fresh, read, precision),
        Work(
            f"{name} writes", part, count * said, written, precision, steps, moved, launch * steps
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
                cache_bytes(teacher.shape, config.decoding.batch_size, plan.longest, plan.precision)
                for teacher in plan.teachers
                if teacher.shape is not None and not teacher.served and teacher.answers
            ),
            default=0.0,
        ),
        student_cache=cache_bytes(
            plan.student,
            max(config.probes.batch_size, config.decoding.batch_size if plan.spent.own else 0),
            plan.longest,
            recipe.precision,
        ),
    )


def host_bytes(plan: DryRun) -> tuple[float, float]:
    """In host memory of the first process beside the device: the student's start, and copies of the student:
    of weights and moments where an allocator makes trials, else in the final test of weights that all
    train; and of weights and moments of the best one so far where the run may go back to it."""
    lora, spent = plan.config.training.lora, plan.spent
    weights, (_, moments) = 4.0 * trained(plan.student, lora), optimiser_bytes(plan.student, lora)
    tries = spent.trials or spent.trained > plan.config.budget
    start = frozen_bytes(plan.student, plan.config.student_precision)
    best = weights + moments if plan.goes_back else 0.0
    return start, best + (weights + moments if tries else 0.0 if lora else weights)


def served_bytes(plan: DryRun) -> float:
    """What the servers hold: their teachers' weights, and keys and values of all requests under way; those of
    the tokens with which all begin once."""
    size, total = plan.config.server.concurrency, 0.0
    for teacher in plan.teachers:
        if (shape := teacher.shape) is None or not teacher.served:
            continue
        total += weight_bytes(shape, plan.precision)
        total += cache_bytes(shape, size, plan.longest - teacher.head, plan.precision)
        total += cache_bytes(shape, 1, teacher.head, plan.precision)
    return total


def layout(memory: Memory, device: Device) -> tuple[float, ...]:
    """Bytes on each device of a run of one process: all on one where that has room; else the student with
    all that its training takes on the first, which cannot be spread, and the teacher over further ones."""
    room = USABLE * device.memory
    if memory.peak <= room:
        return (memory.peak,)
    held = memory.student + memory.moments
    training = memory.gradients + memory.activations + memory.logits
    first = held + max(training, memory.student_cache)
    teacher = memory.teacher + memory.teacher_cache
    count = int(-(-teacher // room))
    return (first, *([teacher / count] * count)) if count else (first,)


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
