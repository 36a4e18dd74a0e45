"""The proof on a real pair: its tasks, pairs of runs, and the verdicts of the kept table."""

import numpy as np
import pandas as pd
import pytest

from readsim.cli.output import Terminal
from studies.proof.claims import BASELINE, CLAIMS, METHODS, TASKS
from studies.proof.command import HERE, differences, methods_of, show, task_weights
from studies.real_runs.held import KEPT
from studies.real_runs.rows import read_table


@pytest.fixture(scope="module")
def kept() -> pd.DataFrame:
    """The table of the real runs at 60K tokens; of 120K it has a few, of the first seeds."""
    table = pd.read_csv(HERE / "nano.csv")
    return table[table["budget"] == 60000]


def test_every_run_that_is_claimed_about_is_there(kept: pd.DataFrame) -> None:
    for task in TASKS:
        rows = kept[kept["task"] == task]
        assert set(rows["allocator"]) == set(methods_of(task, METHODS)) - (
            {"front-loaded"} if task == "conflict" else set()
        )
        assert rows.groupby("allocator")["seed"].nunique().eq(5).all()


def test_differences_are_paired_by_seed(kept: pd.DataFrame) -> None:
    found = differences(kept)
    rows = kept[(kept["task"] == "math")].set_index(["allocator", "seed"])["utility"]
    wanted = [rows["trained", seed] - rows[BASELINE, seed] for seed in range(5)]
    assert found["trained", "math", 60000] == pytest.approx(wanted)
    lacking = kept.drop(kept[(kept["allocator"] == BASELINE) & (kept["seed"] == 0)].index)
    assert len(differences(lacking)["trained", "math", 60000]) == 4


def test_what_was_found(kept: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    show(Terminal(), kept, "nano")
    said = capsys.readouterr().out
    assert "nano at 60000 tokens" in said
    assert {claim.id.removesuffix("-above") for claim in CLAIMS} == set(METHODS)


def test_conflict_is_the_pair_that_does_itself_most_harm() -> None:
    table = read_table(KEPT / "nano.csv")
    weights = task_weights(table)
    assert weights["average"] == dict.fromkeys(table.capabilities, 1 / len(table.capabilities))
    assert weights["math"]["math"] == pytest.approx(0.6)
    one, other = weights["conflict"]
    change = {}
    for run in table.part(held=False).runs:
        if run.kind == "one-hot":
            source = table.sources[int(run.tokens.sum(axis=0).argmax())]
            change[source] = dict(zip(table.capabilities, run.final - run.start, strict=True))
    pairs = {
        (a, b): change[a][b] + change[b][a]
        for a in change
        for b in change
        if a != b and np.isfinite(change[a][b] + change[b][a])
    }
    assert pairs[one, other] == pytest.approx(min(pairs.values()))
