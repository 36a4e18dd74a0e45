"""Token counts as people write them: `20M`, `1.5e8`, `150_000_000`."""

from readsim.errors import ConfigError

SUFFIXES = {"k": 10**3, "m": 10**6, "b": 10**9}


def parse_tokens(text: str) -> int:
    """`"20M"` -> 20000000. Raises ConfigError for anything that is not a whole number >= 1."""
    cleaned = text.strip().lower().replace("_", "")
    factor = SUFFIXES.get(cleaned[-1:], 1)
    try:
        value = float(cleaned[:-1] if factor > 1 else cleaned) * factor
        whole = round(value)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"budget {text!r}: expected a number of tokens such as 20M") from error
    if whole < 1 or abs(whole - value) > 1e-6 * value:
        raise ConfigError(f"budget {text!r}: expected a whole number of tokens >= 1")
    return whole


def show_tokens(tokens: float) -> str:
    """20000000 -> `20M`."""
    for suffix, factor in reversed(SUFFIXES.items()):
        if tokens >= factor:
            return f"{tokens / factor:g}{suffix.upper()}"
    return f"{tokens:g}"
