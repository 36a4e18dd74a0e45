"""`readsim distill`: one real run, from settings to tables, with every decision on disk."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import tomli_w
import torch
from rich.console import Console
from torch import nn

from readsim.allocators.base import Allocator
from readsim.allocators.registry import load_allocator
from readsim.cli.common import need_target
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.env import DistillEnv
from readsim.runs.cell import header_of
from readsim.runs.identity import code_of_allocator
from readsim.runs.moved_state import MovedState, header_field, moving
from readsim.runs.one import is_over, refuse_overwriting, resume_words, run_one
from readsim.runs.read_logs import read_log
from readsim.runs.setups import setup_for
from readsim.summary.scores import show_beside
from readsim.tree_file import write_atomic
from readsim.worlds.task import task_name, task_words
from readsim_hf.backend import HFBackend
from readsim_hf.check.command import check_all, check_before
from readsim_hf.check.preflight import save_check
from readsim_hf.components import Components, build_components, pair_of
from readsim_hf.config import RunConfig, resolve_config, run_name
from readsim_hf.data_config import REPLY_FILE
from readsim_hf.distributed_run import join, led, work
from readsim_hf.first_look import first_look
from readsim_hf.identify import identify
from readsim_hf.objectives.sparse import truncation_report
from readsim_hf.probes.sandbox import AllowCode
from readsim_hf.progress import ProgressDisplay
from readsim_hf.requirement.card import load_card
from readsim_hf.requirement.identified import Identified
from readsim_hf.results import (
    refusals_of,
    save_results,
    show_best,
    show_identified,
    show_results,
    source_words,
    teacher_words,
)
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.token_estimate import show_token_estimate
from readsim_hf.tracking import check_trackers
from readsim_hf.training.agreement import agreement
from readsim_hf.training.distributed_student import is_sharded
from readsim_hf.training.process_group import ProcessGroup, said_once

TRIES = {"trial", "transitions"}  # needs of allocators that are trained and undone
HELD_OUT = 64  # prompts on which student and teacher are compared


def log_config(
    config: RunConfig, env: DistillEnv, parts: Components, found: Identified | None = None
) -> dict[str, Any]:
    """The header of the run log: the fields that every backend's has, and the manifest."""
    more: dict[str, Any] = {} if found is None else {"identified": asdict(found)}
    if config.pool_steps > 1:
        more["pool_steps"] = config.pool_steps
    return header_of(
        env,
        task=task_name(config.task),
        allocator=config.allocator,
        settings=config.allocator_settings,
        seeds=[config.seed],
        identity=(f"hf:{parts.pair.name}", parts.identity[:16]),
        pool_runs=config.pool_runs,
        code=code_of_allocator(load_allocator(config.allocator, dict(config.allocator_settings))),
        weights=env.episode.task.weights.tolist(),
        manifest=dict(parts.manifest),
        **more,
    )


def distill(
    file: Path | None,
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    log_to: Sequence[str] = (),
    dry_run: bool = False,
    check: int = 0,
    allow_code: AllowCode = False,
    began: MovedState | None = None,
    keep: Path | None = None,
) -> bool:
    """Run, or with `resume` continue, the run that the settings describe; results are in `out`.

    `log_to` names where it can be watched besides (`readsim_hf.tracking`). With `check`, the prompts of each
    capability that the teacher is asked, only check what would be run; returns whether all holds. The
    allocator starts from the state `began`; its last one is written to `keep`.

    Started as one of several processes, this one drives them or follows.
    """
    with said_once():
        config = resolve_config(file, options, out / REPLY_FILE, allow_code)
        torch.set_num_threads(config.threads)
        processes = join(config)
    with processes or nullcontext():
        if processes is not None and processes.rank:
            work(processes, config)
            return True
        return _drive(config, out, processes, resume, log_to, dry_run, check, began, keep)


def _drive(
    config: RunConfig,
    out: Path,
    processes: ProcessGroup | None,
    resume: bool,
    log_to: Sequence[str],
    dry_run: bool,
    check: int,
    began: MovedState | None,
    keep: Path | None,
) -> bool:
    """The run itself: of one process, or of the first of several."""
    console = Terminal()
    log_to = check_trackers(log_to)
    if processes is not None:
        processes.agree(config.table())
        console.print(
            f"{processes.world} processes train the student, {'FSDP' if is_sharded() else 'DDP'}"
        )
    allocator = first_look(config)
    path = out / "runs" / f"{run_name(config)}.jsonl"
    if config.identify and config.identifier.card:
        load_card(Path(config.identifier.card))
    if not dry_run:  # before models are loaded and a teacher is asked
        more = [Path(config.data.cache)] if config.data.cache else []
        for target in (path, *more, *([] if keep is None else [keep])):
            need_target(target)
    pair = pair_of(config, 0 if processes is None else processes.gpus)
    parts = build_components(config, pair)
    if processes is not None:
        parts = led(parts, processes)
    backend = HFBackend(parts, config.budget, keep_best=config.keep_best)
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    setup_for(env, allocator, config.seed, begun=began is not None)  # what it needs is there
    if config.identify or TRIES & set(allocator.needs) or isfinite(allocator.rollback):
        backend.check_copies()
    moved = moving(began, keep, config.allocator, env)
    _say_plan(console, config, env, parts, allocator)
    if dry_run:
        return True
    checked = path.with_name(f"{run_name(config)}.check.json")
    if check:
        return check_all(console, parts, config, checked, check)
    results = path.with_suffix(".json")
    agreed: dict[str, Any] = {}
    with ExitStack() as stack:
        refuse_overwriting(path, resume)
        env, found = _told(config, env, out, console) if config.identify else (env, None)
        header = log_config(config, env, parts, found) | header_field(began)
        if is_over(path, header, results, keep):
            console.print(f"{path} is complete: nothing left to do", highlight=False)
            return True
        _prepare(console, parts, config, path, checked, resume)
        watching = ProgressDisplay(
            out / "runs" / run_name(config), config, env, log_to, parts.identity[:16], path.exists()
        )
        backend.watch = stack.enter_context(watching)
        stack.enter_context(
            interruptible(
                f"every decision is in {path}; the same command with --resume resumes the run"
            )
        )
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(parts.asking())
        held_out = _held_out(parts)

        def conclude() -> None:
            agreed.update(_agreements(backend, held_out))
            save_results(out, config, backend, agreed)
            watching.concluded(read_log(path))

        run_one(
            lambda: env,
            allocator,
            header,
            path,
            resume=resume,
            on_step=watching.decided,
            results=results,
            conclude=conclude,
            **moved,
        )
    _conclude(console, out, path, backend, agreed)
    show_best(console, backend, env.episode.task.weights)
    return True


