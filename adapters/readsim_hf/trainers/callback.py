"""A trainer that asks for its mixture: metrics out at each evaluation, shares in."""

import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from readsim.advise import Advice, advise
from readsim.advise.shares import Shares, read_shares
from readsim.errors import ConfigError
from readsim_hf.trainers.mixture import MixedRows

POLL = 0.1  # seconds


class AskForShares(TrainerCallback):
    """A callback for `Trainer(callbacks=[...])` of transformers or TRL, which talks to `readsim advise`.

    rows      the trainer's `train_dataset`, whose mixture changes
    log       metrics are appended here: each evaluation's numbers, with `step` and `tokens`
    shares    the mixture is read from here
    advice    decide in this process: no other one has to run. `log` and `shares` are its
    wait      seconds to wait, after an evaluation, for `readsim advise` to look at it; then the run
              continues with the mixture that is there. 0: a decision holds from when it is noticed,
              at the next evaluation

    Raises ConfigError.
    """

    def __init__(
        self,
        rows: MixedRows,
        log: str | os.PathLike[str] | None = None,
        shares: str | os.PathLike[str] | None = None,
        *,
        advice: Advice | None = None,
        wait: float = 0.0,
    ) -> None:
        if (advice is None) == (log is None) or (log is None) != (shares is None):
            raise ConfigError("AskForShares needs `log` and `shares`, or `advice`")
        self.rows, self.advice, self.wait = rows, advice, wait
        self.log = Path(log) if log is not None else advice.log if advice else Path()
        self.shares = Path(shares) if shares is not None else advice.shares if advice else Path()
        self._asked = 0
        rows.ask = self._ask

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.dataloader_num_workers:
            raise ConfigError(
                "dataloader_num_workers: expected 0, because a worker process does not see new shares"
            )
        if self.advice is not None:
            advise(self.advice, once=True)
        self._take()

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        resumed = (
            state.global_step > 0 and self.rows.tokens == 0
        )  # measured before, and counted then
        if not state.is_world_process_zero or resumed:
            return
        self._asked = self.rows.tokens
        append_row(self.log, {"step": state.global_step, "tokens": self._asked, **(metrics or {})})
        self.rows.asked = True

    def _ask(self) -> None:
        """All of an evaluation is written: the next row is of the mixture that it brings."""
        if self.advice is not None:
            advise(self.advice, once=True)
        self._take()
        limit = time.monotonic() + self.wait
        while time.monotonic() < limit and not self._take().answers(self._asked):
            time.sleep(POLL)

    def _take(self) -> Shares:
        """The schedule is what the file says now; where it is gone, what it said before."""
        found = read_shares(self.shares)
        if not found.decisions and self.rows.schedule:
            warnings.warn(f"{self.shares} is gone: the last mixture stays in use", stacklevel=2)
            return found
        self.rows.schedule.clear()
        for decision in found.decisions:
            self.rows.mix(decision.tokens, decision.shares)
        return found


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to a file of JSON lines, on disk when this returns; a torn last line is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        torn = False
        if end:
            file.seek(end - 1)
            torn = file.read(1) != b"\n"
        file.write(b"\n" * torn + json.dumps(dict(row)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
