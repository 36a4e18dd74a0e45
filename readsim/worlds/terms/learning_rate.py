"""The learning rate over a run: what a token counts for at each point of the budget.

With s the share of the budget that is trained, and t = (s - warmup) / (1 - warmup) behind the warm-up,

    rate(s) = s / warmup                                         s < warmup
    constant    1
    linear      1 - (1 - end) t
    cosine      end + (1 - end) (1 + cos pi t) / 2               (Loshchilov & Hutter 2017, arXiv 1608.03983)
    wsd         1 up to s = 1 - decay, then straight to `end`    (Hu et al. 2024, arXiv 2404.06395)

relative to the peak. To first order an update is proportional to its rate (Assumption 4.1), so a token
at rate(s) does what rate(s) tokens at the peak would: all equations of a world see tokens times the mean
rate of the interval that they are trained in. Repetition of a pool counts so too, as what a pass at a
low rate leaves unlearnt is still there for the next one; only a `drift` of the data counts plain tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real

import numpy as np

from readsim.arrays import Array
from readsim.errors import WorldError, shown, unknown

KINDS = ("constant", "linear", "cosine", "wsd")
NARROW = 1e-9  # of the budget: an interval below this has the rate of its beginning


@dataclass(frozen=True)
class LearningRate:
    """A schedule. `warmup` and `decay` are shares of the budget, `end` is the last rate over the peak.

    Raises WorldError naming the field.
    """

    kind: str = "constant"
    warmup: float = 0.0
    end: float = 0.1
    decay: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WorldError(f"schedule.kind: {unknown('schedule', str(self.kind), KINDS)}")
        for name, most in (("warmup", 0.99), ("end", 1.0), ("decay", 1.0)):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not 0.0 <= value <= most:
                raise WorldError(
                    f"schedule.{name} = {shown(value)}: expected a number from 0 to {most:g}, as a share of "
                    f"{'the peak rate' if name == 'end' else 'the budget'}"
                )
        if self.kind == "wsd" and not 0.0 < self.decay <= 1.0 - self.warmup:
            raise WorldError(
                f"schedule.decay = {self.decay!r}: expected a number above 0, at most {1.0 - self.warmup:g}, "
                "the share of the budget after the warm-up"
            )

    @classmethod
    def of(cls, table: Mapping[str, object]) -> "LearningRate":
        """The schedule of a world file's table. Raises WorldError naming the field."""
        known = [f.name for f in fields(cls)]
        for key in table:
            if key not in known:
                raise WorldError(f"schedule: {unknown('field', str(key), known)}")
        return cls(**dict(table))  # type: ignore[arg-type]  # the values are checked there

    @property
    def is_constant(self) -> bool:
        """Whether every token counts in full."""
        return self.kind == "constant" and self.warmup == 0.0

    def __str__(self) -> str:
        parts = [f"warm-up {self.warmup:g}"] if self.warmup else []
        if self.kind != "constant":
            parts.append(f"end {self.end:g}")
        if self.kind == "wsd":
            parts.append(f"decay {self.decay:g}")
        return f"{self.kind} learning rate" + (f" ({', '.join(parts)})" if parts else "")

    def rate(self, share: Array | float) -> Array:
        """The rate over its peak where `share` of the budget is trained; beyond 1 it stays at its last."""
        s = np.clip(share, 0.0, 1.0)
        t = (s - self.warmup) / (1.0 - self.warmup)
        fall = 1.0 - self.end
        if self.kind == "linear":
            out = 1.0 - fall * t
        elif self.kind == "cosine":
            out = self.end + fall * (0.5 + 0.5 * np.cos(np.pi * t))
        elif self.kind == "wsd":
            out = 1.0 - fall * np.maximum(s - (1.0 - self.decay), 0.0) / self.decay
        else:
            out = np.ones_like(s)
        if self.warmup:
            out = np.where(s < self.warmup, s / self.warmup, out)
        return np.asarray(out)

    def integral(self, share: Array | float) -> Array:
        """The rate summed from 0 to `share` >= 0, in shares of the budget."""
        s = np.asarray(share, dtype=np.float64)
        within = np.minimum(s, 1.0)
        behind = np.maximum(within - self.warmup, 0.0)
        width, fall = 1.0 - self.warmup, 1.0 - self.end
        if self.kind == "linear":
            out = behind - 0.5 * fall * behind**2 / width
        elif self.kind == "cosine":
            wave = np.sin(np.pi * behind / width) * width / np.pi
            out = self.end * behind + 0.5 * fall * (behind + wave)
        elif self.kind == "wsd":
            late = np.maximum(within - (1.0 - self.decay), 0.0)
            out = behind - 0.5 * fall * late**2 / self.decay
        else:
            out = behind
        if self.warmup:
            out = out + 0.5 * np.minimum(within, self.warmup) ** 2 / self.warmup
        return np.asarray(out + (s - within) * self._last)

    @cached_property
    def _last(self) -> float:
        return float(self.rate(1.0))

    def mean(self, first: Array | float, last: Array | float) -> Array:
        """The mean rate between two shares of the budget, first <= last."""
        first, last = np.asarray(first, dtype=np.float64), np.asarray(last, dtype=np.float64)
        width = last - first
        narrow = width < NARROW
        summed = self.integral(last) - self.integral(first)
        return np.where(narrow, self.rate(first), summed / np.where(narrow, 1.0, width))

    def of_steps(self, steps: int) -> Array:
        """The mean rate (T,) of each of `steps` equal intervals of a run."""
        edges = np.arange(steps + 1.0) / steps
        return self.mean(edges[:-1], edges[1:])
