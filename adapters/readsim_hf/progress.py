"""What is shown during a run: a progress bar, a table of training steps, and what trackers are told."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, TextIO

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from readsim.backend import OffersSamples
from readsim.cli.output import Terminal
from readsim.envs.env import DistillEnv
from readsim.runs.read_logs import Log
from readsim.token_counts import show_tokens
from readsim.tree_file import write_atomic
from readsim_hf.config import RunConfig
from readsim_hf.probes.samples import as_markdown
from readsim_hf.published import published
from readsim_hf.tracking import Tracking
from readsim_hf.training.divergence import in_words
from readsim_hf.training.saved import writing

COLUMNS = ("spent", "tokens", "loss", "gradient", "rate")


class ProgressDisplay:
    """Called by the backend with what happens; see `HFBackend.watch`.

    stem     `STEM.csv` gets one row an optimiser step
    log_to   names of trackers (`readsim_hf.tracking`), `group` that of runs to compare with
    resumed  whether a part of the run was made before
    """

    def __init__(
        self,
        stem: Path,
        config: RunConfig,
        env: DistillEnv,
        log_to: Sequence[str] = (),
        group: str = "",
        resumed: bool = False,
    ) -> None:
        self._path, self._budget, self._env = stem.with_name(stem.name + ".csv"), config.budget, env
        self._file: TextIO | None = None
        self._held: list[tuple[int, dict[str, float]]] | None = None
        self._loss: float | None = None
        self._recent: list[tuple[float, float]] = []  # (time, tokens), of this interval
        self._steps, self._of, self._said = 0, config.steps, False
        self._interval: Mapping[str, float] = {}
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[tokens]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Terminal(stderr=True),
        )
        self._job = self._bar.add_task("probe", total=config.budget, tokens="")
        about = {"name": stem.name, "group": group, "config": published(config.table())}
        self._tracking = Tracking(log_to, stem, about, resumed, self._warn)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._file is not None:
            self._file.close()
        self._tracking.close()

    def __call__(self, kind: str, numbers: Mapping[str, float]) -> None:
        if kind == "window":
            self._window(numbers)
        elif kind == "pool":
            self._describe(f"offline pool {numbers['done']:.0f}/{numbers['runs']:.0f}")
        elif kind == "interval":
            self._interval = numbers
            self._recent.clear()
        elif kind == "snapshot":
            self._held = []  # what comes may be undone
        elif kind == "diverged":
            self._bar.console.print(in_words(numbers), highlight=False)
        elif kind == "restored":
            self._restored()

    def _restored(self) -> None:
        """What is written next follows what still holds; what a trial did is told to nobody."""
        self._held = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _warn(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, soft_wrap=True)

    def _window(self, numbers: Mapping[str, float]) -> None:
        spent, tokens = numbers["spent"], numbers["tokens"]
        old = self._loss
        self._loss = numbers["loss"] if old is None else 0.9 * old + 0.1 * numbers["loss"]
        self._recent.append((time.perf_counter(), tokens))
        self._recent = self._recent[-20:]
        done = spent * self._budget + tokens
        self._bar.update(self._job, completed=done, tokens=self._speed())
        self._describe(f"decision {self._decision()}/{self._of}  loss {self._loss:.3f}")
        self._write([spent, tokens, numbers["loss"], numbers["gradient"], numbers["rate"]])
        seen = {f"train/{name}": float(numbers[name]) for name in ("loss", "gradient", "rate")}
        if self._held is None:
            self._tracking.log(round(done), seen)
        else:
            self._held.append((round(done), seen))

    def _decision(self) -> int:
        """Which decision is being trained, from 1: by what is spent, since a resumed run begins later. What
        is trained before the run, to identify its requirement, is for the first."""
        if (ledger := getattr(self._env, "ledger", None)) is None:
            return 1
        ends, left = np.cumsum(self._env.episode.schedule), ledger.remaining
        return int(np.searchsorted(ends, ends[-1] - left, "right")) + 1

    def decided(self, decisions: int) -> None:
        """After each decision of the allocator (not after what it only tried): the profile."""
        env, numbers, console = self._env, self._interval, self._bar.console
        self._steps = int(numbers["step"]) + 1
        names, profile = env.episode.visible, env.profile
        shown = "  ".join(f"{n} {100 * v:.0f}" for n, v in zip(names, profile, strict=True))
        rejected, wrong = int(numbers["rejected"]), int(numbers["rejected_wrong"])
        if rejected:
            shown += f"  (replies rejected so far: {rejected}, of which wrong: {wrong})"
        console.print(f"{self._steps}/{self._of}  {shown}", highlight=False)
        if not self._said and self._steps < self._of:
            left = (self._of - self._steps) * numbers["seconds"]
            console.print(
                f"one decision: {numbers['seconds']:.0f} s (training {numbers['train']:.0f}, teacher "
                f"{numbers['teacher']:.0f}, probe {numbers['probe']:.1f}); about {left / 60:.1f} min to go"
            )
        self._said = True
        for step, seen in self._held or ():
            self._tracking.log(step, seen)
        self._held = None
        scores = {f"probe/{n}": float(v) for n, v in zip(names, profile, strict=True)}
        scores |= {f"teacher/{n}": float(numbers[n]) for n in ("rejected", "rejected_wrong")}
        scores |= {n: float(w) for n, w in numbers.items() if n.startswith("weight/")}
        samples = env.backend.probe_samples() if isinstance(env.backend, OffersSamples) else ()
        texts = {f"samples/{name}": text for name, text in as_markdown(samples).items()}
        self._tracking.log(env.ledger.spent, scores, texts)

    def concluded(self, log: Log) -> None:
        """After the final evaluation: the test split."""
        final = log.finals[-1]
        names = zip(log.header.capabilities, final.final_profile, strict=True)
        scores = {f"test/{name}": float(score) for name, score in names}
        self._tracking.log(self._budget, {**scores, "test/utility": final.utility})

    def _describe(self, text: str) -> None:
        self._bar.update(self._job, description=text)

    def _speed(self) -> str:
        (first, _), (last, _) = self._recent[0], self._recent[-1]
        total = sum(tokens for _, tokens in self._recent[1:])
        done = show_tokens(self._budget)
        return f"of {done} tokens, {total / (last - first):.0f}/s" if last > first else f"of {done}"

    def _write(self, row: list[float]) -> None:
        """Append to the table; the first row after going back cuts what is about to be repeated."""
        texts = [f"{row[0]:.12g}", *(f"{v:.6g}" for v in row[1:])]
        with writing(self._path):
            if self._file is None:
                kept, left = _rows_before(self._path, float(texts[0]))
                if left:
                    self._warn(f"{self._path}: {left} damaged rows are left out")
                write_atomic(self._path, "".join(map(_line, [COLUMNS, *kept])).encode())
                self._file = self._path.open("a", newline="", encoding="utf-8")
            self._file.write(_line(texts))
            self._file.flush()


def _line(cells: Sequence[str]) -> str:
    """One row of the table: numbers and names of columns, which need no quotes."""
    return f"{','.join(cells)}\r\n"


def _rows_before(path: Path, spent: float) -> tuple[list[list[str]], int]:
    """Whole rows of the table below `spent`, and how many are damaged (but for a torn last one)."""
    if not path.is_file():
        return [], 0
    rows = [line.split(",") for line in path.read_text("utf-8", errors="replace").splitlines()[1:]]
    whole = [row for row in rows if _is_whole(row)]
    torn = bool(rows) and not _is_whole(rows[-1])
    return [row for row in whole if float(row[0]) < spent], len(rows) - len(whole) - torn


def _is_whole(row: list[str]) -> bool:
    try:
        return len(row) == len(COLUMNS) and all(float(cell) > -math.inf for cell in row)
    except ValueError:
        return False
