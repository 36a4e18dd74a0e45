"""Watch a job: read its metrics, decide, write its next mixture, keep a run log; killed at any moment."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from readsim.advise.backend import Say, WatchedJob
from readsim.advise.metrics import Columns
from readsim.advise.shares import Advised, Shares, read_shares, write_shares
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import Measurement
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.files.json_text import digest_of
from readsim.files.names import check_name
from readsim.runs.cell import header_of
from readsim.runs.checkpoints import forget
from readsim.runs.identity import code_of_allocator
from readsim.runs.log_file import RunLog
from readsim.runs.moved_state import MovedState, header_field, moving
from readsim.runs.one import run_one, state_of
from readsim.runs.read_logs import Log, read_log
from readsim.runs.setups import setup_for
from readsim.worlds.task import AnyTask, resolve_task, task_name

POLL = 0.2  # seconds between two looks at the metrics


@dataclass(frozen=True)
class Advice:
    """What is watched, and who decides.

    log, shares    the job's metrics (JSON lines), and the file that it reads its mixture from
    sources        what the job can train on
    capabilities   what it measures; the sources where none are named
    budget, steps  tokens of the job in all, and how often its mixture is decided
    columns        (`named`, `metric`) of `readsim.advise.metrics.Columns`
    teacher        the teacher's or reference model's numbers in the same metric, by capability
    out            the run log
    began          a state that the allocator starts from, in place of a fresh one
    keep           a file for the allocator's state at the end

    Raises ConfigError and its kin.
    """

    log: Path
    shares: Path
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    allocator: str
    budget: int
    out: Path
    steps: int = 20
    task: AnyTask = "average"
    seed: int = 0
    named: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None
    teacher: Mapping[str, float] | None = None
    began: MovedState | None = None
    keep: Path | None = None

    def __post_init__(self) -> None:
        for what, names in (("sources", self.sources), ("capabilities", self.capabilities)):
            for name in names:
                check_name(name, what)
            if not names or len(set(names)) < len(names):
                raise ConfigError(f"{what} = {names!r}: expected names, each once")
        if len({path.resolve() for path in (self.log, self.shares, self.out)}) < 3:
            raise ConfigError(
                "the metrics, the shares and the run log must be three different files"
            )


@dataclass(frozen=True)
class Progress:
    """Where a run is: intervals measured, of at most `steps`, and whether it is over."""

    done: int
    steps: int
    over: bool


class NothingNew(Exception):
    """No measurement is there that was not decided at."""


class TaughtJob(WatchedJob):
    """A watched job whose teacher's numbers are known."""

    teacher: Array

    def teacher_profile(self) -> Measurement:
        return Measurement(self.teacher, {})


