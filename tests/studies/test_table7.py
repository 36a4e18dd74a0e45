"""What is hidden: effects against a recomputation, the two made worlds, logs that do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs
from readsim.worlds import load_world
from studies.table7.claims import CLAIMS
from studies.table7.study import STUDY
from studies.table7.sweep import BASE, HARM, LIKE, blind, cases, twin
from tests.support.made_logs import final_row, write_log

SEEDS, TASKS = [0, 1, 2], ("math", "code")
NAMES = ["math", "code", "unseen"]


def written(folder: Path, allocators: tuple[str, ...], **config: Any) -> list[Log]:
    """Logs whose third capability is hidden."""
    rng = np.random.default_rng(1)
    for budget in (10, 20):
        for name in allocators:
            for task in TASKS:
                rows = [final_row(s, float(rng.random()), rng.random(3).tolist()) for s in SEEDS]
                shared = {"allocator": name, "task": task, "budget": budget, "seeds": SEEDS}
                about = {"sources": NAMES[:2], "capabilities": NAMES, "hidden": ["unseen"]}
                write_log(folder, rows, **{**shared, "requirement": [0.7, 0.3], **about, **config})
    return read_logs(folder)


def table(logs: list[Log]) -> pd.DataFrame:
    """One row per run, computed anew."""
    return pd.DataFrame(
        {
            **{k: getattr(log.header, k) for k in ("allocator", "task", "budget")},
            "seed": row.seed,
            "utility": row.utility,
            "hidden": 100 * row.final_profile[2],
        }
        for log in logs
        for row in log.finals
    )


def test_effects_are_to_the_baseline_of_the_best_utility(tmp_path: Path) -> None:
    logs = written(tmp_path, ("one-hot", "uniform", "read", "read-no-interaction", "oracle-static"))
    effects = STUDY.analyse({"made": logs}).effects
    for budget, case in ((10, "made, small"), (20, "made, large")):
        frame = table(logs)
        frame = frame[frame["budget"] == budget]
        base = frame[frame["allocator"].isin(["one-hot", "uniform"])]
        best = str(base.groupby("allocator")["utility"].mean().idxmax())
        mean = frame.pivot_table(index="seed", columns="allocator", values="hidden")
        wanted = (mean["read"] - mean[best]).to_numpy()
        np.testing.assert_allclose(np.asarray(effects["not-worse", case]), wanted)
        np.testing.assert_allclose(np.asarray(effects["better", case]), wanted)
        priced = (mean["read"] - mean["read-no-interaction"]).to_numpy()
        np.testing.assert_allclose(np.asarray(effects["price-helps", case]), priced)


def test_logs_that_do_not_fit_are_named(tmp_path: Path) -> None:
    logs = written(tmp_path / "a", ("one-hot", "read"))
    with pytest.raises(RunLogError, match="one ReAD and a baseline"):
        STUDY.analyse({"made": [log for log in logs if log.header.allocator == "read"]})
    with pytest.raises(RunLogError, match="no final:unseen of"):
        STUDY.analyse({"made": logs[1:]})
    seen = written(tmp_path / "b", ("one-hot", "read"), hidden=[], requirement=[0.5, 0.3, 0.2])
    with pytest.raises(RunLogError, match="one hidden capability"):
        STUDY.analyse({"made": seen})


def test_the_twin_moves_as_what_is_seen_and_the_blind_one_with_the_target() -> None:
    base = load_world(BASE)
    seen, hidden = base.capabilities.index(LIKE), base.capabilities.index(base.hidden[0])
    shares = np.random.default_rng(0).dirichlet(np.ones(8), 4)
    for row in shares:
        profile = twin(base).static_profile(row, 1e8)
        assert profile[hidden] == pytest.approx(profile[seen])
    made = blind(base)
    for source in base.sources:
        one = np.eye(8)[base.sources.index(source)]
        fell = made.static_profile(one, 1e8)[hidden] < made.start[hidden] - 1e-9
        assert fell == (source in HARM)


def test_every_case_that_claims_name_is_run(tmp_path: Path) -> None:
    run = {f"{c.name}, {size}" for c in cases(range(2), tmp_path) for size in ("small", "large")}
    assert run == {case for claim in CLAIMS for case in (*claim.holds, *claim.fails)}
