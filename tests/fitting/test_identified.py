"""What the runs speak of: bounds that are known, and those that are the law's guess."""

from dataclasses import replace

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.fitting.diagnostics import items_of
from readsim.fitting.identified import identified
from readsim.fitting.intervals import fit_intervals
from readsim.fitting.law import Fitted, fit_law
from readsim.fitting.misfit import Misfit, misfit_in, misfit_of, misfit_text
from readsim.fitting.network import LawConfig
from tests.support.made_fits import known_world, mixtures

CHOICE = LawConfig("log", "saturating", 6, l1=1e-3, ridge=1e-6, reach=0.2)


def fit(lengths: Array, *, known_start: bool = False, noise: float = 0.003) -> Fitted:
    """Runs of the known world, of these lengths in units of the longest."""
    world, rng = known_world(losses=False), np.random.default_rng(0)
    tokens = mixtures(len(lengths)) * lengths[:, None] * 3e6
    measured = world.profile_after([tokens]) + noise * rng.standard_normal((len(lengths), 2))
    return fit_law(
        tokens,
        measured.clip(0.0, 1.0),
        sources=world.sources,
        capabilities=world.capabilities,
        scores=True,
        start=world.start if known_start else None,
        choice=CHOICE,
        members=1,
        folds=4,
    )


def test_runs_of_one_length_say_nothing_of_start_and_ceiling() -> None:
    fitted = fit(np.ones(40))
    found = identified(fitted)
    assert not found.start.any()
    assert not found.ceiling.any()
    sure = fit_intervals(fitted, count=4)
    for interval in (sure.start, sure.ceiling):
        assert np.isinf(interval.low).all()
        assert np.isfinite(interval.value).all()
        assert not interval.known.any()
    assert sure.effect.known.all()


def test_a_start_that_was_given_or_measured_is_known() -> None:
    assert identified(fit(np.ones(40), known_start=True)).start.all()
    lengths = np.r_[np.zeros(4), np.geomspace(0.01, 1.0, 46)]
    assert identified(fit(lengths)).start.all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_start_that_few_noisy_rows_measured_is_known(seed: int) -> None:
    rng, tokens = np.random.default_rng(seed), np.zeros((10, 2))
    tokens[5:] = 1e3 * rng.dirichlet(np.ones(2), 5)
    scores = np.where(tokens.any(axis=1), 0.4, 0.5)[:, None] + 0.15 * rng.standard_normal((10, 2))
    scores[0, 1] = np.nan
    names = ("a", "b")
    fitted = fit_law(
        *(tokens, scores.clip(0.0, 1.0)),
        sources=names,
        capabilities=names,
        scores=True,
        choice=CHOICE,
        members=1,
        folds=0,
    )
    assert identified(fitted).start.all()
    only = np.where(tokens.any(axis=1), 1.0, 0.0)[:, None] * np.array([0.0, 1.0]) + np.array(
        [1.0, 0.0]
    )
    unseen = replace(fitted, data=replace(fitted.data, weight=only[fitted.order.rows]))
    assert identified(unseen).start[0]


def test_short_runs_alone_say_nothing_of_the_ceiling() -> None:
    assert not identified(fit(np.linspace(0.01, 0.04, 40), noise=0.02)).ceiling.any()


def test_misfit_is_what_held_out_runs_miss_by_without_the_noise_of_items() -> None:
    fitted = fit(np.linspace(0.2, 1.0, 60), noise=0.02)
    plain = misfit_of(fitted, None)
    missed = fitted.held_out - fitted.targets
    held = (np.abs(missed) <= 1.96 * plain.sd).mean()
    assert 0.92 <= held <= 0.99
    items = np.full((60, 2), 0.2 / 0.02**2)  # about as noisy as they are
    assert (misfit_of(fitted, items).sd < plain.sd).all()
    assert items_of(fitted, items)[0] == pytest.approx(500)
    world = fitted.world.replace(provenance={"misfit": misfit_text(plain)})
    again = misfit_in(world)
    assert isinstance(again, Misfit)
    assert again.sd == pytest.approx(plain.sd, rel=1e-3)
    assert again.covariance == pytest.approx(plain.covariance, rel=1e-2)
    assert misfit_in(fitted.world) is None
