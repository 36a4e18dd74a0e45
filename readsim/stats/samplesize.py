"""How many seeds a comparison needs, and what the ones it has can show: power of the paired t test."""

import numpy as np

from readsim.errors import ConfigError

LEVEL, POWER = 0.05, 0.8
MOST = 100_000_000  # seeds


def power(difference: float, sd: float, n: int, *, level: float = LEVEL) -> float:
    """Chance that the two-sided paired t test of n seeds finds a true `difference`.

    P(|T| > t_{n-1, 1 - level/2}) for T noncentral t with n - 1 degrees of freedom and noncentrality
    sqrt(n) difference / sd; `sd` is that of the differences between seeds, in the same unit. NaN for
    n = 1. An sd from n seeds is itself off by a factor of about 1 +- 1 / sqrt(2 n - 2).
    """
    from scipy.special import nctdtr, stdtrit  # scipy.stats takes a second to import

    _check(sd, level)
    if n < 2:
        return np.nan
    if sd == 0:
        return 1.0 if difference else level
    noncentrality = abs(difference) / sd * np.sqrt(n)
    edge = float(stdtrit(n - 1, 1.0 - level / 2.0))
    # a tail too small for nctdtr is NaN
    inside, beyond = np.nan_to_num(nctdtr(n - 1, noncentrality, np.array([edge, -edge])))
    return float(1.0 - inside + beyond)


def seeds_needed(difference: float, sd: float, *, goal: float = POWER, level: float = LEVEL) -> int:
    """The fewest seeds, at least 2, with which a true `difference` is found with chance `goal`.

    Raises ConfigError for a difference of 0, which no number of seeds shows, and for one that needs
    more than a hundred million.
    """
    _check_goal(goal, level)
    if not (np.isfinite(difference) and difference != 0):
        raise ConfigError(f"difference = {difference!r}: expected a number that is not 0")
    high = 2
    while power(difference, sd, high, level=level) < goal:
        high *= 2
        if high > MOST:
            raise ConfigError(
                f"difference = {difference!r}: too small for sd = {sd!r}, it needs over {MOST} seeds"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if power(difference, sd, middle, level=level) < goal:
            low = middle
        else:
            high = middle
    return high


def detectable_difference(sd: float, n: int, *, goal: float = POWER, level: float = LEVEL) -> float:
    """The smallest true difference that n seeds find with chance `goal`, in the unit of `sd`.

    NaN for n = 1 or an unknown sd; 0 where nothing varies.
    """
    from scipy.optimize import brentq

    if n < 2 or np.isnan(sd):
        return np.nan
    _check(sd, level)
    _check_goal(goal, level)
    high = 1.0
    while power(high, 1.0, n, level=level) < goal:
        high *= 2.0
    return sd * float(brentq(lambda d: power(d, 1.0, n, level=level) - goal, 0.0, high))


def _check(sd: float, level: float) -> None:
    if not (np.isfinite(sd) and sd >= 0):
        raise ConfigError(f"sd = {sd!r}: expected a number >= 0")
    if not 0 < level < 1:
        raise ConfigError(f"level = {level!r}: expected a number between 0 and 1")


def _check_goal(goal: float, level: float) -> None:
    if not level < goal < 1:
        raise ConfigError(f"goal = {goal!r}: expected a number between the level {level!r} and 1")