def advise(
    advice: Advice,
    *,
    once: bool = False,
    end: bool = False,
    say: Say = lambda decision: None,
) -> Progress:
    """Follow a job until its budget is spent; with `once`, as far as its metrics go now.

    With `end` the job has ended, whatever of its budget is left: the log gets its last row. `say` gets
    each decision. Called again with the same advice it continues: whenever it was killed,
    decisions, shares and log end up the same.

    Raises CapabilityMissingError for an allocator that needs what nobody can do to another's job,
    RunLogError for a log of another run, ConfigError for metrics that cannot be read.
    """
    allocator = load_allocator(advice.allocator)
    needs = allocator.needs - ({"transitions"} if advice.began else set())
    for need in sorted(needs - ({"teacher"} if advice.teacher is not None else set())):
        hint = {
            "teacher": "give its numbers: --teacher CAPABILITY=NUMBER,...",
            "transitions": "start it from the state of a run that had some: --from FILE",
        }
        raise CapabilityMissingError(
            f"{advice.allocator} needs {need!r}, which a watched job does not offer"
            + (f"; {hint[need]}" if need in hint else "")
        )
    task = resolve_task(advice.task, advice.capabilities, ())
    columns = Columns(advice.capabilities, advice.named, advice.metric)
    prior = source_prior(task.requirement, advice.capabilities, advice.sources)
    settings = (advice.log, advice.shares, advice.sources, columns, advice.budget, advice.steps)
    kind = WatchedJob if advice.teacher is None else TaughtJob
    job = kind(*settings, prior, _stop if once or end else _sleep, say)
    header: dict[str, Any] = {}
    try:
        job.begin(fresh=not advice.out.exists())
        if isinstance(job, TaughtJob):
            job.teacher = _profile_of(advice, negated=not job.scale.is_score)
        env = DistillEnv(backend=job, task=task, budget=advice.budget, steps=advice.steps)
        setup_for(env, allocator, advice.seed, begun=advice.began is not None)
        moved = moving(advice.began, advice.keep, advice.allocator, env)
        names = [list(advice.sources), list(advice.capabilities), job.scale.table()]
        told = {} if advice.teacher is None else {"teacher": dict(advice.teacher)}
        more: dict[str, Any] = told | header_field(advice.began)
        header = header_of(
            env,
            task=task_name(advice.task),
            allocator=advice.allocator,
            seeds=[advice.seed],
            code=code_of_allocator(allocator),
            identity=(f"watched:{advice.log.name}", digest_of(names)[:16]),
            weights=task.weights.tolist(),
            watched={"named": dict(advice.named), "metric": advice.metric},
            **more,
        )
        run_one(
            lambda: env,
            allocator,
            header,
            advice.out,
            resume=True,
            **moved,
        )
    except NothingNew:
        if end and header:
            _conclude(advice, env, header)
    if not advice.out.exists():
        return Progress(0, advice.steps, over=False)
    log = read_log(advice.out)
    if log.finals and not _says_over(advice.shares):
        first = Advised(0, 0, dict(zip(advice.sources, prior.tolist(), strict=True)))
        write_shares(advice.shares, Shares([first, *_decisions(log)], log.steps[-1].spent, True))
    return Progress(len(log.steps), advice.steps, over=bool(log.finals))


def _says_over(shares: Path) -> bool:
    try:
        return read_shares(shares).over
    except ConfigError:
        return False


def _decisions(log: Log) -> list[Advised]:
    """Those of a run that is over, from its log: a job that is started again trains with them."""
    return [
        Advised(
            row.step,
            row.spent - row.tokens,
            dict(zip(log.header.sources, row.allocation.tolist(), strict=True)),
        )
        for row in log.steps
    ]


def _conclude(advice: Advice, env: DistillEnv, header: Mapping[str, Any]) -> None:
    """The last row of a run whose job ended before its budget."""
    with RunLog.open(advice.out, config=header) as log:
        last = log.rows[-1]
        if last["kind"] != "step":
            raise ConfigError(
                f"{advice.log}: nothing was measured after a decision, so there is no run to end"
            )
        final = env.backend.final_eval()
        row = {
            "kind": "final",
            "seed": advice.seed,
            "step": last["step"],
            "totals": env.ledger.totals,
            "utility": float(env.episode.task.utility(final.profile)),
            "final_profile": final.profile,
            "final_change": final.change,
            "final_change_sd": final.change_sd,
        }
        log.append([row])
        log.seal()
    forget(state_of(advice.out))


def _stop() -> None:
    raise NothingNew


def _sleep() -> None:
    time.sleep(POLL)


def _profile_of(advice: Advice, *, negated: bool) -> Array:
    """The teacher's profile (V,). Raises ConfigError for capabilities that lack, or are unknown."""
    given = advice.teacher or {}
    if set(given) != set(advice.capabilities):
        raise ConfigError(
            f"--teacher names {', '.join(given)}: a number is needed for each of "
            f"{', '.join(advice.capabilities)}"
        )
    profile = np.array([float(given[name]) for name in advice.capabilities])
    return -profile if negated else profile
