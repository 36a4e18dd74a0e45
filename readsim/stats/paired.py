"""Two allocators on the same seeds: everything that can be said of their difference."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats.intervals import LEVEL, bca_interval, no_spread, t_interval
from readsim.stats.significance import least_p, sign_flip_test, t_test


@dataclass(frozen=True)
class Paired:
    """The difference a - b over n seeds, in the unit of the values.

    `t` and `bca` are intervals of the mean, `p_t` and `p_sign_flip` two-sided tests that it is zero,
    `p_least` the smallest that the sign-flip test can give with n seeds. `pairing` is the share of
    variance that common random numbers removed. `notes` say what n or the values do not allow.
    """

    n: int
    mean: float
    median: float
    sd: float
    t: tuple[float, float]
    bca: tuple[float, float]
    p_t: float
    p_sign_flip: float
    p_least: float
    pairing: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Four significant digits, one quantity a line; `repr` has all digits."""
        shown = {
            "seeds": str(self.n),
            "mean difference": f"{self.mean:+.4g}",
            "median, sd": f"{self.median:+.4g}, {self.sd:.4g}",
            "t interval": _ends(self.t),
            "BCa interval": _ends(self.bca),
            "p (t)": f"{self.p_t:.3g}",
            "p (sign flips)": f"{self.p_sign_flip:.3g}, at least {self.p_least:.3g}",
            "variance removed": f"{self.pairing:.0%} by pairing",
        }
        known = {name: text for name, text in shown.items() if "nan" not in text}
        lines = [f"{name + ':':<17} {text}" for name, text in known.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _ends(ends: tuple[float, float]) -> str:
    return f"{ends[0]:+.4g} to {ends[1]:+.4g}"


def paired(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL, seed: int = 0) -> Paired:
    """Compare a with b, (n,) or (n, tasks), row i of both from seed i.

    The seed is the unit: runs on several tasks share its noise, so they are averaged first. For the
    mean this is also what blocking by task gives, and flipping a seed's mean flips its whole block.
    Tasks are fixed: the result does not extend to tasks that were not run.

    pandas objects are paired by their labels.

    Raises ConfigError for shapes or labels that differ, no seed, or values that are not finite.
    """
    a, b = _aligned(a, b)
    first, second = _by_seed(*(np.asarray(v, dtype=np.float64) for v in (a, b)))
    differences = first - second
    n = len(differences)
    notes = []
    if n == 1:
        notes.append("one seed: no interval and no test")
    elif no_spread(differences):
        zero = abs(float(differences.mean())) <= 1e-12
        notes.append(
            "no difference in any seed" if zero else "every seed has the same difference: no spread"
        )
    if n > 1 and least_p(n) > 1.0 - level:
        notes.append(f"{n} seeds: the sign-flip test cannot give less than {least_p(n):g}")
    return Paired(
        n=n,
        mean=float(differences.mean()),
        median=float(np.median(differences)),
        sd=float(differences.std(ddof=1)) if n > 1 else np.nan,
        t=t_interval(differences, level),
        bca=bca_interval(differences, level, seed=seed),
        p_t=t_test(differences),
        p_sign_flip=sign_flip_test(differences, seed=seed),
        p_least=least_p(n),
        pairing=pairing_gain(first, second),
        notes=tuple(notes),
    )


def _aligned(a: Any, b: Any) -> tuple[Any, Any]:
    """pandas objects in the same order of labels. Raises ConfigError where the labels differ."""
    labelled = all(hasattr(v, "index") and hasattr(v, "reindex") for v in (a, b))
    if not labelled or a.index.equals(b.index):
        return a, b
    if set(a.index) != set(b.index) or len(a) != len(b):
        raise ConfigError("a and b have other labels: seeds are paired, so give the same seeds")
    return a, b.reindex(a.index)


def pairing_gain(a: Array, b: Array) -> float:
    """1 - Var(a - b) / (Var a + Var b) of values (n,): what pairing by seed took from the variance.

    0.9: an unpaired comparison would need ten times the seeds for the same interval. Negative where
    the two move against each other. NaN for n = 1, and where neither varies.
    """
    if len(a) < 2 or (no_spread(a) and no_spread(b)):
        return np.nan
    apart = float(a.var(ddof=1) + b.var(ddof=1))
    return 1.0 - float((a - b).var(ddof=1)) / apart


def _by_seed(a: Array, b: Array) -> tuple[Array, Array]:
    if a.shape != b.shape or a.ndim not in (1, 2) or a.size == 0:
        raise ConfigError(
            f"shapes {a.shape} and {b.shape}: expected (n,) or (n, tasks), the same for both"
        )
    for name, values in (("a", a), ("b", b)):
        if not np.isfinite(values).all():
            raise ConfigError(f"{name} holds {values[~np.isfinite(values)][0]}: expected numbers")
    if a.ndim == 1:
        return a, b
    return a.mean(axis=1), b.mean(axis=1)
