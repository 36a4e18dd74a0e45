"""`--eval NAME=SOURCE`: an evaluation in a few words. Loads nothing heavy: it is part of the options."""

import re
from typing import Any

from readsim.errors import ConfigError, unknown
from readsim.named import find
from readsim_hf.probes.own.metrics import METRICS

_FILE = re.compile(
    r"(?P<path>.+?\.(?:jsonl|ndjson|json|csv|parquet|yaml|yml)(?:\.gz)?)(?::(?P<metric>.+))?$",
    re.IGNORECASE,
)
_TASK = re.compile(r"(?P<task>[^\s:/\\]+)(?::(?P<metric>.+))?$")


def parse_eval(text: str) -> dict[str, Any]:
    """`"math=items.jsonl:numeric"`, `"sql=mine.yaml"`, `"code=gsm8k"` -> the table of a task.

    What ends in .jsonl, .json, .csv or .parquet is a file of items, .yaml a task of lm-eval's format, all
    else a task's name in lm-eval. Behind a colon stands the metric. Raises ConfigError, and for a metric of
    items that does not exist UnknownNameError: now, since much that is loaded next takes long.
    """
    name, equals, source = text.partition("=")
    if not (name.strip() and equals and source.strip()):
        raise ConfigError(
            f"eval = {text!r}: expected NAME=SOURCE, such as math=items.jsonl, math=items.jsonl:numeric, "
            "sql=mine.yaml or code=gsm8k"
        )
    found = _FILE.match(source) or _TASK.match(source)
    if found is None:
        raise ConfigError(
            f"eval = {text!r}: {source!r} is neither a file (.jsonl, .json, .csv, .parquet, "
            ".yaml) nor a task of lm-eval"
        )
    parts = found.groupdict()
    if "task" in parts:
        table = {"task": parts["task"]}
    elif parts["path"].lower().endswith((".yaml", ".yml")):
        table = {"yaml": parts["path"]}
    else:
        table = {"path": parts["path"]}
        _check_metric(text, parts["metric"] or "")
    metric = {"metric": parts["metric"]} if parts["metric"] else {}
    return {"capability": name, **table, **metric}


def _check_metric(text: str, metric: str) -> None:
    """Whether a metric of items exists: one of ours, or a function that can be imported."""
    if ":" in metric:
        find(metric, "metric")
    elif metric and metric not in METRICS:
        raise unknown(f"metric of eval = {text!r}", metric, (*METRICS, "module:function"))
