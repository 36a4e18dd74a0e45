"""The one loop: command line, studies and tests all run allocators through it."""

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import (
    DurableBackend,
    OffersBest,
)
from readsim.envs.env import DistillEnv, Observation
from readsim.envs.episode import source_prior
from readsim.errors import ConfigError, RunLogError
from readsim.runs.blame import blaming, check_state, is_usual, read_only, warn_of_shares
from readsim.runs.checkpoints import has_checkpoint, load_checkpoint, save_checkpoint
from readsim.runs.log_file import RunLog
from readsim.runs.setups import setup_for
from readsim.runs.shown import dev_utility, sampled, signals_of, trained_row
from readsim.streams import checked_seed

FINAL_FIELDS = ("utility", "final_profile", "final_change", "final_change_sd")
DEV_CHECKPOINTS = 10  # per run: every 10 % of the budget, as in the authors' code

Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class Run:
    """One run in flight: its environment, its allocator's state, and what it has logged."""

    env: DistillEnv
    setup: Setup
    observation: Observation
    state: State = None
    previous: Array | None = None
    last: Transition | None = None  # of this process
    step: int = 0
    over: bool = False


class Rollout(NamedTuple):
    """All rows of the runs, as a run log holds them, and the seconds spent in the allocator."""

    rows: list[Row]
    seconds: float


def _plain_env(env: Any) -> DistillEnv:
    """The environment itself, without Gymnasium's wrappers. Raises ConfigError for another one."""
    bare = getattr(env, "unwrapped", env)
    if not isinstance(bare, DistillEnv):
        raise ConfigError(
            f"{type(bare).__name__}: rollout runs single environments; give a list of them for many runs"
        )
    if bare.episode.allow_stop:
        raise ConfigError(
            "allow_stop: allocators do not stop a run early, so leave it off in rollout"
        )
    return bare


def rollout(
    envs: DistillEnv | Sequence[DistillEnv],
    allocator: Allocator | str,
    seeds: int | Sequence[int],
    *,
    log: RunLog | None = None,
    checkpoint: Path | None = None,
    on_step: Callable[[int], None] | None = None,
    begin: State | None = None,
    at_end: Callable[[Sequence[State]], None] | None = None,
) -> Rollout:
    """Run `allocator`, or the one of that name, on every env, in lockstep, to the end.

    `seeds` has one for each env; one env takes one seed. Simulated environments differ in the seed
    alone, so `[make_env(...) for seed in seeds]` is the usual list.

    Rows: one `start` a run (probed profile), one `step` a decision, one `final` a run. With `log`
    each round of rows is appended and synced; with `checkpoint` the state is saved before that, so
    a killed process resumes where it was and ends with the same rows. `on_step` gets the number of
    decisions just made. The allocator starts from the state `begin` of another run, if one is given;
    `at_end` gets its last states.
    """
    envs = [_plain_env(env) for env in (envs if isinstance(envs, Sequence) else [envs])]
    seeds = [checked_seed(s) for s in ([seeds] if isinstance(seeds, int | np.integer) else seeds)]
    if len(seeds) != len(envs):
        raise ConfigError(f"{len(seeds)} seeds for {len(envs)} environments: give one for each")
    if isinstance(allocator, str):
        allocator = load_allocator(allocator)
    rows: list[Row] = []
    watch = _Watch()
    begun = begin is not None
    runs = _resume(envs, allocator, seeds, log, checkpoint, rows, begun)
    if runs is None:
        runs = []
        for env, seed in zip(envs, seeds, strict=True):
            observation, _ = env.reset(seed=seed)
            runs.append(Run(env, setup_for(env, allocator, seed, begun=begun), observation))
            if np.isfinite(allocator.rollback):
                env.allow_rollback(allocator.rollback)
        first = [_start(run) for run in runs]
        with watch.blame(allocator, runs), watch:
            states = [begin] * len(runs)
            if not begun:
                states = allocator.init_many([run.setup for run in runs])
        check_state(allocator, states[0] if states else None)
        for run, state in zip(runs, states, strict=True):
            run.state = state
        _record(first, runs, rows, log, checkpoint)
    while active := [run for run in runs if not run.over]:
        new = _round(active, allocator, watch)
        _record(new, runs, rows, log, checkpoint)
        if on_step is not None:
            on_step(len(active))
    if at_end is not None:
        at_end([run.state for run in runs])
    return Rollout(rows, watch.seconds)


