"""The study of Tables 1 and 4-6: the diagonal, the one run, and what is compared with what."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs
from readsim.runs.rows import FinalRow
from studies.tables.claims import CLAIMS, ORDER
from studies.tables.study import STUDY, analyse, profiles_of
from studies.tables.sweep import ONE_RUN
from tests.support.made_logs import NAMES, effects_in, final_row, write_comparison, write_log

METHODS = ("one-hot", "uniform", "task-static", "read")
SMALL, LARGE = 20_000_000, 150_000_000


def made(folder: Path) -> list[Log]:
    """Every method on the task of every capability, and one run with an even requirement."""
    write_comparison(folder, METHODS, tasks=NAMES)
    write_comparison(folder, [ONE_RUN], tasks=["code"])
    return read_logs(folder)


def finals(logs: list[Log]) -> pd.DataFrame:
    """A row per run and capability, straight from the logs."""
    return pd.DataFrame(
        {
            **{key: getattr(log.header, key) for key in ("allocator", "task", "budget")},
            "seed": row.seed,
            "capability": name,
            "score": 100 * row.final_profile[j],
        }
        for log in logs
        for row in log.finals
        for j, name in enumerate(NAMES)
    )


def cells(frame: pd.DataFrame, method: str, budget: int) -> Array:
    """Means over targets of a method's students, (capabilities, seeds)."""
    chosen = frame[(frame["allocator"] == method) & (frame["budget"] == budget)]
    table = chosen.pivot_table(index="capability", columns="seed", values="score")
    return table.loc[list(NAMES)].to_numpy(dtype=float)


def test_effects_are_those_of_pandas(tmp_path: Path) -> None:
    logs = made(tmp_path)
    found = effects_in(analyse({"made": logs}))
    frame = finals(logs)
    own = frame[frame["task"] == frame["capability"]]
    small, large = ({name: cells(own, name, b) for name in METHODS} for b in (SMALL, LARGE))
    ahead = [table["read"] - table["one-hot"] for table in (small, large)]
    np.testing.assert_allclose(found["best-in-every-column"], np.min(ahead, axis=(0, 1)))
    growth = {name: large[name] - small[name] for name in METHODS}
    np.testing.assert_allclose(
        found["tokens-help-all"], np.min([g.mean(axis=0) for g in growth.values()], axis=0)
    )
    np.testing.assert_allclose(
        found["read-more-consistent"], growth["read"].min(axis=0) - growth["one-hot"].min(axis=0)
    )
    np.testing.assert_allclose(found["margin-grows"], ahead[1].mean(axis=0) - ahead[0].mean(axis=0))
    one = np.array([cells(frame, ONE_RUN, b) for b in (SMALL, LARGE)])
    students = np.array([cells(frame, "one-hot", b) for b in (SMALL, LARGE)])
    np.testing.assert_allclose(found["one-run-over-students"], (one - students).min(axis=(0, 1)))
    specialists = np.array([table["one-hot"] for table in (small, large)])
    np.testing.assert_allclose(
        found["one-run-in-every-column"], (one - specialists).min(axis=(0, 1))
    )


def test_the_best_specialist_is_chosen_by_its_mean(tmp_path: Path) -> None:
    logs = made(tmp_path)
    methods = {"one-hot": "cot-kd"}
    logs = [
        log.with_header(manifest={"method": methods.get(log.header.allocator, "x")}) for log in logs
    ]
    better = [
        replace(
            log.with_header(manifest={"method": "logit-kd"}),
            rows=tuple(
                replace(row, final_profile=row.final_profile + 0.1)
                if isinstance(row, FinalRow)
                else row
                for row in log.rows
            ),
        )
        for log in logs
        if log.header.allocator == "one-hot"
    ]
    plain = profiles_of(logs)
    both = profiles_of([*logs, *better])
    assert plain is not None
    assert both is not None
    assert "one-hot, logit-kd" in both.methods
    np.testing.assert_allclose(both.ahead(), plain.ahead() - 10.0)


@pytest.mark.slow
def test_the_order_of_methods_in_both_pairs(tmp_path: Path) -> None:
    logs = made(tmp_path)
    found = effects_in(analyse({"read8-llama": logs, "read8-qwen": logs}))
    np.testing.assert_allclose(found["same-order"], 1.0)
    fewer = [log for log in logs if log.header.allocator != "uniform"]
    with pytest.raises(RunLogError, match="other methods"):
        analyse({"read8-llama": logs, "read8-qwen": fewer})


def test_the_bound_over_specialists(tmp_path: Path) -> None:
    for name, score in (("one-hot", 0.4), ("oracle-static", 0.43)):
        rows = [final_row(0, score, [score, score, score])]
        write_log(tmp_path, rows, allocator=name, task="math", budget=100, seeds=[0])
    found = effects_in(analyse({"help": read_logs(tmp_path)}))
    np.testing.assert_allclose(found["specialist-can-be-beaten"], [3.0])


def test_what_is_refused(tmp_path: Path) -> None:
    write_comparison(tmp_path / "a", METHODS, tasks=["math", "average"])
    with pytest.raises(RunLogError, match="average"):
        analyse({"a": read_logs(tmp_path / "a")})
    write_comparison(tmp_path / "b", ["uniform", "read"], tasks=NAMES)
    with pytest.raises(RunLogError, match="no one-hot"):
        analyse({"b": read_logs(tmp_path / "b")})
    write_comparison(tmp_path / "c", ["one-hot"], tasks=NAMES)
    with pytest.raises(RunLogError, match="read"):
        analyse({"c": read_logs(tmp_path / "c")})
    logs = made(tmp_path / "d")
    with pytest.raises(RunLogError, match="read on math"):
        analyse({"d": [log for log in logs if log.path.name != "read.math.20000000.jsonl"]})
    with pytest.raises(RunLogError, match="other budgets"):
        analyse({"d": [log for log in logs if log.path.name != f"{ONE_RUN}.code.{SMALL}.jsonl"]})


def test_expectations_name_cases_that_are_run(tmp_path: Path) -> None:
    names = {case.name for case in STUDY.cases(range(2), tmp_path)} | {ORDER}
    expected = {name for claim in CLAIMS for name in (*claim.holds, *claim.fails)}
    assert expected <= names
    assert {"read8-llama", "read8-qwen", "read8-isolated", ORDER} <= expected
