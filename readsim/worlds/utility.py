"""Task utilities U(p) with their exact gradients.

`linear`      sum_j w_j p_j
`ces:R`       (sum_j w_j p_j^R)^(1/R), R < 1 and not 0; R -> -inf is the weakest capability (a bottleneck)
`capped:C`    sum_j w_j min(p_j, C): enough is enough; not differentiable at p_j = C
"""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

LEAST = 1e-9  # a capability at 0 has the gradient that it has here

KINDS = ("linear", "ces:R", "capped:C")


def parse_utility(kind: str) -> tuple[str, float]:
    """`"ces:-2"` -> `("ces", -2.0)`. Raises for anything that is not one of `KINDS`."""
    name, _, argument = kind.partition(":")
    if name == "linear" and not argument:
        return "linear", 1.0
    if name not in ("ces", "capped"):
        raise unknown("utility", kind, KINDS)
    try:
        number = float(argument)
    except ValueError as error:
        raise ConfigError(f"utility {kind!r}: expected a number after '{name}:'") from error
    if not np.isfinite(number):
        raise ConfigError(f"utility {kind!r}: expected a finite number after '{name}:'")
    if name == "ces" and (number >= 1.0 or number == 0.0):
        raise ConfigError(f"utility {kind!r}: the exponent must be below 1 and not 0")
    return name, number


def utility(kind: str, weights: Array, profile: Array) -> Array:
    """U(p) over (..., K) profiles: (...)."""
    name, number = parse_utility(kind)
    if name == "linear":
        return profile @ weights
    if name == "ces":
        return _ces(number, weights, np.maximum(profile, 0.0))
    capped: Array = np.minimum(profile, number) @ weights
    return capped


def gradient(kind: str, weights: Array, profile: Array) -> Array:
    """dU/dp over (..., K): (..., K); at the kink of `capped`, the left derivative."""
    name, number = parse_utility(kind)
    if name == "linear":
        return np.broadcast_to(weights, profile.shape)
    if name == "ces":
        used = weights > 0.0
        above = np.maximum(profile, LEAST)
        value = _ces(number, weights, above)
        out = np.zeros(profile.shape)
        out[..., used] = weights[used] * (above[..., used] / value[..., None]) ** (number - 1.0)
        return out
    return np.where(profile <= number, weights, 0.0)


def _ces(exponent: float, weights: Array, profile: Array) -> Array:
    """Only capabilities with weight count; dividing by the leading one keeps powers in range."""
    used = profile[..., weights > 0.0]
    leading = used.min(axis=-1) if exponent < 0.0 else used.max(axis=-1)
    ratio = used / np.where(leading > 0.0, leading, 1.0)[..., None]
    ratio = np.where(leading[..., None] > 0.0, ratio, 1.0)
    out: Array = leading * (ratio**exponent @ weights[weights > 0.0]) ** (1.0 / exponent)
    return out
