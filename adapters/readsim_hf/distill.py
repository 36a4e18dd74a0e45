"""`readsim distill`: one real run, from settings to tables, with every decision on disk."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tomli_w
import torch
from rich.console import Console
from torch import nn

from readsim.allocators.registry import load_allocator
from readsim.checkpoint import write_atomic
from readsim.commands import interruptible
from readsim.durable import forget, has_checkpoint
from readsim.env import DistillEnv
from readsim.errors import RunLogError
from readsim.experiment import Cell, check_complete
from readsim.rollout import rollout, setup_for
from readsim.runlog import RunLog, read_runlog
from readsim_hf.backend import HFBackend
from readsim_hf.config import RunConfig, preset_table, read_table
from readsim_hf.manifest import digest_of
from readsim_hf.models.pairs import load_pair
from readsim_hf.objectives.sparse import truncation_report
from readsim_hf.outlay import show_outlay
from readsim_hf.parts import Parts, build_parts
from readsim_hf.results import save_results, show_results
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.agreement import agreement
from readsim_hf.watching import Watching

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


def task_name(config: RunConfig) -> str:
    """The task's name in logs; of shares, one that follows from them."""
    task = config.task
    return task if isinstance(task, str) else f"custom-{digest_of(task)[:8]}"


def run_name(config: RunConfig) -> str:
    """Name of a run's files, without suffix: allocator, task, budget, seed."""
    cell = Cell("", task_name(config), config.budget, config.steps, config.allocator, ())
    return f"{Path(cell.file_name).stem}.seed{config.seed}"


def log_config(config: RunConfig, env: DistillEnv, parts: Parts) -> dict[str, Any]:
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
        "hidden": [],
        "requirement": env.setting.task.requirement.tolist(),
        "seeds": [config.seed],
        "manifest": dict(parts.manifest),
    }


def distill(
    file: Path | None,
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    dry_run: bool = False,
) -> None:
    """Run, or with `resume` go on with, the run that the settings describe; results are in `out`."""
    config = resolve(file, options, out / "teacher.sqlite")
    torch.set_num_threads(config.threads)
    console = Console()
    allocator = load_allocator(config.allocator, dict(config.allocator_settings))
    pair = load_pair(
        config.pair.name,
        teacher=config.pair.teacher,
        student=config.pair.student,
        layers=config.pair.layers,
        device=config.pair.device,
        teacher_precision=config.pair.teacher_precision,
        context=config.pair.context,
    )
    parts = build_parts(config, pair)
    backend = HFBackend(parts, config.budget)
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    setup_for(env, allocator, config.seed)  # what the allocator needs is there
    show_outlay(console, config, parts, allocator)
    if dry_run:
        return
    header = log_config(config, env, parts)
    name = run_name(config)
    path, state = out / "runs" / f"{name}.jsonl", out / "runs" / f"{name}.state"
    with ExitStack() as stack:
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
    rows = read_runlog(path)[1]
    show_results(console, rows, header)
    where = f"run log, curves, training record and the student are in {out / 'runs'}"
    console.print(where, markup=False)


def _open_log(
    path: Path, state: Path, header: Mapping[str, Any], seed: int, resume: bool
) -> RunLog:
    """The run's log: a new one, or with `resume` the one that is there.

    A run that stopped before its first row left nothing to go on from: its log is replaced.
    """
    if path.exists() and not has_checkpoint(state) and not read_runlog(path)[1]:
        path.unlink()
    if not path.exists():
        log = RunLog.create(path, config=header, seeds=[seed])
        forget(state)
        path.with_suffix(".json").unlink(missing_ok=True)
        return log
    if not resume:
        raise RunLogError(
            f"{path} exists and is not overwritten: --resume goes on with it; to start anew, give "
            "another --out or move it away"
        )
    return RunLog.open(path, config=header)


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
    distributions that agreement needs are not stored."""
    soft = parts.teacher.soft
    if soft is None or soft.kind == "sampled":
        return []
    prompts = parts.suite.splits.prompts("dev")[:HELD_OUT]
    return [r for r in parts.teacher.ask(prompts) if r is not None]


def _agreement(model: nn.Module, held_out: list[TeacherRecord], parts: Parts) -> dict[str, Any]:
    outside = [truncation_report(r.soft) for r in held_out if r.soft is not None]
    return {
        **agreement(model, held_out, parts.pair.shared_vocabulary())._asdict(),
        "teacher_mass_not_stored": max(report.max for report in outside),
    }
