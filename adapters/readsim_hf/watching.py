"""What a run shows while it goes on: a progress bar, a table of training steps, TensorBoard events."""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from readsim.amounts import show_tokens
from readsim.env import DistillEnv
from readsim.errors import ConfigError
from readsim_hf.config import RunConfig

COLUMNS = ("spent", "tokens", "loss", "gradient", "rate")


class Watching:
    """Called by the backend with what happens; see `HFBackend.watch`.

    stem   `STEM.csv` gets one row an optimiser step, `STEM.tensorboard/` the events
    """

    def __init__(self, stem: Path, config: RunConfig, env: DistillEnv, tensorboard: bool) -> None:
        self._path, self._budget, self._env = stem.with_name(stem.name + ".csv"), config.budget, env
        self._writer: Any = _event_writer(stem) if tensorboard else None
        self._file: TextIO | None = None
        self._loss: float | None = None
        self._recent: list[tuple[float, float]] = []  # (time, tokens), of this interval
        self._steps, self._of, self._said = 0, config.steps, False
        self._started = time.perf_counter()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[tokens]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._job = self._bar.add_task("probe", total=config.budget, tokens="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._file is not None:
            self._file.close()
        if self._writer is not None:
            self._writer.close()

    def __call__(self, kind: str, numbers: Mapping[str, Any]) -> None:
        if kind == "window":
            self._window(numbers)
        elif kind == "pool":
            self._describe(f"offline pool {numbers['done']:.0f}/{numbers['runs']:.0f}")
        elif kind == "interval":
            self._interval(numbers)
        elif kind == "restored" and self._file is not None:
            self._file.close()
            self._file = None  # the next row is written after those that still hold

    def _window(self, numbers: Mapping[str, Any]) -> None:
        spent, tokens = numbers["spent"], numbers["tokens"]
        old = self._loss
        self._loss = numbers["loss"] if old is None else 0.9 * old + 0.1 * numbers["loss"]
        self._recent.append((time.perf_counter(), tokens))
        self._recent = self._recent[-20:]
        done = spent * self._budget + tokens
        self._bar.update(self._job, completed=done, tokens=self._speed())
        self._describe(f"step {self._steps + 1}/{self._of}  loss {self._loss:.3f}")
        self._write([spent, tokens, numbers["loss"], numbers["gradient"], numbers["rate"]])
        if self._writer is not None:
            for name in ("loss", "gradient", "rate"):
                self._writer.add_scalar(f"train/{name}", numbers[name], round(done))

    def _interval(self, numbers: Mapping[str, Any]) -> None:
        self._steps = int(numbers["step"]) + 1
        self._recent.clear()
        if not self._said:
            self._said = True
            left = (self._of - self._steps) * numbers["seconds"]
            self._bar.console.print(
                f"first step: {numbers['seconds']:.0f} s (training {numbers['train']:.0f}, teacher "
                f"{numbers['teacher']:.0f}, probe {numbers['probe']:.1f}); about {left / 60:.1f} min to go"
            )
        if self._writer is not None:
            names = self._env.backend.capabilities
            done = round(self._budget * self._steps / self._of)
            for name, value in zip(names, np.asarray(numbers["profile"]), strict=True):
                self._writer.add_scalar(f"probe/{name}", float(value), done)

    def _describe(self, text: str) -> None:
        self._bar.update(self._job, description=text)

    def _speed(self) -> str:
        (first, _), (last, _) = self._recent[0], self._recent[-1]
        total = sum(tokens for _, tokens in self._recent[1:])
        done = show_tokens(self._budget)
        return f"of {done} tokens, {total / (last - first):.0f}/s" if last > first else f"of {done}"

    def _write(self, row: list[float]) -> None:
        """Append to the table; the first row after going back cuts what is about to be repeated."""
        if self._file is None:
            kept = _rows_before(self._path, row[0])
            self._file = self._path.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerows([COLUMNS, *kept])
        csv.writer(self._file).writerow(f"{v:.6g}" for v in row)
        self._file.flush()


def _rows_before(path: Path, spent: float) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [row for row in rows if len(row) == len(COLUMNS) and float(row[0]) < spent - 1e-9]


def _event_writer(stem: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("--tensorboard needs the package tensorboard: pip install it") from error
    return SummaryWriter(str(stem.with_name(stem.name + ".tensorboard")))
