"""The study of ADMIRE's runs: its columns, what is fitted, and the ceiling that noise sets."""

from pathlib import Path

import numpy as np
import pytest

from studies.admire import command
from studies.admire.data import CAPABILITIES, load
from tests.support.made_fits import additive_truth, mixtures, write_csv

BENCHMARKS = (
    *("minerva_math::tulu", "gsm8k::tulu", "codex_humaneval::tulu", "codex_humanevalplus::tulu"),
    *("bbh:cot-v1::tulu", "drop::llama3", "mmlu:cot::summarize", "popqa::tulu", "triviaqa::tulu"),
    *("ifeval::tulu", "truthfulqa::tulu", "piqa:mc::tulu"),
)


def test_capabilities_are_means_of_their_benchmarks(tmp_path: Path) -> None:
    head = ("model", "ratio_a", "ratio_b", *(f"metric_{b}" for b in BENCHMARKS))
    rows = [("m", 0.5, 0.501, *(0.01 * k for k in range(12))), ("m", 0.2, 0.8, *(0.5,) * 12)]
    sources, shares, scores = load(write_csv(tmp_path / "a.csv", head, rows))
    assert sources == ("a", "b")
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert scores.shape == (2, len(CAPABILITIES))
    assert scores[0] == pytest.approx([0.005, 0.025, 0.045, 0.07, 0.09, 0.10])


def test_every_run_is_unseen_once() -> None:
    (name, folds), (few_name, few) = command.settings(53, 100)
    assert np.sum([~inside for inside in folds], axis=0).tolist() == [1] * 53
    assert (name, few_name) == ("5 folds", "64 of 53")
    assert len(few) == 1


def test_a_law_without_error_ranks_what_noise_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DRAWS", 20)
    monkeypatch.setattr(command, "CAPABILITIES", dict.fromkeys("abc", ()))
    x = mixtures(80, 0, 4)
    exact = additive_truth(1)(x)
    found = []
    for noise in (0.2, 2.0):
        seen = exact + noise * exact.std(axis=0) * np.random.default_rng(0).standard_normal((80, 3))
        found.append(command.ceiling(x, seen))
    assert found[0]["law without error"] > 0.95
    assert found[1]["law without error"] < 0.75
    assert all(f["reached where the law is such"] < f["law without error"] for f in found)
