"""A run over several processes: who joins, what the first one's student is, what the others do."""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from readsim.errors import ConfigError
from readsim_hf.components import Components
from readsim_hf.config import RunConfig
from readsim_hf.models.digest import model_digest
from readsim_hf.models.loading import moved
from readsim_hf.models.pairs import load_student
from readsim_hf.models.quantised import QUANTISED
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.supervision import supervision
from readsim_hf.training.determinism import before_cuda
from readsim_hf.training.distributed_student import Lead, Member, follow, is_sharded
from readsim_hf.training.layer_pairs import hidden_term
from readsim_hf.training.process_group import ProcessGroup, world_size

# What accelerate may be told and is not done, and what to use for it.
_NOT_DONE = {
    "ACCELERATE_USE_DEEPSPEED": ("false", "FSDP"),
    "ACCELERATE_USE_MEGATRON_LM": ("false", "FSDP"),
    "ACCELERATE_DYNAMO_BACKEND": ("no", "no compilation"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("1", "training.micro_batch"),
}


def join(config: RunConfig) -> ProcessGroup | None:
    """This process among the others of its run, or None where it is alone.

    Raises ConfigError for what the launcher was told and readsim does not do, and for settings that
    differ between the processes.
    """
    if world_size() == 1:
        return None
    check_shared(config)
    for name, (accepted, instead) in _NOT_DONE.items():
        value = os.environ.get(name, accepted)
        if value.lower() != accepted:
            raise ConfigError(f"{name} = {value!r}; accepted: {accepted!r}, and {instead} for it")
    mixed, precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no"), config.training.precision
    if mixed not in ("no", precision):
        raise ConfigError(
            f"accelerate's mixed_precision = {mixed!r} and training.precision = {precision!r}; "
            "accepted: 'no' for accelerate, or the same for both"
        )
    is_sharded()
    return ProcessGroup(config.pair.device, timedelta(minutes=config.timeout), config.threads)


def check_shared(config: RunConfig) -> None:
    """ConfigError for a run that several processes cannot share."""
    if (given := config.pair.student_precision) in QUANTISED:
        raise ConfigError(
            f"pair.student_precision = {given!r}: several processes do not train it; accepted: 'fp32', 'bf16'"
        )
    if config.sampling.weights == "gradient-share":
        raise ConfigError(
            "sampling.weights = 'gradient-share': several processes do not look at the sources' gradients; "
            "accepted: 'label', 'dn'"
        )
    if hidden_term(supervision(config)[1]) is not None:
        raise ConfigError(
            f"objective = {config.objective or config.method!r}: several processes do not read a teacher's "
            "hidden states; start one, or use an objective without 'hidden'"
        )


def led(parts: Components, processes: ProcessGroup) -> Components:
    """The parts of a run whose student all processes train."""
    facts = {"student": model_digest(parts.pair.student), "vocabulary": parts.pair.vocabulary}
    make = partial(Lead, processes=processes, facts=facts)
    # A student that is sharded goes to the devices a layer at a time.
    return replace(parts, make_student=make, made_on_host=is_sharded())


def work(processes: ProcessGroup, config: RunConfig) -> None:
    """Train what process 0 sends until it stops; nothing is written, shown or asked of a teacher."""
    processes.agree(config.table())
    before_cuda(config.training)
    pair = config.pair
    _, objective, _ = supervision(config)

    def fresh(facts: Mapping[str, Any]) -> Member:
        """From the files, once: a student that starts again is given its first weights by process 0."""
        source = pair.name, pair.teacher, pair.student, pair.layers
        start = load_student(*source, config.student_precision)
        known = model_digest(start)
        if facts["student"] != known:
            raise ConfigError(
                f"the student of process {processes.rank} has SHA-256 {known[:16]}..., that of process "
                f"0 has {facts['student'][:16]}...: all processes load the same files"
            )
        size = facts["vocabulary"]
        goal = objective if size is None else Cut(objective, size)
        there = start if is_sharded() else moved(start, processes.device)
        return Member(there, config.training, goal, processes)

    follow(processes, fresh)
