"""The benchmarks that lm-eval does not have, or cannot run offline, on a user's file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.probes.bfcl import load_bfcl
from readsim_hf.probes.calls import same_calls
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.code_items import load_humaneval, load_mbpp
from readsim_hf.probes.instructions import check_rule, follows
from readsim_hf.probes.items import Item, row_item
from readsim_hf.probes.local_files import read_rows
from readsim_hf.probes.refusals import load_xstest

Loaded = tuple[TextBenchmark, tuple[Item, ...]]


def _prompt(data: Mapping[str, Any]) -> str:
    return str(data["prompt"])


def load_toolbench(entry: BenchmarkEntry, path: str | Path, max_new_tokens: int = 256) -> Loaded:
    """ToolBench, tool manipulation. Columns: `prompt`, `answer` (the calls, or a list of such texts).

    A reply is right if it makes the calls of an answer in their order, with equal values.
    """
    rows = read_rows(path, entry.columns)

    def score(data: Mapping[str, Any], reply: str) -> float:
        answers = data["answer"] if isinstance(data["answer"], list) else [data["answer"]]
        return float(any(same_calls(reply, str(answer)) for answer in answers))

    made = TextBenchmark(entry.name, entry.capability, _prompt, score, max_new_tokens)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


def load_followeval(entry: BenchmarkEntry, path: str | Path, max_new_tokens: int = 256) -> Loaded:
    """FollowEval. Columns: `prompt`, `rule`, `value`; the rules are those of `instructions.RULES`."""
    rows = read_rows(path, entry.columns)
    for number, row in enumerate(rows, 1):
        try:
            check_rule(row["rule"], row["value"])
        except ConfigError as error:
            raise ConfigError(f"{path}, row {number}: {error}") from error

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(follows(data["rule"], data["value"], reply))

    made = TextBenchmark(entry.name, entry.capability, _prompt, score, max_new_tokens)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


LOADERS: dict[str, Callable[..., Loaded]] = {
    "bfcl": load_bfcl,
    "followeval": load_followeval,
    "humaneval": load_humaneval,
    "mbpp": load_mbpp,
    "toolbench": load_toolbench,
    "xstest": load_xstest,
}
