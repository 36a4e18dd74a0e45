"""The traps of the public code: what each switch does, and what the analysis makes of logs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError, UnknownNameError
from readsim.runs.loop import rollout
from readsim.runs.read_logs import read_logs
from readsim.runs.setups import setup_for
from studies.artifact_quirks.allocators import COST, Quirky
from studies.artifact_quirks.claims import CLAIMS
from studies.artifact_quirks.study import STUDY
from studies.artifact_quirks.sweep import QUIRKS, REPEATED, cases
from tests.support.made_logs import write_comparison

WORLD, TASK, BUDGET = "read8-llama", "math", 20_000_000


def setup() -> Any:
    """What an allocator is told before a run."""
    return setup_for(DistillEnv(WORLD, TASK, BUDGET, steps=4), load_allocator("uniform"), 0)


def played(allocator: Any) -> np.ndarray[Any, Any]:
    """The allocations of a run of four steps."""
    rows, _ = rollout([DistillEnv(WORLD, TASK, BUDGET, steps=4)], allocator, [0])
    return np.array([row["allocation"] for row in rows if row["kind"] == "step"])


def test_without_switches_it_is_read() -> None:
    np.testing.assert_array_equal(played(Quirky()), played(load_allocator("read")))


def test_pairs_are_nine_of_the_top_three_and_the_only_choices() -> None:
    shares = played(Quirky(pairs=True))
    top = np.argsort(-setup().prior)[:3]
    assert ((shares > 0).sum(axis=1) == 2).all()
    assert set(np.flatnonzero(shares.sum(axis=0))) <= set(top.tolist())


def test_one_interval_keeps_a_random_pick() -> None:
    shares = played(Quirky(one_interval=True))
    np.testing.assert_array_equal(shares, np.tile(shares[0], (4, 1)))


def test_a_one_hot_requirement_and_a_token_cost_reach_the_reward() -> None:
    told, change, tokens = setup(), np.array([[0.1] * 8]), np.array([1e5])
    hot = Quirky(one_hot=True)
    assert hot._requirement(told).tolist() == np.eye(8)[int(told.requirement.argmax())].tolist()
    plain, dear = Quirky(), Quirky(token_cost=True)
    off = plain._rewards(told, change, tokens) - dear._rewards(told, change, tokens)
    np.testing.assert_allclose(off, COST * 1e5)


def test_what_is_not_probed_counts_as_perfect() -> None:
    told, target = setup(), int(setup().requirement.argmax())
    blind, change = Quirky(unprobed="target"), np.zeros((1, 8))
    change[0, target] = 0.3
    tokens = np.array([1e6])
    nothing = Quirky()._rewards(told, 0 * change, tokens)
    np.testing.assert_allclose(blind._rewards(told, change, tokens), nothing)
    history = np.zeros((1, told.history * 18))
    rows = blind._features(told, change, np.ones(1), history, np.ones((1, 8)) / 8)
    assert rows[0, 8 + target] == 1.0
    with pytest.raises(UnknownNameError, match="unprobed"):
        Quirky(unprobed="mathe")._rewards(told, change, tokens)


def test_a_raw_budget_is_in_tokens_and_not_standardised() -> None:
    raw = Quirky(raw_budget=True)
    assert not raw.config.ensemble.standardise
    told = setup()
    history = np.zeros((1, told.history * 18))
    rows = raw._features(told, np.zeros((1, 8)), np.ones(1), history, np.ones((1, 8)) / 8)
    assert rows[0, 16] == BUDGET


def test_costs_are_paired_differences_of_utility(tmp_path: Path) -> None:
    names = ("read", QUIRKS["pairs"], QUIRKS["no-history"])
    logs = read_logs(write_comparison(tmp_path, names, budgets=(20_000_000,)))
    findings = STUDY.analyse({"made": logs})
    utility = {
        name: np.mean(
            [[row.utility for row in log.finals] for log in logs if log.header.allocator == name],
            axis=0,
        )
        for name in names
    }
    wanted = 100 * (utility["read"] - utility[QUIRKS["pairs"]])
    np.testing.assert_allclose(np.asarray(findings.effects["pairs", "made"]), wanted)
    assert set(findings.effects) == {("pairs", "made"), ("no-history", "made")}


def test_logs_that_do_not_fit_are_named(tmp_path: Path) -> None:
    logs = read_logs(write_comparison(tmp_path, ("read", QUIRKS["pairs"]), budgets=(20_000_000,)))
    with pytest.raises(RunLogError, match="'read'"):
        STUDY.analyse({"made": [log for log in logs if log.header.allocator != "read"]})
    with pytest.raises(RunLogError, match=r"seed\) = .*'code'"):
        STUDY.analyse({"made": logs[1:]})
    other = logs[0].with_header(world="another")
    with pytest.raises(RunLogError, match="another, made"):
        STUDY.analyse({"made": [other, *logs]})


def test_every_case_has_its_claims(tmp_path: Path) -> None:
    run = cases(range(2), tmp_path)
    names = {case.name for case in run}
    for claim in CLAIMS:
        assert {*claim.holds, *claim.fails} <= names
    assert {claim.id for claim in CLAIMS} == {*QUIRKS, REPEATED}