def _say_plan(
    console: Console, config: RunConfig, env: DistillEnv, parts: Components, allocator: Allocator
) -> None:
    """What the task weighs, and what the run will spend."""
    weighed = task_words(config.task, env.episode.task, env.backend.capabilities)
    console.print(weighed, highlight=False)
    show_token_estimate(console, config, parts, allocator)


def _prepare(
    console: Console, parts: Components, config: RunConfig, path: Path, checked: Path, resume: bool
) -> None:
    """Say where a resumed run goes on, look at the data once more, and keep the settings beside the log."""
    if resume:
        console.print(resume_words(path, config.steps), highlight=False)
    save_check(checked, parts.identity, check_before(console, parts), None)
    write_atomic(path.with_suffix(".toml"), tomli_w.dumps(config.table()).encode())


def _conclude(
    console: Console, out: Path, path: Path, backend: HFBackend, agreed: Mapping[str, Any]
) -> None:
    """What a finished run says on the terminal."""
    if agreed:
        before, after = agreed["before"], agreed["after"]
        missing = after["teacher_mass_not_stored"]
        console.print(
            f"held-out prompts: top-1 agreement with the teacher {before['top1']:.3f} -> "
            f"{after['top1']:.3f}, KL {before['kl']:.3f} -> {after['kl']:.3f} "
            f"({after['positions']} tokens)"
            + (f"; at most {100 * missing:.2g} % of the teacher is not stored" if missing else "")
        )
    if doubt := backend.asked.counts.in_doubt:
        console.print(f"{doubt} requests to the teacher may have been paid for without a reply")
    asked = backend.asked
    console.print(teacher_words(asked.counts, asked.rejections.by_reason()), highlight=False)
    for source in backend.components.datasets:
        words = source_words(source.name, backend.prompt_counts[source.name])
        console.print(words, highlight=False)
    show_results(console, read_log(path), refusals_of(backend), backend.divergence.found)
    where = f"run log, curves, training record and the student are in {out / 'runs'}"
    console.print(where)
    show_beside(console, out, path)


def _told(
    config: RunConfig, env: DistillEnv, out: Path, console: Console
) -> tuple[DistillEnv, Identified]:
    """The environment with the requirement that is identified, its interventions in `out`."""
    backend = env.backend
    assert isinstance(backend, HFBackend)
    advice = f"what was done is kept in {out}, the same command resumes"
    with (
        ProgressDisplay(out / "interventions" / run_name(config), config, env) as watching,
        interruptible(advice),
        torch.random.fork_rng(),
    ):
        backend.watch = watching
        task, found = identify(config, env, out / "interventions")
    told = DistillEnv(backend=backend, task=task, steps=config.steps)
    show_identified(console, told, found)
    return told, found


def _held_out(parts: Components) -> list[TeacherRecord]:
    """The teacher's replies to prompts of the dev split, asked outside the budget; none where the
    distributions that agreement needs are not stored, or only a store of other replies is there."""
    soft = parts.teacher.soft
    across = (
        parts.pair.vocabulary is None
    )  # different tokenizers: nothing to compare position by position
    if soft is None or soft.kind == "sampled" or parts.store is not None or across:
        return []
    prompts = parts.suite.splits.prompts("dev")[:HELD_OUT]
    return [r for r in parts.teacher.ask(prompts) if r is not None]


def _agreements(backend: HFBackend, held_out: list[TeacherRecord]) -> dict[str, Any]:
    """Of the student before and after the run; {} without held-out prompts."""
    if not held_out:
        return {}
    parts, student = backend.components, backend.student
    with student.started(parts.pair.student) as start, student.autocast():
        before = _agreement(start, held_out, parts)
    with student.autocast():
        return {"before": before, "after": _agreement(student.model, held_out, parts)}


def _agreement(
    model: nn.Module, held_out: list[TeacherRecord], parts: Components
) -> dict[str, Any]:
    outside = [truncation_report(r.soft) for r in held_out if r.soft is not None]
    return {
        **agreement(model, held_out, parts.pair.shared_vocabulary())._asdict(),
        "teacher_mass_not_stored": max(report.max for report in outside),
    }
