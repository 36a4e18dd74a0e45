"""What `readsim plan --against` reads of a finished run, damaged in every typed way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ReadsimError, RunLogError
from readsim.tree_file import save_facts
from readsim.worlds.task import task_name
from tests.runs.test_damages import known, lines_of, write
from tests.support.damages import WRONG, all_damages
from tests.support.hf import NEEDS
from tests.support.made_logs import run_rows, write_log

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture
def run(tmp_path: Path) -> tuple[Any, Path]:
    """The settings of a run, and its log."""
    from readsim_hf.config import RunConfig, run_name

    config = RunConfig(budget=400, steps=4, allocator="uniform", task={"math": 1.0})
    rng = np.random.default_rng(6)
    about = {"allocator": "uniform", "task": task_name(config.task), "budget": 400}
    rows = run_rows(rng, 0, 400, 0.1, 3)
    made = write_log(tmp_path, rows, **about, world="hf:nano", seeds=[0])
    return config, made.rename(made.with_name(f"{run_name(config)}.jsonl"))


@pytest.mark.slow
def test_every_damage_of_the_log_is_refused_or_listed(run: tuple[Any, Path]) -> None:
    from readsim_hf.plan.against import finished

    config, path = run
    lines, wrong = lines_of(path), list[str]()
    for name, change in all_damages().items():
        changed = change(lines)
        write(path, changed)
        try:
            finished(path.parents[1], config, "nano")
        except ReadsimError as error:
            if str(path) not in str(error) or "\n" in str(error):
                wrong.append(f"{name}: {error}")
        else:
            if not known(name) and changed != lines:
                wrong.append(f"{name}: accepted")
    assert wrong == []


@pytest.mark.parametrize("word", WRONG)
def test_every_damage_of_the_seconds_is_refused_by_name(run: tuple[Any, Path], word: str) -> None:
    from readsim_hf.plan.against import finished

    config, path = run
    beside, value = path.with_suffix(".json"), WRONG[word]
    save_facts(beside, {"seconds": {"train": 1.5, "probe": 0}})
    assert finished(path.parents[1], config, "nano").seconds == {"train": 1.5, "probe": 0.0}
    harmless = {"seconds": ("null", "empty object", "object"), "train": ("number",)}
    for key, facts in (("seconds", {"seconds": value}), ("train", {"seconds": {"train": value}})):
        if word in harmless[key]:
            continue
        beside.write_text(json.dumps(facts))
        with pytest.raises(RunLogError, match=beside.name.replace(".", r"\.")):
            finished(path.parents[1], config, "nano")
