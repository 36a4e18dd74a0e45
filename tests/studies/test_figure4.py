"""The study of Figure 4: what is lost without a component."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from studies.figure4.claims import CLAIMS
from studies.figure4.study import analyse, effects_of
from studies.figure4.sweep import COMPONENTS, MENDS, METHODS
from tests.support.made_logs import effects_in, write_comparison


def test_worths_are_those_of_pandas(tmp_path: Path) -> None:
    write_comparison(tmp_path, METHODS)
    logs = read_logs(tmp_path)
    findings = analyse({"made": logs})
    frame = pd.DataFrame(
        {"allocator": log.header.allocator, "seed": row.seed, "utility": 100 * row.utility}
        for log in logs
        for row in log.finals
    )
    mean = frame.groupby(["allocator", "seed"])["utility"].mean()
    effects = effects_in(findings)
    for name in COMPONENTS:
        np.testing.assert_allclose(effects[name], mean["read"] - mean[f"read-no-{name}"])
    np.testing.assert_allclose(effects["uniform"], mean["read"] - mean["uniform"])
    assert set(effects) == {claim.id for claim in CLAIMS}
    table = findings.tables["components"][1]
    assert list(table["component"]) == [*COMPONENTS, "uniform"]
    assert table["mean"][0].startswith(f"{effects['identification'].mean():+.2f}")
    for name, allocator in MENDS.items():
        np.testing.assert_allclose(effects[name], mean[allocator] - mean["read"])
    assert list(findings.tables["mends"][1]["mend"]) == [*MENDS, "visible-price-negative"]


def test_the_smaller_of_two_is_one_component_for_all_seeds() -> None:
    worth = {
        "identification": np.array([[1.0, 5.0]]),
        "adaptation": np.array([[2.0, 1.0]]),
        "interaction": np.array([[0.5, 0.5]]),
    }
    np.testing.assert_allclose(effects_of(worth)["two-matter-most"], [1.5, 0.5])
    assert "two-matter-most" not in effects_of({"identification": np.zeros((1, 2))})


def test_what_is_refused(tmp_path: Path) -> None:
    write_comparison(tmp_path / "a", ["read", "task-static"])
    with pytest.raises(RunLogError, match="no ablation"):
        analyse({"a": read_logs(tmp_path / "a")})
    write_comparison(tmp_path / "b", ["uniform", "read-no-history"])
    with pytest.raises(RunLogError, match="one read"):
        analyse({"b": read_logs(tmp_path / "b")})
    with pytest.raises(RunLogError, match="no run logs"):
        analyse({"c": []})
