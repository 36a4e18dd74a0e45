"""Changes of capabilities with intervals, and which of them are told apart from zero."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array, Mask
from readsim.report.render import TONES, Cell
from readsim.stats import benjamini_hochberg, t_test
from readsim.stats.intervals import half_width
from readsim.summary.show import number

FALSE = 0.10  # share of false discoveries among marked entries
SEEDS = 3  # from so many on, intervals are over seeds


class Effects(NamedTuple):
    """Changes (..., K): mean, half width of the 95 % interval, p, and p after Benjamini and Hochberg's
    correction over all entries. `over` is "seeds" or "items"."""

    mean: Array
    half: Array
    p: Array
    adjusted: Array
    over: str

    @property
    def sure(self) -> Mask:
        out: Mask = self.adjusted <= FALSE
        return out

    def about(self) -> str:
        """What the intervals and marks are."""
        over = (
            "Student t over seeds"
            if self.over == "seeds"
            else "normal, from the test items: with fewer than three seeds they say nothing about others"
        )
        return (
            f"95 % intervals: {over}. *: told apart from zero, Benjamini-Hochberg over the "
            f"{np.isfinite(self.p).sum()} entries, false discoveries at most {100 * FALSE:.0f} %."
        )


def effects(change: Array, sd: Array) -> Effects:
    """From changes (..., R, K) of R seeds and the standard errors that the test items leave them.

    With three seeds and more, t intervals and paired t tests over seeds. With fewer, normal ones with
    the mean standard error: seeds share their test items, so errors do not average out. An entry
    whose items all stayed as they were has no scale: p is 1.
    """
    mean = change.mean(axis=-2)
    if change.shape[-2] >= SEEDS:
        each = np.moveaxis(change, -2, -1)
        p = np.array([t_test(d) for d in each.reshape(-1, each.shape[-1])]).reshape(mean.shape)
        return Effects(mean, half_width(each), p, benjamini_hochberg(p), "seeds")
    from scipy.special import ndtr

    error = sd.mean(axis=-2)
    z = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 0)
    p = 2.0 * ndtr(-z)
    return Effects(mean, 1.959964 * error, p, benjamini_hochberg(p), "items")


def coloured(found: Effects, scale: float, decimals: int) -> list[list[Cell]]:
    """Cells (N, K) of a heat map: sign and number, a star if it is told apart from zero, colour by size."""
    shown = scale * found.mean
    most = float(np.abs(shown).max()) or 1.0
    return [
        [_cell(x, most, bool(sure), decimals) for x, sure in zip(row, mask, strict=True)]
        for row, mask in zip(shown, found.sure, strict=True)
    ]


def _cell(value: float, most: float, sure: bool, decimals: int) -> Cell:
    step = np.ceil(TONES * np.sqrt(abs(value) / most) - 1e-12)  # the root: small ones are seen too
    tone = int(np.sign(value) * step)
    return Cell(number(value, decimals, "+") + ("*" if sure else ""), tone, sure)


def decimals_of(shown: Array) -> int:
    """So many that the largest has about three digits."""
    most = float(np.abs(shown).max()) if shown.size else 1.0
    return 1 if most >= 1.0 else 2 if most >= 0.1 else 4


def names_of(capabilities: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """Capabilities as headers, those that no probe shows marked."""
    return [f"{name} (hidden)" if name in hidden else name for name in capabilities]
