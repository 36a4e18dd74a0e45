"""Runs of anybody's backend: `module:factory`, found by name, checked, and run as a cell is."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readsim.allocators.registry import load_allocator
from readsim.backend import Backend, OffersManifest
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.files.json_text import digest_of
from readsim.files.names import check_name
from readsim.named import build, code_of, file_digests, find, split_name
from readsim.runs.cell import file_name, header_of, log_place
from readsim.runs.identity import code_of_allocator
from readsim.runs.log_schema import plain
from readsim.runs.moved_state import MovedState, header_field, moving
from readsim.runs.one import resume_words, run_one
from readsim.runs.setups import setup_for
from readsim.worlds.task import AnyTask, task_name, task_words


@dataclass(frozen=True, eq=False)
class BackendFactory:
    """What makes backends: `module:attribute`, a class or a function, and what it is called with.

    text   as it was written, with `+key=value` settings; `name` is without them
    """

    text: str
    name: str
    make: Callable[..., Any]
    settings: Mapping[str, Any]

    def __call__(self) -> Backend:
        """A new backend. Raises ConfigError, naming what is missing, for what is none."""
        made = build(self.name, self.make, self.settings, "backend")
        return check_protocol(made, self.text)

    def header_fields(self, backend: Backend) -> dict[str, Any]:
        """What identifies the backend in a log's header: name, digest, and what the digest is of."""
        about: dict[str, Any] = {"factory": self.text}
        if isinstance(backend, OffersManifest):
            about["manifest"] = plain(backend.manifest(), f"manifest of backend {self.text!r}")
        names = [list(backend.sources), list(backend.capabilities), list(backend.hidden)]
        identity = (f"backend:{self.name}", digest_of([about, names])[:16])
        return {"identity": identity, "backend": about}


def load_backend(text: str) -> BackendFactory:
    """The factory at `module:attribute`; nothing is called yet.

    Raises UnknownNameError with the nearest name, or ConfigError for another form of text, for what is
    neither a class nor a Python function, and for a class that lacks a method of a backend.
    """
    name, settings = split_name(text, "backend")
    if ":" not in name:
        raise ConfigError(f"backend {text!r}: expected module:factory, a class or a function")
    found = find(name, "backend")
    if not (inspect.isclass(found) or inspect.isfunction(found) or inspect.ismethod(found)):
        raise ConfigError(f"backend {text!r} is {found!r}: a class or a function was expected")
    asked = [n for n, v in vars(Backend).items() if inspect.isfunction(v) and not n.startswith("_")]
    if inspect.isclass(found) and (lacking := [n for n in asked if not hasattr(found, n)]):
        raise ConfigError(
            f"backend {text!r} is a class without {', '.join(lacking)}: see readsim.backend.Backend"
        )
    return BackendFactory(text, name, found, settings)


def check_protocol(made: object, text: str) -> Backend:
    """`made` itself if it has what `readsim.backend.Backend` asks for, else ConfigError."""
    asked = [name for name in vars(Backend) if not name.startswith("_")]
    if lacking := [name for name in asked if not hasattr(made, name)]:
        raise ConfigError(
            f"backend {text!r} gave {type(made).__name__}, which lacks {', '.join(lacking)}: see "
            "readsim.backend.Backend"
        )
    backend: Any = made
    for name in ("sources", "capabilities", "hidden"):
        names = getattr(backend, name)
        if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
            raise ConfigError(f"backend {text!r}: {name} = {names!r}; expected a tuple of names")
        for each in names:
            check_name(each, f"backend {text!r}: {name}")
        if len(set(names)) < len(names) or (not names and name != "hidden"):
            raise ConfigError(f"backend {text!r}: {name} = {names!r}; expected names, each once")
    if unknown := [name for name in backend.hidden if name not in backend.capabilities]:
        raise ConfigError(f"backend {text!r}: hidden = {unknown!r} are not among its capabilities")
    checked: Backend = backend
    return checked


def run_backend(
    factory: BackendFactory,
    allocator: str,
    seed: int,
    out: Path,
    *,
    task: AnyTask = "average",
    budget: int | None = None,
    steps: int = 20,
    requirement: str | None = None,
    resume: bool = False,
    on_step: Callable[[int], None] | None = None,
    began: MovedState | None = None,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """One run, with every decision on disk before the next: the path of its log.

    The log is `out`, if that is a `.jsonl` file, else a file in the folder `out`/runs that is named
    after allocator, task, budget and seed. `budget` defaults to the backend's own, else 20M tokens.
    `began` is a state that the allocator starts from, `keep` a file for its last one. `say` is told what the
    task weighs and, with `resume`, where the run goes on.

    Raises ConfigError, UnknownNameError or CapabilityMissingError before anything is written, and
    RunLogError as `readsim.runs.one.run_one`.
    """
    chosen = load_allocator(allocator)
    backend = factory()
    env = DistillEnv(
        backend=backend, task=task, budget=budget, steps=steps, requirement=requirement
    )
    setup_for(env, chosen, seed, begun=began is not None)  # what the allocator needs is there
    moved = moving(began, keep, allocator, env)
    called = task_name(task)
    path = log_place(out, file_name(allocator, called, env.episode.budget, f"seed{seed}"))
    header = header_of(
        env,
        task=called,
        allocator=allocator,
        seeds=[seed],
        told=requirement,
        code=code_of_allocator(chosen) | code_of(factory.make) | file_digests(factory.settings),
        weights=env.episode.task.weights.tolist(),
        **factory.header_fields(backend),
        **header_field(began),
    )
    if say is not None:
        say(task_words(task, env.episode.task, env.backend.capabilities))
    if say is not None and resume:
        say(resume_words(path, steps))
    run_one(lambda: env, chosen, header, path, resume=resume, on_step=on_step, **moved)
    return path
