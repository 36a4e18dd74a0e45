"""Where the numbers and texts of a run can be watched: TensorBoard, W&B and trackio by one protocol.

A further one is a class with `log` and `close` and a line in `TRACKERS`.
"""

import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from readsim.errors import ConfigError, unknown

PROJECT = "readsim"


@dataclass(frozen=True)
class TrackedRun:
    """What a run is called.

    stem     files are STEM.tensorboard, STEM.wandb
    id       the run's own: a resumed run has the same, a new one another
    name     of the run's files
    group    equal for runs that may be compared
    config   settings, plain data that may be shown
    resumed  whether earlier steps were logged
    """

    stem: Path
    id: str
    name: str
    group: str
    config: Mapping[str, Any]
    resumed: bool


class Tracker(Protocol):
    """Takes what happened at a step, in tokens trained on; steps never go back."""

    def log(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """Numbers and Markdown texts by name."""
        ...

    def close(self) -> None:
        """Everything is on disk, or sent."""
        ...


class TensorBoard:
    """Event files in STEM.tensorboard."""

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.stem.with_name(run.stem.name + ".tensorboard")
        # events of a run that was removed no longer count
        self._writer: Any = SummaryWriter(str(folder), purge_step=None if run.resumed else 0)

    def log(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        for name, text in texts.items():
            self._writer.add_text(name, text, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """Weights & Biases; WANDB_MODE=offline keeps everything in STEM.wandb until `wandb sync`."""

    def __init__(self, run: TrackedRun) -> None:
        self._wandb = import_module("wandb")
        folder = run.stem.with_name(run.stem.name + ".wandb")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=run.id,
            group=run.group,
            config=dict(run.config),
            dir=str(folder),
            resume="allow" if run.resumed else None,
            settings=self._wandb.Settings(console="off"),
        )

    def log(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        pages = {k: self._wandb.Html(f"<pre>{escape(v)}</pre>") for k, v in texts.items()}
        self._run.log({**scalars, **pages}, step=step)

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """trackio, on this machine or where its own environment variables say."""

    def __init__(self, run: TrackedRun) -> None:
        self._trackio = import_module("trackio")
        self._run = self._trackio.init(
            project=PROJECT,
            name=f"{run.name}.{run.id}",  # a run is resumed by its name, which has to be its own
            group=run.group,
            config=dict(run.config),
            resume="allow" if run.resumed else "never",
        )

    def log(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        pages = {name: self._trackio.Markdown(text) for name, text in texts.items()}
        self._run.log({**scalars, **pages}, step=step)

    def close(self) -> None:
        self._trackio.finish()


TRACKERS: dict[str, Callable[[TrackedRun], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "trackio": Trackio,
}


def check_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once. Raises UnknownNameError for one that is none, ConfigError, saying what to
    install, where its package is missing."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("--log-to", name, TRACKERS)
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a mere folder, which W&B leaves where it ran
            raise ConfigError(
                f"--log-to {name} needs the package {name}: pip install {name} (or 'readsim[track]')"
            )
    return tuple(dict.fromkeys(names))


class Tracking:
    """The trackers of one run; no step is told twice, and none of them can stop the run.

    What was told last is in STEM.tracked, so that a resumed run, which trains again what came
    after its checkpoint, is silent until it is past that. A tracker that fails is left out from there
    on, which `warn` gets one line about.

    Raises ConfigError for a library that is missing or does not start.
    """

    def __init__(
        self,
        names: Sequence[str],
        stem: Path,
        about: Mapping[str, Any],
        resumed: bool,
        warn: Callable[[str], object],
    ) -> None:
        self._mark = stem.with_name(stem.name + ".tracked")
        self._warn = warn
        self._trackers: dict[str, Tracker] = {}
        self._id, self._step, self._told = uuid.uuid4().hex[:8], -1, list[str]()
        known = resumed and bool(names) and self._mark.is_file()
        if known:
            self._id, self._step, self._told = _read(self._mark)
        run = TrackedRun(stem=stem, id=self._id, resumed=known, **about)
        for name in check_trackers(names):
            try:
                self._trackers[name] = TRACKERS[name](run)
            except Exception as error:
                self.close()
                raise ConfigError(f"--log-to {name} does not start: {_line(error)}") from error

    def close(self) -> None:
        """Close them all."""
        for name in list(self._trackers):
            self._try(name, self._trackers[name].close)
        self._trackers.clear()

    def log(
        self,
        step: int,
        scalars: Mapping[str, float],
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Tell all of them what happened at a step; what they know is left out."""
        texts = texts or {}
        if not self._trackers or step < self._step:
            return
        known = self._told if step == self._step else []
        scalars = {k: v for k, v in scalars.items() if k not in known}
        texts = {k: v for k, v in texts.items() if k not in known}
        if not scalars and not texts:
            return
        self._step, self._told = step, [*known, *scalars, *texts]
        self._remember()
        for name, tracker in list(self._trackers.items()):
            self._try(name, partial(tracker.log, step, scalars, texts))

    def _remember(self) -> None:
        """Before it is told: what a kill interrupts is lost here, not doubled."""
        mark = {"id": self._id, "step": self._step, "told": self._told}
        aside = self._mark.with_name(self._mark.name + ".tmp")
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(mark))
            aside.replace(self._mark)
        except OSError as error:
            self._warn(f"cannot write {self._mark}, so nothing more is logged: {error}")
            self.close()

    def _try(self, name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001  # a network, a disk, a stranger's library
            self._trackers.pop(name, None)
            self._warn(
                f"{name} failed and is left out from here on; the run continues: {_line(error)}"
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _read(mark: Path) -> tuple[str, int, list[str]]:
    try:
        saved = json.loads(mark.read_text())
        return str(saved["id"]), int(saved["step"]), [str(name) for name in saved["told"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{mark} is damaged: remove it to log under a new name") from error
