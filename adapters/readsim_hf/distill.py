"""`readsim distill`: one real run, from settings to tables, with every decision on disk."""

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
import torch
from rich.console import Console
from torch import nn

from readsim.allocators.registry import load_allocator
from readsim.cli.common import interruptible
from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError
from readsim.runs.cell import Cell
from readsim.runs.checkpoints import forget, has_checkpoint
from readsim.runs.grid import check_complete
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout, setup_for
from readsim.runs.read_logs import read_log
from readsim.summary.scores import show_beside
from readsim.tree_file import write_atomic
from readsim_hf.backend import HFBackend
from readsim_hf.components import Parts, build_parts
from readsim_hf.config import RunConfig, preset_table, read_table
from readsim_hf.distributed_run import join, led, work
from readsim_hf.identify import identify
from readsim_hf.manifest import digest_of
from readsim_hf.models.pairs import load_pair
from readsim_hf.objectives.sparse import truncation_report
from readsim_hf.progress import Watching
from readsim_hf.requirement.identified import Identified
from readsim_hf.results import refusals_of, save_results, show_identified, show_results
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.token_estimate import show_outlay
from readsim_hf.training.agreement import agreement
from readsim_hf.training.distributed_student import is_sharded
from readsim_hf.training.process_group import Processes, said_once

HELD_OUT = 64  # prompts on which student and teacher are compared


def resolve(file: Path | None, options: Mapping[str, Any], cache: Path | None = None) -> RunConfig:
    """The preset of the pair, then the file, then the options; `cache` where these name none."""
    table = read_table(file) if file is not None else {}
    in_file = table.get("pair", {})
    pair = {**(in_file if isinstance(in_file, Mapping) else {}), **options.get("pair", {})}
    named: dict[str, Any] = {}
    if pair.get("teacher") is None and pair.get("student") is None:
        named = preset_table(str(pair.setdefault("name", "nano")))
        named["pair"] = {"name": pair["name"]}
    below = {"data": {"cache": str(cache)}} if cache is not None else {}
    return RunConfig.of(below, named, table, options)


def log_config(
    config: RunConfig, env: DistillEnv, parts: Parts, found: Identified | None = None
) -> dict[str, Any]:
    """The header of the run log: the fields that every backend's has, and the manifest."""
    return {
        "world": f"hf:{parts.pair.name}",
        "world_digest": parts.identity[:16],
        "task": task_name(config),
        "budget": config.budget,
        "steps": config.steps,
        "allocator": config.allocator,
        "settings": dict(config.allocator_settings),
        "pool_runs": config.pool_runs,
        "sources": list(env.backend.sources),
        "capabilities": list(env.backend.capabilities),
        "hidden": list(env.backend.hidden),
        "requirement": env.setting.task.requirement.tolist(),
        "weights": env.setting.task.weights.tolist(),
        **({} if found is None else {"identified": asdict(found)}),
        "seeds": [config.seed],
        "manifest": dict(parts.manifest),
    }


def task_name(config: RunConfig) -> str:
    """The task's name, or a digest of its weights."""
    task = config.task
    return task if isinstance(task, str) else f"custom-{digest_of(task)[:8]}"


def run_name(config: RunConfig) -> str:
    """Of the run's files: what tells runs in one folder apart."""
    cell = Cell("", task_name(config), config.budget, config.steps, config.allocator, ())
    name = Path(cell.file_name).stem
    signal = config.method or f"{config.signal}.{config.objective}"
    name += "" if signal == RunConfig().method else f".{signal}"
    return f"{name}{'.identified' if config.identify else ''}.seed{config.seed}"


def distill(
    file: Path | None,
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    dry_run: bool = False,
) -> None:
    """Run, or with `resume` go on with, the run that the settings describe; results are in `out`.

    Started as one of several processes, this one drives them or follows.
    """
    with said_once():
        config = resolve(file, options, out / "teacher.sqlite")
        torch.set_num_threads(config.threads)
        processes = join(config)
    with processes or nullcontext():
        if processes is not None and processes.rank:
            work(processes, config)
        else:
            _drive(config, out, processes, resume, tensorboard, dry_run)


