"""A run's start and end on the test split, as its log has them or asked again in another form.

Training does not see which form the probes ask for (`tests/studies/test_methods_forms.py`), so one run
serves every form: its finished student is asked again.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.runs.read_logs import read_log
from readsim.tree_file import write_atomic
from readsim_hf.components import build_components, pair_of
from readsim_hf.config import resolve_config
from studies.methods.runs import SPECIALIST, Plan


class Ends(NamedTuple):
    """Test profiles (K,), each score between 0 and 1, before the first decision and after the last."""

    start: Array
    end: Array


def logged_ends(logs: Sequence[Path]) -> Ends:
    """As the logs have them; of several (specialists) the first has the start and the last the end."""
    finals = [read_log(path).finals[0] for path in (logs[0], logs[-1])]
    return Ends(finals[0].final_profile - finals[0].final_change, finals[1].final_profile)


def ends_in(plan: Plan, form: str, seed: int, logs: Sequence[Path]) -> Ends:
    """Start and end of a finished run in this form; what is measured anew is kept beside the last log."""
    if form == plan.forms[0]:
        return logged_ends(logs)
    kept = logs[-1].with_suffix(f".{form}.json")
    if not kept.exists():
        asked = plan._replace(forms=(form,))
        student = logs[-1].with_suffix(".student")
        ends = Ends(_start(asked, seed), measured(asked.of_folder(student, seed)))
        write_atomic(kept, json.dumps({k: list(v) for k, v in ends._asdict().items()}).encode())
    made = json.loads(kept.read_text(encoding="utf-8"))
    return Ends(np.array(made["start"]), np.array(made["end"]))


@cache
def _start(plan: Plan, seed: int) -> Array:
    return measured(plan.options(SPECIALIST, seed))


def measured(options: dict[str, Any]) -> Array:
    """Test profile (K,) of the student that these settings begin with."""
    config = resolve_config(None, options)
    parts = build_components(config, pair_of(config))
    parts.suite.open_test()
    return parts.measure(parts.pair.student, "test").profile
