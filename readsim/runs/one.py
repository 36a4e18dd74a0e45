"""One way to run: open or continue a log, run what is left, leave a whole log."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.allocators.base import Allocator, State
from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError
from readsim.runs.checkpoints import forget, has_checkpoint
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.loop import Row, rollout

_FIRST = b'{"kind":"header",'  # how every run log starts


def run_one(
    make_env: Callable[[], DistillEnv],
    allocator: Allocator,
    header: Mapping[str, Any],
    path: Path,
    *,
    resume: bool,
    durable: bool = True,
    on_step: Callable[[int], None] | None = None,
    results: Path | None = None,
    conclude: Callable[[], None] | None = None,
    begin: State | None = None,
    keep: Path | None = None,
    at_end: Callable[[Sequence[State]], None] | None = None,
) -> float:
    """Run what is left of one run for each of the header's seeds: seconds in the allocator.

    header    the configuration, see `readsim.runs.cell.header_of`: a log with another one is refused
    resume    continue a log that is there; without it one that has rows is refused
    durable   every decision is on disk before the next, the state in `PATH.state` until the run is
              over: what costly runs need. Otherwise the log appears when all runs are over.
    on_step   called with the number of decisions just made
    conclude  makes the file `results` of the whole run, before its state is given up
    begin, at_end   see `rollout`; `at_end` makes the file `keep`

    A run that is over is left as it is. A kill at any moment leaves what the same call with `resume`
    continues, to the same rows. Raises RunLogError for a log that exists (without `resume`), that has
    another header, or that is unfinished and has lost its state.
    """
    refuse_overwriting(path, resume)
    if is_over(path, header, results, keep):
        return 0.0
    seeds, state = list(header["seeds"]), state_of(path)
    envs = [make_env() for _ in seeds]
    if not (durable or path.exists()):
        rows, seconds = rollout(envs, allocator, seeds, on_step=on_step, begin=begin, at_end=at_end)
        _write_whole(path, header, rows)
        return seconds
    if path.exists():
        opened = RunLog.open(path, config=header)
    else:
        forget(state)  # of a log that was removed
        if results is not None:
            results.unlink(missing_ok=True)
        opened = RunLog.create(path, config=header, seeds=seeds)
    with opened as log:
        _, seconds = rollout(
            envs,
            allocator,
            seeds,
            log=log,
            checkpoint=state,
            on_step=on_step,
            begin=begin,
            at_end=at_end,
        )
        log.seal()
        if conclude is not None:
            conclude()
    forget(state)
    return seconds


def _write_whole(path: Path, header: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """A log that is whole or absent."""
    part = path.with_suffix(".part")
    try:
        part.unlink(missing_ok=True)
        with RunLog.create(part, config=header, seeds=header["seeds"]) as log:
            log.append(rows)
            log.seal()
        part.replace(path)
    except OSError as error:
        raise RunLogError(f"cannot write run log {path}: {error}") from error


def state_of(path: Path) -> Path:
    """The folder of a log's checkpoints."""
    return path.with_suffix(".state")


def refuse_overwriting(path: Path, resume: bool) -> None:
    """Raise RunLogError for a log that exists and is not to be resumed.

    A run that was killed before its first row left nothing to continue: its log is removed.
    """
    if not path.exists():
        return
    if not has_checkpoint(state_of(path)) and _has_no_row(path):
        path.unlink()
    elif not resume:
        raise RunLogError(
            f"{path} exists and is not overwritten: --resume continues it; to start anew, give "
            "another --out or move it away"
        )


def _has_no_row(path: Path) -> bool:
    """Whether a file is the header of a run log, or a part of it, and nothing more."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first, second = file.readline(), file.readline()
    if first.endswith(b"\n"):
        bare = first.startswith(_FIRST) and not second.endswith(b"\n")
        if bare:
            read_content(path)  # raises SchemaError for a newer readsim's, which is left alone
        return bare
    return first.startswith(_FIRST) or _FIRST.startswith(first)


def resume_words(path: Path, steps: int) -> str:
    """What a run of `steps` decisions with `resume` does, by the log at `path` before it is opened."""
    if not path.exists() or _has_no_row(path):
        return f"nothing to resume here ({path}): a new run"
    log = read_content(path)
    made: dict[int, int] = dict.fromkeys(log.header["seeds"], 0)
    for row in log.rows:
        if row["kind"] == "step":
            made[row["seed"]] = row["step"]
        elif row["kind"] == "final":
            made[row["seed"]] = steps
    if (least := min(made.values())) == steps:
        return f"{path}: all {steps} decisions are made already"
    return f"{path} resumes after decision {least} of {steps}"


def is_over(path: Path, header: Mapping[str, Any], *results: Path | None) -> bool:
    """Whether nothing is left to do: each seed has its last row, and all of `results` are there.

    Raises RunLogError for a log with another header, or unfinished without its state.
    """
    if not path.exists():
        return False
    with RunLog.open(path, config=header) as log:
        finals = {row["seed"] for row in log.rows if row["kind"] == "final"}
        missing = [seed for seed in header["seeds"] if seed not in finals]
        state = state_of(path)
        if has_checkpoint(state) and not missing:
            log.seal()  # the process ended before it could
    if has_checkpoint(state):
        if missing or any(made is not None and not made.exists() for made in results):
            return False
        forget(state)  # the process ended before it could
    elif missing:
        raise RunLogError(
            f"{path} is unfinished (no final row for seeds {missing}) and its state, {state.name}, is "
            "gone: move the log away to start this run again"
        )
    return True
