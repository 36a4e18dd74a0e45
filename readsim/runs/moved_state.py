"""An allocator's state that moves from one run to another: simulated, real, or a watched job.

What moves is what the allocator has learned. Budget, decisions made, student and random streams are the new
run's own. The sources, the visible capabilities, the unit of their numbers and the allocator, with its
settings, must be the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readsim.allocators.base import State
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from readsim.runs.checkpoints import has_checkpoint, load_checkpoint
from readsim.runs.one import state_of
from readsim.runs.read_logs import read_log
from readsim.tree_file import encode_tree, load_tree, write_atomic

_ABOUT = ("allocator", "sources", "capabilities", "unit")


@dataclass(frozen=True, eq=False)
class MovedState:
    """The state, whose it is (`about`), where it is from, and a digest of it for the log's header."""

    path: Path
    about: dict[str, Any]
    state: State
    digest: str

    def check(self, allocator: str, env: DistillEnv) -> None:
        """Raise ConfigError, naming the difference, where this run's allocator cannot start from it."""
        here = _about(allocator, env)
        for name in _ABOUT:
            if self.about[name] != here[name]:
                raise ConfigError(
                    f"--from {self.path}: its {name} is {_shown(self.about[name])}, this run's is "
                    f"{_shown(here[name])}"
                )


def read_state(path: Path) -> MovedState:
    """From a file that `moving` wrote, or from the last checkpoint of a run log that is not over.

    Raises RunLogError for another file, a log that is over, or one with several seeds.
    """
    if path.suffix == ".jsonl":
        return _of_log(path)
    tree = load_tree(path)
    if not isinstance(tree, dict) or set(tree) != {*_ABOUT, "state"}:
        raise RunLogError(f"{path} holds no allocator's state: --keep-state FILE writes one")
    return _moved(path, tree)


def _of_log(path: Path) -> MovedState:
    log, folder = read_log(path), state_of(path)
    if not has_checkpoint(folder):
        raise RunLogError(
            f"{path} has no {folder.name}, where the state of a run is until it is over: give the file "
            "of its --keep-state"
        )
    if len(log.header.seeds) != 1:
        raise RunLogError(f"{path}: {len(log.header.seeds)} runs, each with a state: one is needed")
    tree, _ = load_checkpoint(folder, [])
    about = {
        "allocator": log.header.allocator,
        "sources": list(log.header.sources),
        "capabilities": [log.header.capabilities[j] for j in log.visible],
        "unit": log.header.unit,
    }
    return _moved(path, {**about, "state": tree["runs"][0]["state"]})


def _moved(path: Path, tree: dict[str, Any]) -> MovedState:
    about = {name: tree[name] for name in _ABOUT}
    digest = hashlib.sha256(encode_tree({**about, "state": tree["state"]})).hexdigest()
    return MovedState(path, about, tree["state"], digest[:16])


def moving(
    began: MovedState | None, keep: Path | None, allocator: str, env: DistillEnv
) -> dict[str, Any]:
    """`begin`, `keep` and `at_end` of `run_one`, for a run of one seed: the state that it starts from, and
    the file where its last one is kept. Raises ConfigError as `MovedState.check`."""
    if began is not None:
        began.check(allocator, env)

    def write(states: Sequence[State]) -> None:
        if keep is not None:
            tree = {**_about(allocator, env), "state": states[0]}
            write_atomic(keep, encode_tree(tree))

    return {"begin": None if began is None else began.state, "keep": keep, "at_end": write}


def header_field(began: MovedState | None) -> dict[str, Any]:
    """What a log's header says of the state that its run started from; nothing where it started afresh."""
    return {} if began is None else {"began": began.digest}


def _about(allocator: str, env: DistillEnv) -> dict[str, Any]:
    episode = env.episode
    names = {"sources": list(episode.sources), "capabilities": list(episode.visible)}
    return {"allocator": allocator, **names, "unit": episode.scale.unit}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))
