"""One thing that was checked: what came out, what is accepted."""

import math
from typing import NamedTuple


class Check(NamedTuple):
    """`value` is to be at most `most` and at least `least` (None: no bound; NaN never passes)."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool:
        above = self.least is None or self.value >= self.least
        below = self.most is None or self.value <= self.most
        return not math.isnan(self.value) and above and below

    @property
    def bound(self) -> str:
        """What is accepted, in words."""
        low = [] if self.least is None else [f">= {self.least:g}"]
        high = [] if self.most is None else [f"<= {self.most:g}"]
        return ", ".join(low + high) or "reported"
