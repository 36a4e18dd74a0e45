"""One cell of a grid: what is run, the name of its log, and the configuration that its log records."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from readsim.allocators.base import Allocator
from readsim.allocators.registry import load_allocator
from readsim.backend import OffersWorld
from readsim.envs.env import DistillEnv
from readsim.files.json_text import digest_of
from readsim.files.names import check_name
from readsim.runs.identity import allocator_name, code_of_allocator, settings_of
from readsim.worlds import World, world_to_dict
from readsim.worlds.task import AnyTask, task_name
from readsim.worlds.validation import undoubted

PAPER_ALLOCATORS = ("one-hot", "uniform", "task-static", "greedy", "grid", "read", "oracle-static")
RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(10))}
PAPER_BUDGETS = (20_000_000, 150_000_000)

# The order of a header's fields, in which logs have always been written.
_CELL = ("task", "budget", "steps", "allocator", "settings")
_NAMES = ("sources", "capabilities", "hidden", "requirement", "weights", "identified", "seeds")
_SIMULATED = ("world", *_CELL, "world_digest", *_NAMES)
_OTHER = ("world", "world_digest", *_CELL, "pool_runs", *_NAMES, "manifest")


@dataclass(frozen=True, eq=False)
class Cell:
    """Runs that share everything but the seed.

    world        a World, or the text that names one
    task         its name, requirement weights by capability, or a Task
    allocator    its name, or an instance
    name         what the allocator is called; None: as `allocator_name` says. Where a name stands for a named
                 allocator, the log's settings say which, as `alias_of`
    settings     passed to a named allocator
    requirement  a mode of `readsim.envs.requirement_modes`, or None for the task's own
    code         see `header_of`; None: as `code_of_allocator` says where the cell is run. Of an instance
                 it is found where the instance was made: a worker does not know its script
    sharing      0: the budget is what the student trains on. n: it is all tokens that students train on,
                 in searches and in offline pools too, of which n tasks pay equal parts
    student      what the student then trains on (`readsim.runs.equal.after_extras`)
    """

    world: World | str
    task: AnyTask
    budget: int
    steps: int
    allocator: Allocator | str
    seeds: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    requirement: str | None = None
    name: str | None = None
    code: Mapping[str, str] | None = None
    sharing: int = 0
    student: int | None = None

    @property
    def allocator_name(self) -> str:
        """What the allocator is called in logs and tables."""
        return allocator_name(self.allocator) if self.name is None else self.name

    @property
    def task_name(self) -> str:
        """What the task is called in logs and tables."""
        return task_name(self.task)

    @property
    def file_name(self) -> str:
        """Name of the run log."""
        return file_name(self.allocator_name, self.task_name, self.budget)

    def make_allocator(self) -> Allocator:
        """The allocator itself."""
        if isinstance(self.allocator, Allocator):
            return self.allocator
        return load_allocator(self.allocator, self.settings)

    def make_env(self, world: World) -> DistillEnv:
        """A run's environment in `world`, which is the cell's."""
        tokens = self.budget if self.student is None else self.student
        with undoubted():  # said when the grid was made, not again in every worker
            return DistillEnv(
                world, self.task, tokens, steps=self.steps, requirement=self.requirement
            )

    def header(self, world: World) -> dict[str, Any]:
        """The configuration of the log; `world` is the cell's."""
        env, settings = self.make_env(world), self.settings
        if not isinstance(self.allocator, str):
            settings = settings_of(self.allocator)
        elif self.allocator != self.allocator_name:
            settings = {**settings, "alias_of": self.allocator}
        code = code_of_allocator(self.make_allocator()) if self.code is None else self.code
        header = header_of(
            env,
            task=self.task_name,
            allocator=self.allocator_name,
            settings=settings,
            seeds=self.seeds,
            told=self.requirement,
            code=code,
            **(
                {} if isinstance(self.task, str) else {"weights": env.episode.task.weights.tolist()}
            ),
        )
        if not self.sharing:
            return header
        paid = {"student": env.episode.budget, "tasks": self.sharing}
        return {**header, "budget": self.budget, "paid": paid}


LONGEST = 180  # bytes of the first part of a name; file systems take 255, with suffixes


def file_name(allocator: str, task: str, budget: int, *more: str) -> str:
    """Name of a run log: `ALLOCATOR.TASK.BUDGET[.MORE].jsonl`, with anything odd replaced.

    Small ASCII letters, digits, hyphens, dots; at most 180 bytes, a digest, `more`. A text that is not
    such a name, or is reserved on Windows, gets its digest, so that no two texts share a file, wherever
    large and small letters are one.
    """
    return ".".join([file_part(f"{allocator}.{task}.{budget}"), *more, "jsonl"])


def file_part(text: str) -> str:
    """A text as a part of such a name; one that changes gets its digest."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)
    safe = safe[:LONGEST].lstrip(".")
    if safe != text or safe != safe.lower() or safe.split(".")[0] in RESERVED:
        safe += f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return safe


def folder_name(world: str) -> str:
    """A world's name as that of a folder or the stem of a file: letters and digits of any script, `-_.`; a
    long one is cut, with its digest."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in world).strip(".") or "world"
    if len(safe.encode()) <= LONGEST:
        return safe
    cut = safe.encode()[:LONGEST].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(world.encode()).hexdigest()[:8]}"


def world_digest(world: World) -> str:
    """First 16 hex digits of the SHA-256 of the world's data."""
    return digest_of(world_to_dict(world))[:16]


def header_of(
    env: DistillEnv,
    *,
    task: str,
    allocator: str,
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
    told: str | None = None,
    code: Mapping[str, str] | None = None,
    identity: tuple[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The configuration that a log records: what must be equal for it to be continued.

    task, allocator  what they are called
    told             the requirement mode, if it is not the task's own
    code             digests of the user's own files that the allocator is made of, by module
    identity         name and digest of what is trained; None for a simulated world, which has its own
    more             further fields
    """
    backend, episode = env.backend, env.episode
    order: tuple[str, ...] = _OTHER
    if identity is None:
        assert isinstance(backend, OffersWorld), "what is no world needs an identity"
        identity, order = (backend.world.name, world_digest(backend.world)), _SIMULATED
    for field_name, called in (("world", identity[0]), ("task", task), ("allocator", allocator)):
        check_name(called, field_name)
    facts = {
        "world": identity[0],
        "world_digest": identity[1],
        "task": task,
        "budget": episode.budget,
        "steps": episode.steps,
        "allocator": allocator,
        "settings": dict(settings or {}),
        "sources": list(backend.sources),
        "capabilities": list(backend.capabilities),
        "hidden": list(backend.hidden),
        "requirement": episode.task.requirement.tolist(),
        "seeds": list(seeds),
        **more,
        **({} if told is None else {"told": told}),
        **({"code": dict(code)} if code else {}),
        **({"scale": scale} if (scale := episode.scale.table()) else {}),
    }
    return {key: facts[key] for key in dict.fromkeys((*order, *facts)) if key in facts}


def log_place(out: Path, name: str) -> Path:
    """Where a run's log is: `out` itself if that is a `.jsonl` file, else `out`/runs/`name`."""
    return out if out.suffix == ".jsonl" or out.is_file() else out / "runs" / name
