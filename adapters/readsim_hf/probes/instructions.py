"""Rules that say whether a reply follows an instruction (FollowEval: each instruction has one)."""

import json
import re
from collections.abc import Callable
from typing import Any

from readsim.errors import ConfigError, unknown

Rule = Callable[[Any, str], bool]


def _within(bounds: Any, n: int) -> bool:
    low, high = bounds
    return bool(low <= n <= high)


def _has_keys(keys: Any, reply: str) -> bool:
    try:
        data = json.loads(reply)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and set(keys) <= set(data)


RULES: dict[str, Rule] = {
    "equals": lambda value, reply: reply == str(value).strip(),
    "starts": lambda value, reply: reply.startswith(str(value)),
    "ends": lambda value, reply: reply.endswith(str(value)),
    "contains": lambda value, reply: all(part in reply for part in value),
    "excludes": lambda value, reply: not any(part in reply for part in value),
    "regex": lambda value, reply: re.search(value, reply, re.DOTALL) is not None,
    "no_regex": lambda value, reply: re.search(value, reply, re.DOTALL) is None,
    "fullmatch": lambda value, reply: re.fullmatch(value, reply, re.DOTALL) is not None,
    "words": lambda value, reply: _within(value, len(reply.split())),
    "lines": lambda value, reply: _within(value, len(reply.splitlines())),
    "characters": lambda value, reply: _within(value, len(reply)),
    "json": _has_keys,
}
_LISTS = {"contains", "excludes", "json"}
_BOUNDS = {"words", "lines", "characters"}


def check_rule(rule: str, value: Any) -> None:
    """Raises UnknownNameError for a rule that does not exist, ConfigError for a value it cannot use.

    `contains`, `excludes`, `json`: a list of strings. `words`, `lines`, `characters`: `[least, most]`.
    The regular expressions are searched (`fullmatch`: matched) with `.` matching newlines. The rest
    compare text.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if rule in _LISTS:
        fine = isinstance(value, list) and all(isinstance(part, str) for part in value)
        wanted = "a list of strings"
    elif rule in _BOUNDS:
        numbers = isinstance(value, list) and [type(n) for n in value] == [int, int]
        fine = numbers and value[0] <= value[1]
        wanted = "[least, most], two whole numbers"
    else:
        fine, wanted = isinstance(value, str), "text"
    if not fine:
        raise ConfigError(f"value {value!r} does not suit the rule {rule!r}: expected {wanted}")
    if rule in {"regex", "no_regex", "fullmatch"}:
        try:
            re.compile(value)
        except re.error as error:
            raise ConfigError(f"value {value!r} is not a regular expression: {error}") from error


def follows(rule: str, value: Any, reply: str) -> bool:
    """Whether a reply, without spaces around it, keeps to the rule."""
    return RULES[rule](value, reply.strip())
