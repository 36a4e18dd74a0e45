"""Scores by what worlds have."""

import numpy as np
import pytest

from readsim.plots.style import sober
from readsim.stats import interquartile_mean
from readsim.suite.features import (
    FEATURES,
    PLAIN,
    draw_features,
    feature_cases,
    feature_table,
    features_of,
)
from readsim.suite.scores import Scores
from readsim.suite.table import suite_table
from readsim.worlds import load_world, preset_names

WORLDS = {name: load_world(name) for name in ("gateway", "finite-pools", "conflict")}


@pytest.fixture
def scores() -> Scores:
    rng = np.random.default_rng(0)
    rules = ["uniform", "task-static", "read", "mine:Rule"]
    score = rng.normal(size=(4, 3, 4))
    score[:, :, 3] = np.nan  # a case whose gap is too small
    score[3, :, 0] = np.nan  # mine was not run in gateway
    gap = np.array([0.1, 0.1, 0.1, 0.0])
    worlds = ["gateway", "finite-pools", "conflict", "conflict"]
    cases = [f"{world} {n}" for n, world in enumerate(worlds)]
    difference = np.zeros((4, 3, 4))
    each = np.zeros(4)
    return Scores(rules, worlds, cases, score, difference, np.zeros((4, 4)), each, gap, each)


def test_presets_have_the_features_that_they_are_made_for() -> None:
    made_for = {
        "gateway": "gates",
        "drift": "drift",
        "forgetting": "forgetting",
        "finite-pools": "finite pools",
        "hidden-safety": "hidden capability",
        "biased-probe": "biased probe",
        "cosine": "falling learning rate",
        "overtraining": "overtraining",
        "format-shift": "answer formats",
        "rehearsal": "rehearsal",
        "conflict": "harm between sources",
    }
    for world, feature in made_for.items():
        assert feature in features_of(load_world(world)), world
    seen = {feature for name in preset_names() for feature in features_of(load_world(name))}
    assert set(FEATURES) <= seen
    bare = load_world("conflict")
    assert features_of(bare.replace(harm=np.zeros_like(bare.harm), sources=bare.capabilities)) == [
        PLAIN
    ]


def test_a_column_is_the_mean_over_the_cases_with_the_feature(scores: Scores) -> None:
    cases = feature_cases(scores, WORLDS)
    np.testing.assert_array_equal(cases["gates"], [True, False, False, False])
    harm = cases["harm between sources"]
    assert harm[2]
    assert not harm[3]  # not scored
    table = feature_table(scores, cases).set_index("allocator")
    read = scores.score[2]
    assert table.loc["read", "gates"] == pytest.approx(interquartile_mean(read[:, :1]))
    assert table.loc["read", "harm between sources"] == pytest.approx(
        interquartile_mean(read[:, harm])
    )
    assert table["gates"].isna().to_dict()["mine:Rule"]


def test_the_figure_has_a_row_a_feature_and_names_every_rule(scores: Scores) -> None:
    cases = feature_cases(scores, WORLDS)
    with sober():
        figure = draw_features(scores, suite_table(scores), cases)
    [axes] = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"{feature} ({mask.sum()})" for feature, mask in cases.items()]
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == set(scores.allocators)
    [note] = figure.texts
    assert "Simulated worlds" in note.get_text()
    label, names, small = (part.get_window_extent() for part in (axes.xaxis.label, legend, note))
    assert label.y0 >= names.y1 > names.y0 > small.y1