def _start(run: Run) -> Row:
    """Made before the allocator begins, which may train and measure (an offline pool)."""
    row = {"kind": "start", "seed": run.setup.seed, "profile": run.env.profile, **sampled(run.env)}
    if not np.array_equal(run.setup.requirement, run.env.episode.task.requirement):
        row["requirement"] = run.setup.requirement
    return row


def _told(run: Run) -> Setup:
    """The setup, with what the task is now said to require."""
    requirement, episode = run.observation["requirement"], run.env.episode
    if np.array_equal(requirement, run.setup.requirement):
        return run.setup
    prior = source_prior(requirement, episode.visible, episode.sources)
    return replace(run.setup, requirement=requirement, prior=prior)


class _Watch:
    """Wall time spent inside the allocator, which is never part of a row, and what was said of it."""

    seconds = 0.0
    odd = False  # shares that had to be changed
    now: Sequence[Run] = ()

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since

    def blame(self, allocator: Allocator, runs: Sequence[Run]) -> AbstractContextManager[None]:
        """What the allocator raises inside names it, the task, the step, and the runs in `now`."""
        self.now = runs
        return blaming(
            allocator, lambda: [(r.env.episode.task.name, r.setup.seed, r.step) for r in self.now]
        )


def _context(run: Run) -> Context:
    """What the allocator sees: it can write into none of it."""
    seen = run.observation
    return Context(
        setup=run.setup,
        step=run.step,
        profile=read_only(seen["profile"]),
        budget_left=float(seen["budget_left"][0]),
        history=read_only(seen.get("history", np.zeros(0))),
        previous=_previous(run),
    )


def _previous(run: Run) -> Array:
    if run.last is not None:
        return run.last.allocation
    return read_only(run.setup.prior if run.previous is None else run.previous)


