"""Token counts as people write them: `20M`, `1.5e8`, `150_000_000`, 2e7."""

from math import inf, isfinite
from numbers import Real

from readsim.errors import ConfigError, shown

SUFFIXES = {"k": 10**3, "m": 10**6, "b": 10**9}
MOST = 10**15  # tokens: above what anybody trains on, below where floats lose whole numbers

AnyBudget = int | float | str


def parse_tokens(value: AnyBudget, name: str = "budget") -> int:
    """`"20M"`, 2e7 or 20_000_000 -> 20000000.

    Raises ConfigError, which calls it `name`, for anything that is not a whole number from 1 to 1e15.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value) if abs(value) <= MOST else inf
    elif isinstance(value, str):
        number = _number(value, name)
    else:
        raise ConfigError(f"{name} = {shown(value)}: expected a number of tokens such as 20M")
    whole = round(number) if isfinite(number) else 0
    if not 1 <= whole <= MOST or abs(whole - number) > 1e-6 * number:
        raise ConfigError(
            f"{name} = {shown(value)}: expected a whole number of tokens >= 1, at most {MOST:.0e}"
        )
    return int(value) if isinstance(value, int) else whole


def _number(text: str, name: str) -> float:
    cleaned = text.strip().lower().replace("_", "")
    factor = SUFFIXES.get(cleaned[-1:], 1)
    try:
        if not cleaned.isascii():  # Python reads the digits of every script
            raise ValueError(text)
        return float(cleaned[:-1] if factor > 1 else cleaned) * factor
    except ValueError as error:
        raise ConfigError(
            f"{name} = {shown(text)}: expected a number of tokens such as 20M"
        ) from error


def show_tokens(tokens: float) -> str:
    """20000000 -> `20M`."""
    for suffix, factor in reversed(SUFFIXES.items()):
        if tokens >= factor:
            return f"{tokens / factor:g}{suffix.upper()}"
    return f"{tokens:g}"
