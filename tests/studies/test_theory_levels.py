"""The study of the tests on logs: its logs have the truth that they say, and its table counts them."""

import numpy as np
import pytest

from studies.theory import levels as study


@pytest.mark.parametrize("name", study.TRUTHS)
@pytest.mark.parametrize("sources", [3, 8])
def test_the_truths_are_what_they_say(name: str, sources: int) -> None:
    adds, bends, rises, truth = study.TRUTHS[name]
    rng = np.random.default_rng(0)
    b = rng.dirichlet(np.ones(sources), 400) * rng.uniform(0, 1, (400, 1))
    c = rng.dirichlet(np.ones(sources), 400) * rng.uniform(0, 1, (400, 1))
    if adds:  # what a source brings does not depend on the others
        swapped = [np.where(np.arange(sources) == 0, one, two) for one, two in ((b, c), (c, b))]
        both = truth(b) + truth(c)
        np.testing.assert_allclose(truth(swapped[0]) + truth(swapped[1]), both, atol=1e-12)
    for n in range(sources):  # concave along every source
        line = np.repeat(b[:, None], 3, axis=1)
        line[:, :, n] = np.linspace(0.0, 1.0 - b.sum(axis=1) + b[:, n], 3).T
        low, middle, high = truth(line.reshape(-1, sources)).reshape(-1, 3).T
        if bends:
            assert (middle >= (low + high) / 2 - 1e-12).all()
        if rises:
            assert (np.diff([low, middle, high], axis=0) >= -1e-12).all()
    if not adds:
        swapped = [np.where(np.arange(sources) == 0, one, two) for one, two in ((b, c), (c, b))]
        assert np.abs(truth(swapped[0]) + truth(swapped[1]) - truth(b) - truth(c)).max() > 1e-3


def test_shares_of_the_budget_add_up_and_rows_belong_to_runs() -> None:
    for design in study.DESIGNS:
        b, y, run = study.simulated_log(design, study.TRUTHS["root"][3], 1)
        rows = design[2]
        assert b.shape == (design[1] * rows, design[0])
        np.testing.assert_allclose(b[rows - 1 :: rows].sum(axis=1), 1.0)
        assert y.shape == run.shape == (len(b),)


def test_the_table_has_a_row_for_each_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "DESIGNS", study.DESIGNS[:1])
    monkeypatch.setattr(study, "TRUTHS", {n: study.TRUTHS[n] for n in ("line", "substitutes")})
    table = study.levels(2)
    assert list(table["truth"]) == ["line", "substitutes"]
    assert set(table["is"]) == {"level", "power"}
    for test in ("adds up", "concave", "nondecreasing"):
        assert table[f"{test} refused"].isin([0.0, 0.5, 1.0]).all()
