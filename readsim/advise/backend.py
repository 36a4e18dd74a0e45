"""A job that somebody else runs, behind the `Backend` protocol: what it trains is only waited for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from readsim.advise.metrics import Columns, Measured, Metrics
from readsim.advise.shares import Advised, Shares, write_shares
from readsim.arrays import Array
from readsim.backend import Final, Measurement
from readsim.errors import ConfigError
from readsim.runs.profile_scale import SCORES, ProfileScale

Wait = Callable[[], None]
Say = Callable[[Advised], None]


class WatchedJob:
    """A training job as its metrics show it.

    log      the metrics that it appends
    shares   the file that it reads its mixture from
    budget   tokens that the job trains in all, those before its first measurement too
    steps    decisions: one at the first measurement at or after each multiple of budget / steps
    prior    shares (S,) before anything was measured
    wait     called where no measurement is there yet; returns to look again, or raises
    say      called with each decision

    A run starts with the first measurement. An interval is what the job trained until the measurement that
    ends it, so its tokens are the job's and not the plan's. The job's numbers come without standard errors,
    and it has one kind of measurement: the dev and the final profile are the last one, `change_sd` is 0.
    """

    hidden: tuple[str, ...] = ()

    def __init__(
        self,
        log: Path,
        shares: Path,
        sources: tuple[str, ...],
        columns: Columns,
        budget: int,
        steps: int,
        prior: Array,
        wait: Wait,
        say: Say,
    ) -> None:
        self.sources, self.capabilities = sources, columns.capabilities
        self.budget, self.steps = budget, steps
        self._log, self._columns, self._wait, self._say = log, columns, wait, say
        self._shares = shares
        self._metrics = Metrics(log, columns)
        self._readings: list[Measured] = []
        self._first: Measured | None = None
        self._last: Measured | None = None
        self._decisions = [Advised(0, 0, self._named(prior))]
        self._seen: int | None = None
        self._written: int | None = None  # of `_seen`, in the file

    @property
    def scale(self) -> ProfileScale:
        """Losses are negated; known once something was measured."""
        return self._metrics.scale or SCORES

    @property
    def tokens(self) -> int:
        """Trained at the last measurement that a decision was made at."""
        return 0 if self._last is None else self._last.tokens

    def begin(self, *, fresh: bool) -> None:
        """Wait for the first measurement; a `fresh` run offers the prior to a job that waits for it."""
        if fresh:
            self._write()
        self._readings.insert(0, self._next(0))

    def _named(self, shares: Array) -> dict[str, float]:
        return dict(zip(self.sources, shares.tolist(), strict=True))

    def reset(self, seed: int | None) -> Measurement:
        self._first = self._last = self._next(0)
        self._decisions = self._decisions[:1]
        if self.tokens >= self.budget:
            raise ConfigError(
                f"{self._log} begins with a measurement at {self.tokens} tokens: budget = {self.budget} are "
                "all that the job trains"
            )
        used = {"student": self.tokens} if self.tokens else {}
        return Measurement(self._last.profile, used)

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        before = self.tokens
        decided = Advised(step + 1, before, self._named(weights))
        self._decisions = [*self._decisions[: step + 1], decided]
        self._write()
        self._say(decided)
        passed = before * self.steps // self.budget
        due = -(-(passed + 1) * self.budget // self.steps)
        reading = self._next(due)
        self._last = reading._replace(tokens=min(reading.tokens, self.budget))
        return Measurement(self._last.profile, {"student": self.tokens - before})

    def _next(self, due: int) -> Measured:
        """The first reading, of those not looked at, with at least that many tokens."""
        while True:
            while self._readings:
                reading = self._readings.pop(0)
                self._seen = max(self._seen or 0, reading.tokens)
                if reading.tokens >= due:
                    return reading
            self._readings.extend(self._metrics.new_readings())
            if not self._readings:
                if self._seen != self._written:
                    self._write()
                self._wait()

    def _write(self, *, over: bool = False) -> None:
        write_shares(self._shares, Shares(self._decisions, self._seen, over))
        self._written = self._seen

    def dev_eval(self) -> Measurement:
        return Measurement(self._measured().profile, {})

    def final_eval(self) -> Final:
        first, last = self._first, self._measured()
        assert first is not None, "a run that is over has begun"
        self._write(over=True)
        change = last.profile - first.profile
        return Final(last.profile, change, np.zeros(len(change)), {})

    def _measured(self) -> Measured:
        assert self._last is not None, "nothing is asked before the first measurement"
        return self._last

    def snapshot(self) -> dict[str, Any]:
        assert self._first is not None
        return {
            "first": list(self._first),
            "last": list(self._measured()),
            "decisions": [d._asdict() for d in self._decisions],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a snapshot; the metrics are read again from their beginning.

        Raises ConfigError where they begin otherwise than the run did: they are another job's.
        """
        (first, last), decisions = (
            (Measured(*saved[k]) for k in ("first", "last")),
            saved["decisions"],
        )
        self._decisions = [Advised(**d) for d in decisions]
        self._first, self._last = first, last
        self._metrics = Metrics(self._log, self._columns)
        self._readings = list(self._metrics.new_readings())
        found = self._readings[0] if self._readings else first
        if found.tokens <= first.tokens and not np.array_equal(found.profile, first.profile):
            raise ConfigError(
                f"{self._log} begins with another measurement than the run log does: a new job needs a new "
                "run log, so move the old one away or give another --out"
            )
