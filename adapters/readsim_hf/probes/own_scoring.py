"""The benchmarks that lm-eval does not have, or cannot run offline, on a user's file; FollowEval's rules."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from readsim.errors import ConfigError, ReadsimError, unknown
from readsim.files import AnyPath
from readsim.files.kinds import Kind, list_of, text, texts, whole_number
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.probes.bfcl import load_bfcl
from readsim_hf.probes.calls import same_calls
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.code_items import load_humaneval, load_mbpp
from readsim_hf.probes.items import Item, row_item
from readsim_hf.probes.refusals import load_xstest
from readsim_hf.prompts.patterns import dot_all

Rule = Callable[[Any, str], bool]
Loaded = tuple[TextBenchmark, tuple[Item, ...]]


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
    "regex": lambda value, reply: dot_all(value).found(reply),
    "no_regex": lambda value, reply: not dot_all(value).found(reply),
    "fullmatch": lambda value, reply: dot_all(value).whole(reply),
    "words": lambda value, reply: _within(value, len(reply.split())),
    "lines": lambda value, reply: _within(value, len(reply.splitlines())),
    "characters": lambda value, reply: _within(value, len(reply)),
    "json": _has_keys,
}
_LISTS = {"contains", "excludes", "json"}
_BOUNDS = {"words", "lines", "characters"}


def value_kind(rule: str) -> Kind:
    """What the value of a rule is declared to be in a file."""
    return texts if rule in _LISTS else list_of(whole_number) if rule in _BOUNDS else text


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
        dot_all(value)


def follows(rule: str, value: Any, reply: str) -> bool:
    """Whether a reply, without spaces around it, keeps to the rule."""
    return RULES[rule](value, reply.strip())


def _prompt(data: Mapping[str, Any]) -> str:
    return str(data["prompt"])


def load_toolbench(entry: BenchmarkEntry, path: AnyPath, max_new_tokens: int = 256) -> Loaded:
    """ToolBench, tool manipulation. Columns: `prompt`, `answer` (the calls, or a list of such texts).

    A reply is right if it makes the calls of an answer in their order, with equal values.
    """
    rows = entry.read(path)

    def score(data: Mapping[str, Any], reply: str) -> float:
        answers = data["answer"] if isinstance(data["answer"], list) else [data["answer"]]
        return float(any(same_calls(reply, str(answer)) for answer in answers))

    def gold(data: Mapping[str, Any]) -> str:
        return str(data["answer"])

    made = TextBenchmark(entry.name, entry.capability, _prompt, score, max_new_tokens, gold=gold)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


def load_followeval(entry: BenchmarkEntry, path: AnyPath, max_new_tokens: int = 256) -> Loaded:
    """FollowEval. Columns: `prompt`, `rule`, `value`; the rules are those of `instructions.RULES`."""
    rows = entry.read(path)
    for number, row in enumerate(rows):
        try:
            if row["rule"] in RULES:
                row["value"] = value_kind(row["rule"])(row["value"])
            check_rule(row["rule"], row["value"])
        except (ReadsimError, ValueError) as error:
            column = "value" if row["rule"] in RULES else "rule"
            raise rows.fail(number, column, error) from error

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(follows(data["rule"], data["value"], reply))

    def gold(data: Mapping[str, Any]) -> str:
        return f"({data['rule']} {json.dumps(data['value'])})"

    made = TextBenchmark(entry.name, entry.capability, _prompt, score, max_new_tokens, gold=gold)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


LOADERS: dict[str, Callable[..., Loaded]] = {
    "bfcl": load_bfcl,
    "followeval": load_followeval,
    "humaneval": load_humaneval,
    "mbpp": load_mbpp,
    "toolbench": load_toolbench,
    "xstest": load_xstest,
}
