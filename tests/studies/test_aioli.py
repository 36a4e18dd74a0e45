"""Aioli's graphs, made up: a left-out seed, its interval, and what gain families disagree on."""

import numpy as np

from studies.aioli.claims import CLAIMS
from studies.aioli.graphs import Graphs
from studies.aioli.left_out import effects, without

DROP = np.array([[0.76, 0.42, 0.52], [0.42, 0.64, 0.48], [0.67, 0.49, 0.72]])


def graphs(sd: float) -> Graphs:
    noise = np.random.default_rng(0).normal(0.0, sd, (5, 3, 3))
    return Graphs(("arxiv", "book", "stackexchange"), DROP + noise)


def test_the_world_of_four_seeds_is_their_mean_and_says_no_more_than_they_do() -> None:
    found = [without(graphs(0.004), n) for n in range(2)]
    for n, each in enumerate(found):
        np.testing.assert_allclose(each.world, each.mean, atol=1e-3)
        np.testing.assert_allclose(
            each.mean, np.delete(graphs(0.004).drop, n, 0).mean(0) - graphs(0.004).drop[n]
        )
        assert 0.005 < each.half.min() == each.half.max() < 0.015
        assert each.apart.max() > 10 * each.misfit  # thirds of three slices were not measured
    made = effects(found)
    assert set(made) == {claim.id for claim in CLAIMS}
    assert np.abs(np.asarray(made["left-out"])).max() < 1e-3


def test_a_seed_unlike_the_others_is_outside() -> None:
    odd = graphs(0.001)
    odd.drop[0] += 0.05
    assert effects([without(odd, 0)])["cover"] == [-0.85]
