"""What a benchmark shows of a profile: a biased, noisy, item-sampled measurement."""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.runs.profile_scale import SCORES, ProfileScale


@dataclass(frozen=True, eq=False)
class Probe:
    """Measurement of K capabilities: slope * p + bias + item noise, kept in the score range.

    `items`: number of benchmark items, 0 for an exact measurement. `pairing`: correlation between
    two measurements of the same student skill on the same items (deterministic decoding makes most
    answers repeat), (N, 1) where each of N runs has one. On a score scale whose lowest score is l the
    noise of n items has variance
    (p - l) (1 - p) / n, that of right and wrong answers; on the negated-loss scale an item has
    standard deviation 1 nat.
    """

    items: Array
    bias: Array
    slope: Array
    pairing: float | Array
    scale: ProfileScale = SCORES

    def __post_init__(self) -> None:
        with np.errstate(divide="ignore"):
            unit = np.where(self.items > 0, self.items, np.inf) ** -0.5
        object.__setattr__(self, "_unit", unit)
        object.__setattr__(self, "_plain", not (self.bias.any() or (self.slope != 1.0).any()))

    def of_runs(self, runs: int) -> "Probe":
        """The same for exactly (runs, K) profiles, with its constants tiled (see `World`)."""
        items, bias, slope = (np.tile(v, (runs, 1)) for v in (self.items, self.bias, self.slope))
        return Probe(items, bias, slope, self.pairing, self.scale)

    def deviation(self, profile: Array) -> Array:
        """Standard deviation of one measurement of `profile` (..., K)."""
        unit: Array = self.__dict__["_unit"]
        if not self.scale.is_score:
            return np.broadcast_to(unit, profile.shape)
        variance = profile * profile
        np.subtract(profile, variance, out=variance)
        if lowest := self.scale.lowest:
            variance -= lowest * (1.0 - profile)
        np.maximum(variance, 0.0, out=variance)  # rounding may put a profile a hair outside
        out: Array = np.sqrt(variance, out=variance)
        out *= unit
        return out

    def difference_deviation(self, first: Array, last: Array) -> Array:
        """Standard deviation of `measure(last) - measure(first)` on the same items (..., K)."""
        a, b = self.deviation(first), self.deviation(last)
        variance: Array = self.pairing * (b - a) ** 2 + (1.0 - self.pairing) * (a * a + b * b)
        return np.sqrt(variance)

    def luck(self, items: Array) -> Array:
        """The part of the noise that comes from the item sample (..., K) and stays over a run."""
        out: Array = items * self.pairing**0.5
        return out

    def measure(self, profile: Array, luck: Array, fresh: Array) -> Array:
        """The measured profile (..., K).

        `luck` (..., K) is `luck(items)` of standardised deviates, fixed over a run; `fresh` (..., K)
        are those of this measurement.
        """
        noise: Array = fresh * (1.0 - self.pairing) ** 0.5
        noise += luck
        noise *= self.deviation(profile)
        noise += profile if self.__dict__["_plain"] else self.slope * profile + self.bias
        if self.scale.is_score:
            np.maximum(noise, self.scale.lowest, out=noise)
            np.minimum(noise, 1.0, out=noise)
        return noise
