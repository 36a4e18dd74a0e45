"""Training that blows up is said, by a rule; training that learns is not."""

from math import inf, log
from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)


def watched(intervals: int = 2, **training: Any) -> tuple[Any, list[Any]]:
    said: list[Any] = []
    backend = small(training={"batch": 4, **training})
    backend.watch = lambda kind, numbers: said.append(numbers) if kind == "diverged" else None
    backend.reset(0)
    for step in range(intervals):
        backend.run_interval(step, np.array([0.5, 0.5]), TOKENS)
    return backend, said


@pytest.mark.parametrize("rate", [1e6, 30.0])
def test_a_rate_far_too_high_is_said_once_and_kept(rate: float) -> None:
    from readsim_hf.training.divergence import in_words

    backend, said = watched(1, learning_rate=rate)  # the next ends with an error: it is not finite
    assert said == [backend.divergence.found]
    assert "diverged by 50 %" in in_words(said[0])
    saved = backend.snapshot()
    backend.reset(1)
    assert not backend.divergence.found
    backend.restore(saved)
    assert backend.divergence.found == said[0]


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.01])
def test_an_ordinary_rate_is_not(rate: float) -> None:
    backend, said = watched(learning_rate=rate)
    assert not said
    assert not backend.divergence.found


def test_the_rule() -> None:
    from readsim_hf.training.divergence import Divergence

    def of(loss: float, norm: float, first: float = 1.0) -> bool:
        return Divergence(uniform=log(100), norm=2.0, first=first).interval(0.5, loss, norm)

    assert not of(4.6, 2.0)  # just below ln 100
    assert of(4.7, 2.0)
    assert not of(8.9, 2.0, first=4.5)  # a start near a uniform guess: below twice its loss
    assert of(9.1, 2.0, first=4.5)
    assert not of(1.0, 200.0)
    assert of(1.0, 201.0)
    assert of(1.0, inf)


def test_a_student_that_is_worse_than_its_start() -> None:
    from readsim_hf.results import is_worse

    sd = np.array([0.02, 0.02])
    assert is_worse(np.array([-0.3, -0.2]), sd)
    assert not is_worse(np.array([-0.3, 0.01]), sd)  # one is better
    assert not is_worse(np.array([-0.01, -0.02]), sd)  # within the error
    assert not is_worse(np.zeros(2), np.zeros(2))


def test_the_norm_is_taken_of_a_few_weights_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No float64 copy of a whole embedding, and nothing that stays between two copies."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from readsim_hf.training import divergence
    from tests.support.hf import tiny

    model, most = tiny(), 0

    class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            nonlocal most
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.dtype == torch.float64:
                most = max(most, out.numel())
            return out

    expected = np.sqrt(
        sum(float((p.detach().numpy().astype(float) ** 2).sum()) for p in model.parameters())
    )
    monkeypatch.setattr(divergence, "PIECE", 100)
    with Largest():  # type: ignore[no-untyped-call]
        found = divergence.norm_of(model)
    assert found == pytest.approx(expected, rel=1e-12)
    assert most == 100
    model.requires_grad_(False)
    assert divergence.norm_of(model) == 0.0
