"""The study that compares the reward ensemble with the public artifact's way."""

import numpy as np
import pytest

from studies.speed import artifact_fit


def test_comparison_with_the_artifact_measures_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_fit, "find_spec", lambda name: None)  # torch: the test below
    result = artifact_fit.measure(1.0, 0, pool=128, decisions=2)
    assert result.torch is None
    for trace in (result.ensemble, result.numpy):
        assert trace.error.shape == (3,)
        assert (trace.error > 0).all()
        assert trace.decision_seconds.shape == (2,)
    assert result.ratio() > 0


def check_that_it_learns(fitter: artifact_fit.Fitter) -> None:
    x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    y = np.tanh(x[:, 0]) + 0.5 * x[:, 1]
    before = np.mean((fitter.predict(x).mean(axis=0) - y) ** 2)
    fitter.fit(x, y)
    assert np.mean((fitter.predict(x).mean(axis=0) - y) ** 2) < 0.1 * before


def test_the_artifacts_fit_learns() -> None:
    check_that_it_learns(artifact_fit.NumpyFitter(6, 0))


@pytest.mark.extra("torch")
def test_the_artifacts_fit_in_torch_learns() -> None:
    check_that_it_learns(artifact_fit.TorchFitter(6, 0))
