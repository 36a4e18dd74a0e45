"""The online bootstrap of the reward ensemble: by row, and by group of rows."""

import numpy as np
from scipy import stats

from readsim.allocators.read.bootstrap import bootstrap_counts, grouped_counts
from readsim.allocators.read.ensemble import (
    EnsembleConfig,
    EnsembleState,
    add_row,
    fit_ensemble,
    predict_reward,
)
from readsim.arrays import Array


def test_bootstrap_counts_are_poisson_and_belong_to_the_row() -> None:
    block = bootstrap_counts(11, 0, 4000, 5)
    parts = [bootstrap_counts(11, i, 1, 5) for i in (0, 1, 17, 3999)]
    assert np.array_equal(np.concatenate(parts, axis=1), block[:, [0, 1, 17, 3999]])
    seen = np.bincount(block.astype(int).ravel(), minlength=5)
    expected = stats.poisson.pmf(np.arange(4), 1.0) * block.size
    np.testing.assert_allclose(seen[:4], expected, rtol=0.05)
    assert np.abs(np.corrcoef(block) - np.eye(5)).max() < 0.06
    assert not np.array_equal(block, bootstrap_counts(12, 0, 4000, 5))


def test_rows_of_one_group_are_drawn_together() -> None:
    """Copies of one measurement are no further evidence: out of the bag means never seen."""
    groups = np.repeat(np.arange(40), 5)
    counts = grouped_counts(3, groups, 5)
    assert counts.shape == (5, 200)
    per = counts.reshape(5, 40, 5)
    assert (per == per[:, :, :1]).all()
    assert np.array_equal(per[:, :, 0], bootstrap_counts(3, 0, 40, 5))
    lonely = grouped_counts(5, np.zeros(4, dtype=np.int64), 50)
    assert lonely.any(axis=1).all()  # a member that drew nothing uses all


def test_copies_of_noise_are_not_learnt_as_if_they_were_evidence() -> None:
    """Rewards are noise, each copied 40 times: ungrouped, what is out of the bag was seen in a copy, and
    the noise is fitted."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 3)), rng.normal(size=24)
    copies = np.arange(24 * 40) % 24
    noisy = y[copies] + 0.01 * rng.normal(size=len(copies))
    config = EnsembleConfig(hidden=16)
    ask = rng.normal(size=(50, 3))
    grouped = fit_ensemble(config, x[copies], noisy, 1, copies)
    apart = fit_ensemble(config, x[copies], noisy, 1)
    wrong, less = ((predict_reward(state, ask)[0] ** 2).mean() for state in (apart, grouped))
    assert less < 0.7 * wrong


def test_copies_weigh_as_much_as_one_row() -> None:
    """Exact copies of ten measurements, in groups, teach what the ten alone do; a run's own rows, which
    say something else, are then believed."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)), rng.normal(size=10)
    copies = np.repeat(np.arange(10), 4)
    config = EnsembleConfig(hidden=16, ridge=(0.1,))
    alone = fit_ensemble(config, x, y, 1)
    copied = fit_ensemble(config, x[copies], y[copies], 1, copies)
    ask = rng.normal(size=(50, 3))
    np.testing.assert_allclose(
        predict_reward(copied, ask)[0], predict_reward(alone, ask)[0], atol=1e-5
    )
    own = [(x[0], y[0] + 10)] * 5
    near = [
        _after(config, fit_ensemble(config, x[copies], y[copies], 1, groups), own)
        for groups in (copies, None)
    ]
    assert near[0] > near[1] + 1
    assert near[0] > y[0] + 5


def _after(config: EnsembleConfig, state: EnsembleState, rows: list[tuple[Array, float]]) -> float:
    """What is predicted for the last of `rows`, once they were added."""
    for row, reward in rows:
        state = add_row(config, state, row, reward)
    return float(predict_reward(state, rows[-1][0][None])[0][0])