def _drive(
    config: RunConfig,
    out: Path,
    processes: Processes | None,
    resume: bool,
    tensorboard: bool,
    dry_run: bool,
) -> None:
    """The run itself: of one process, or of the first of several."""
    console = Console()
    if processes is not None:
        processes.agree(config.table())
        console.print(
            f"{processes.world} processes train the student, {'FSDP' if is_sharded() else 'DDP'}"
        )
    allocator = load_allocator(config.allocator, dict(config.allocator_settings))
    pair = load_pair(**asdict(config.pair), server=config.server)
    parts = build_parts(config, pair)
    if processes is not None:
        parts = led(parts, processes)
    backend = HFBackend(parts, config.budget)
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    setup_for(env, allocator, config.seed)  # what the allocator needs is there
    show_outlay(console, config, parts, allocator)
    if dry_run:
        return
    name = run_name(config)
    path, state = out / "runs" / f"{name}.jsonl", out / "runs" / f"{name}.state"
    with ExitStack() as stack:
        _refuse_overwriting(path, state, resume)
        env, found = _told(config, env, out, console) if config.identify else (env, None)
        header = log_config(config, env, parts, found)
        log = stack.enter_context(_open_log(path, state, header, config.seed, resume))
        if _is_over(log, state, path.with_name(f"{name}.json")):
            console.print(f"{path} is complete: nothing left to do", markup=False, highlight=False)
            return
        write_atomic(out / "runs" / f"{name}.toml", tomli_w.dumps(config.table()).encode())
        watching = stack.enter_context(Watching(out / "runs" / name, config, env, tensorboard))
        backend.watch = watching
        stack.enter_context(
            interruptible(f"every decision is in {path}, the same command with --resume goes on")
        )
        with torch.random.fork_rng():
            parts.open_cache()
            held_out = _held_out(parts)
            rollout(
                [env],
                allocator,
                [config.seed],
                log=log,
                checkpoint=state,
                on_step=watching.decided,
            )
            ends = {"before": pair.fresh_student(), "after": backend.student.model}
            agreed = {k: _agreement(m, held_out, parts) for k, m in ends.items() if held_out}
        save_results(out, name, backend, agreed)
    forget(state)
    if agreed:
        before, after = agreed["before"], agreed["after"]
        missing = after["teacher_mass_not_stored"]
        console.print(
            f"held-out prompts: top-1 agreement with the teacher {before['top1']:.3f} -> "
            f"{after['top1']:.3f}, KL {before['kl']:.3f} -> {after['kl']:.3f} "
            f"({after['positions']} tokens)"
            + (f"; at most {100 * missing:.2g} % of the teacher is not stored" if missing else "")
        )
    if doubt := parts.teacher.counts.in_doubt:
        console.print(f"{doubt} requests to the teacher may have been paid for without a reply")
    show_results(console, read_log(path), refusals_of(backend))
    where = f"run log, curves, training record and the student are in {out / 'runs'}"
    console.print(where, markup=False)
    show_beside(console, out, path)


def _told(
    config: RunConfig, env: DistillEnv, out: Path, console: Console
) -> tuple[DistillEnv, Identified]:
    """The environment with the requirement that is identified, its interventions in `out`."""
    backend = env.backend
    assert isinstance(backend, HFBackend)
    advice = f"what was done is kept in {out}, the same command goes on"
    with (
        Watching(out / "interventions" / run_name(config), config, env, False) as watching,
        interruptible(advice),
        torch.random.fork_rng(),
    ):
        backend.watch = watching
        task, found = identify(config, env, out / "interventions")
    told = DistillEnv(backend=backend, task=task, steps=config.steps)
    show_identified(console, told, found)
    return told, found


def _open_log(
    path: Path, state: Path, header: Mapping[str, Any], seed: int, resume: bool
) -> RunLog:
    """The run's log: a new one, or with `resume` the one that is there.

    A run that stopped before its first row left nothing to go on from: its log is replaced.
    """
    _refuse_overwriting(path, state, resume)
    if not path.exists():
        log = RunLog.create(path, config=header, seeds=[seed])
        forget(state)
        path.with_suffix(".json").unlink(missing_ok=True)
        return log
    return RunLog.open(path, config=header)


def _refuse_overwriting(path: Path, state: Path, resume: bool) -> None:
    """RunLogError where a log with rows is there and is not to be gone on with."""
    if path.exists() and not has_checkpoint(state) and not read_log(path).rows:
        path.unlink()
    if path.exists() and not resume:
        raise RunLogError(
            f"{path} exists and is not overwritten: --resume goes on with it; to start anew, give "
            "another --out or move it away"
        )


def _is_over(log: RunLog, state: Path, results: Path) -> bool:
    """Whether nothing is left to do: the last row is there, and what is made of it too."""
    rows = log.rows
    if rows and not has_checkpoint(state):
        check_complete(log, Cell("", "", 0, 0, "", (log.header["seeds"][0],)))
        return True
    if not (rows and rows[-1]["kind"] == "final" and results.exists()):
        return False
    forget(state)  # the process ended before it could
    return True


def _held_out(parts: Parts) -> list[TeacherRecord]:
    """The teacher's replies to prompts of the dev split, asked outside the budget; none where the
    distributions that agreement needs are not stored, or a server would have to be paid."""
    soft = parts.teacher.soft
    paid = any(voice.server is not None for voice in parts.pair.voices)
    if soft is None or soft.kind == "sampled" or paid:
        return []
    prompts = parts.suite.splits.prompts("dev")[:HELD_OUT]
    return [r for r in parts.teacher.ask(prompts) if r is not None]


def _agreement(model: nn.Module, held_out: list[TeacherRecord], parts: Parts) -> dict[str, Any]:
    outside = [truncation_report(r.soft) for r in held_out if r.soft is not None]
    return {
        **agreement(model, held_out, parts.pair.shared_vocabulary())._asdict(),
        "teacher_mass_not_stored": max(report.max for report in outside),
    }
