"""Checkpoints of a rollout in a folder: each whole or absent, the last two kept.

FOLDER/00012/run.npz     everything but what large backends save themselves, see `checkpoint`
FOLDER/00012/run-0/      what a `DurableBackend` wrote for the first run
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from readsim.backend import Backend, DurableBackend
from readsim.errors import RunLogError, SchemaError
from readsim.tree_file import load_tree, save_tree, sync_folder

KEPT = 2


def save_checkpoint(folder: Path, number: int, tree: object, backends: Sequence[Backend]) -> None:
    """Write checkpoint `number`; a kill at any moment leaves the earlier ones as they were.

    Raises RunLogError if it cannot be written.
    """
    final, part = folder / f"{number:06d}", folder / f"{number:06d}.part"
    try:
        if part.exists():
            shutil.rmtree(part)
        part.mkdir(parents=True)
        for n, backend in enumerate(backends):
            if isinstance(backend, DurableBackend):
                place = part / f"run-{n}"
                place.mkdir()
                backend.save(place)
        save_tree(part / "run.npz", tree)
        if final.exists():
            shutil.rmtree(final)
        part.rename(final)
        sync_folder(folder)
        for old in _numbers(folder)[:-KEPT]:
            shutil.rmtree(folder / f"{old:06d}")
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise RunLogError(f"cannot write checkpoint {final}: {error}") from error


def load_checkpoint(folder: Path, backends: Sequence[Backend]) -> tuple[Any, list[str]]:
    """The newest whole checkpoint's tree, its backends restored, and what was wrong with newer ones.

    Raises SchemaError if a newer readsim wrote it, RunLogError if none is whole.
    """
    problems: list[str] = []
    for number in reversed(_numbers(folder)):
        place = folder / f"{number:06d}"
        try:
            tree = load_tree(place / "run.npz")
            for n, backend in enumerate(backends):
                if isinstance(backend, DurableBackend):
                    backend.load(place / f"run-{n}")
        except SchemaError:
            raise
        except RunLogError as error:
            problems.append(str(error))
        else:
            return tree, problems
    raise RunLogError("; ".join(problems) or f"{folder} holds no checkpoint")


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to resume from."""
    return bool(_numbers(folder))


def forget(folder: Path) -> None:
    """Remove the checkpoints of a run that is over or starts again."""
    shutil.rmtree(folder, ignore_errors=True)


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if p.is_dir() and p.name.isdigit())
