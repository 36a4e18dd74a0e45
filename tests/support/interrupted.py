"""Runs that are cut between two decisions, as by a kill, and go on from their log and checkpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest

from readsim.allocators.base import Allocator
from readsim.envs.env import DistillEnv
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.loop import Row, rollout


class Interrupted(Exception):
    """Stands for a kill between two decisions."""


def run_in(
    folder: Path, env: DistillEnv, allocator: Allocator, *, seed: int, stop: int | None = None
) -> list[Row]:
    """The rows of the log in `folder` after the run, or the rest of it; it is cut after `stop` decisions."""
    path, made = folder / "run.jsonl", 0

    def count(n: int) -> None:
        nonlocal made
        made += n
        if made == stop:
            raise Interrupted

    new = not path.exists()
    opened = RunLog.create(path, config={}, seeds=[seed]) if new else RunLog.open(path, config={})
    with opened as log:
        rollout([env], allocator, [seed], log=log, checkpoint=folder / "state", on_step=count)
    return read_content(path).rows


def check_interrupted(
    folder: Path,
    env: Callable[[], DistillEnv],
    allocator: Callable[[], Allocator],
    *,
    seed: int,
    stops: tuple[int, ...],
) -> None:
    """A run that is cut at any of `stops` ends with the same rows as a whole one."""
    expected = run_in(folder / "whole", env(), allocator(), seed=seed)
    for stop in stops:
        own = folder / str(stop)
        with pytest.raises(Interrupted):
            run_in(own, env(), allocator(), seed=seed, stop=stop)
        assert run_in(own, env(), allocator(), seed=seed) == expected
