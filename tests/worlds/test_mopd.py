"""`mopd-qwen3.5-9b` against the rows that it was made from: where it can say them, and where it cannot."""

from pathlib import Path

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.files import read_sheet
from readsim.worlds import World, load_world
from studies.presets.mopd import BESIDE, NAMES, ROWS, START, UPDATE, least_squares_fit, misses

WORLD = load_world("mopd-qwen3.5-9b")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "dn-mopd"
BENCHMARKS = {
    "math": ("aime25", "aime26"),
    "code": ("lcb_v5", "lcb_v6"),
    "if": ("ifeval", "ifbench"),
}
needs_records = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")


def outside(world: World) -> set[tuple[str, str]]:
    off = {name: np.abs(misses(world, row)) > 1.0 for name, row in ROWS.items()}
    return {(name, NAMES[j]) for name, each in off.items() for j in np.flatnonzero(each)}


def test_it_says_all_reported_changes_but_one() -> None:
    assert outside(WORLD) == {("label-routed", "if")}
    assert misses(WORLD, ROWS["label-routed"])[2] == pytest.approx(1.1, abs=0.15)


def test_the_numbers_are_the_fit_which_needs_saturating_interference_for_routed_math() -> None:
    again = least_squares_fit()
    for name, row in ROWS.items():
        np.testing.assert_allclose(misses(WORLD, row), misses(again, row), atol=0.05, err_msg=name)
    assert ("label-routed", "math") in outside(least_squares_fit(limited=False))
    # The mean of what the three teachers do alone is not below the start, as routed students are.
    alone = [ROWS[f"single-{name}"].scores[0] - START[0] for name in NAMES]
    routed = ROWS["label-routed"]
    assert np.mean(alone) > routed.scores[0] - START[0] + routed.half[0]


def test_a_quieter_loud_domain_is_better_for_math_and_about_the_same_elsewhere() -> None:
    normalised, routed = (
        100.0 * WORLD.static_profile(np.array(ROWS[name].shares), 80 * UPDATE)
        for name in ("domain-normalised", "label-routed")
    )
    assert normalised[0] - routed[0] > 1.0
    assert np.abs(normalised[1:] - routed[1:]).max() < 1.2


def test_who_is_owed_what_is_in_the_file() -> None:
    assert "Li et al. 2026, DN-MOPD evaluation records" in WORLD.provenance["scores"]
    assert "CC BY 4.0" in WORLD.provenance["scores"]
    for name in BESIDE:
        assert name in WORLD.provenance["beside"]


@needs_records
def test_the_scores_are_the_records() -> None:
    sheet = read_sheet(SHARED / "qwen3.5_9b_16k.csv")
    keys = list(zip(sheet.cells("run"), sheet.cells("updates"), strict=True))

    def domains(run: str, updates: str) -> Array:
        at = keys.index((run, updates))
        return np.array([sheet.numbers(BENCHMARKS[n])[at].mean() for n in NAMES])

    np.testing.assert_allclose(START, domains("initial", "0"), atol=0.02)
    for name, row in ROWS.items():
        run = name.removesuffix("-160")
        np.testing.assert_allclose(row.scores, domains(run, str(row.updates)), atol=0.06)
    contrasts = read_sheet(SHARED / "contrasts.csv")
    who = zip(*(contrasts.cells(c) for c in ("size", "run", "domain")), strict=True)
    wide = contrasts.numbers(("low", "high")) @ [-0.5, 0.5]
    half = {
        (run, domain): w for (size, run, domain), w in zip(who, wide, strict=True) if size == "9b"
    }
    for name, row in ROWS.items():
        for j, paired in enumerate(row.paired):
            if paired:
                assert row.half[j] == pytest.approx(half[name, NAMES[j]], abs=0.02)