def _round(active: list[Run], allocator: Allocator, watch: _Watch) -> list[Row]:
    """One decision of every active run."""
    for run in active:
        run.setup = _told(run)
    contexts = [_context(run) for run in active]
    with watch.blame(allocator, active):
        with watch:
            chosen = allocator.select_many([run.state for run in active], contexts)
        transitions: list[Transition] = []
        rows: list[Row] = []
        finals: list[Row] = []
        for run, context, allocation in zip(active, contexts, chosen, strict=True):
            watch.now = [run]
            asked = np.asarray(allocation, dtype=np.float64)
            run.observation, reward, run.over, _, info = run.env.step(asked)
            counted = trained_row(run.env.backend, info["tokens"])
            given = info["allocation"]
            if not (watch.odd or is_usual(asked)):
                watch.odd = True
                warn_of_shares(allocator, run.setup.seed, run.step, asked, given)
            run.step += 1
            run.previous = given
            every = max(1, run.env.episode.steps // DEV_CHECKPOINTS)
            dev = run.env.dev_profile() if run.step % every == 0 or run.over else None
            if dev is not None and isinstance(run.env.backend, OffersBest):
                run.env.backend.consider(dev_utility(run.env, dev))
            after, change = info.get("measured", run.observation["profile"]), info["change"]
            back = {key: info[key] for key in ("rolled_back",) if key in info}
            run.last = Transition(
                context,
                read_only(given),
                reward,
                read_only(change),
                read_only(after),
                info["tokens"],
                None if dev is None else read_only(dev),
                signals_of(run.env) if "signals" in allocator.needs else None,
            )
            transitions.append(run.last)
            where = {"seed": run.setup.seed, "step": run.step}
            shown = {"tokens": info["tokens"], "spent": info["spent"]}
            measured = {"profile": after, "reward": reward, "dev_profile": dev, **sampled(run.env)}
            row = {"kind": "step", **where, **shown, "allocation": given, "change": change}
            rows.append({**row, **measured, **counted, **back})
            if run.over:
                ending = {key: info[key] for key in FINAL_FIELDS}
                finals.append({"kind": "final", **where, "totals": run.env.ledger.totals, **ending})
        watch.now = active
        with watch:
            states = allocator.update_many([run.state for run in active], transitions)
        for run, row, state in zip(active, rows, states, strict=True):
            run.state = state
            row["report"] = dict(allocator.report(state))
    if active[0].step == 1:
        check_state(allocator, states[0])
    return rows + finals


def _record(
    new: list[Row], runs: list[Run], rows: list[Row], log: RunLog | None, checkpoint: Path | None
) -> None:
    """Save first, append second: what a kill in between leaves out of the log is in the checkpoint."""
    if checkpoint is not None:
        tree = {
            "rows": len(rows),
            "log": None if log is None else log.digest,
            "last": new,
            "runs": [
                {
                    "env": _tree_of(run.env),
                    "state": run.state,
                    "previous": run.previous,
                    "step": run.step,
                    "over": run.over,
                }
                for run in runs
            ],
        }
        save_checkpoint(checkpoint, len(rows), tree, [run.env.backend for run in runs])
    if log is not None:
        log.append(new)
    rows.extend(new)


def _tree_of(env: DistillEnv) -> dict[str, Any]:
    """The environment's state, without what its backend writes to a folder of its own."""
    return env.account() if isinstance(env.backend, DurableBackend) else env.snapshot()


def _resume(
    envs: Sequence[DistillEnv],
    allocator: Allocator,
    seeds: Sequence[int],
    log: RunLog | None,
    checkpoint: Path | None,
    rows: list[Row],
    begun: bool,
) -> list[Run] | None:
    """The runs of an interrupted process, or None to start afresh; mends the log's last round.

    Where the newest checkpoint is damaged the one before it is used; the log's rows after it are made
    again, and the old ones kept beside the log.
    """
    if checkpoint is None or not has_checkpoint(checkpoint):
        if log is not None and log.rows:
            raise RunLogError(
                f"{log.path}: has {len(log.rows)} rows but no checkpoint to continue from"
            )
        return None
    saved, problems = load_checkpoint(checkpoint, [env.backend for env in envs])
    for problem in problems:
        warnings.warn(f"a checkpoint is ignored: {problem}", stacklevel=2)
    if log is not None:
        done, last = saved["rows"], saved["last"]
        if saved.get("log") not in (None, log.digest_of_rows(done)):
            raise RunLogError(
                f"{log.path}: its first {done} rows are not those that its checkpoint was saved after: the "
                "log is damaged; move it and its .state away to run it again"
            )
        if problems:
            log.rewind(done + len(last))
        if len(log.rows) < done or len(log.rows) > done + len(last):
            raise RunLogError(
                f"{log.path}: has {len(log.rows)} rows, its checkpoint is for {done} or {done + len(last)}"
            )
        log.check_rows(done, last)
        log.append(last[len(log.rows) - done :])
        rows.extend(log.rows)
    runs = []
    for env, seed, old in zip(envs, seeds, saved["runs"], strict=True):
        durable = isinstance(env.backend, DurableBackend)
        observation = env.reinstate(old["env"]) if durable else env.restore(old["env"])
        setup = setup_for(env, allocator, seed, begun=begun)
        run = Run(env, setup, observation, old["state"])
        run.previous, run.step, run.over = old["previous"], int(old["step"]), bool(old["over"])
        runs.append(run)
    return runs
